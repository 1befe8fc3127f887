"""Running background work of the files, here and now."""

from datetime import datetime
from typing import Any

from apps.files.models import SEQUENCE_BITS, ChangeSet
from apps.jobs import running
from apps.jobs.actions import enqueue
from apps.workspaces.models import Workspace


def run(kind: str, workspace: Workspace | None = None) -> dict[str, Any]:
    """Does one job and gives its result; it must succeed."""
    subject = str(workspace.pk) if workspace else ""
    job = enqueue(kind, subject, workspace_id=workspace.pk if workspace else None)
    outcome = running.run_job(job.pk)
    job.refresh_from_db()
    assert (outcome, job.error_detail) == ("succeeded", "")
    return job.result or {}


def written_at(workspace: Workspace, sequence: int, moment: datetime) -> None:
    """Lets the change set that holds this number have been written at another time."""
    number = workspace.pk << SEQUENCE_BITS | sequence
    assert ChangeSet.objects.filter(id__lte=number, last__gte=number).update(created_at=moment) == 1
