"""fsck tells what got stuck: jobs nobody runs, objects nobody sweeps, checkpoints from another time."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.blobs.models import ObjectIntent
from apps.files.integrity import check
from apps.files.models import FeedCheckpoint
from apps.jobs import leases
from apps.jobs.actions import enqueue
from apps.jobs.models import Job, Tick
from apps.workspaces.models import WorkspaceCounter
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db


def ago(**delta: float) -> datetime:
    return datetime.now(UTC) - timedelta(**delta)


def found() -> list[tuple[str, str, str]]:
    return [(finding.check, finding.workspace, finding.what) for finding in check(read_data=False).damage]


def test_jobs_that_wait_or_run_without_anybody_are_stuck() -> None:
    workspace = make_workspace()
    lost = enqueue("files.collect", "lost", workspace_id=workspace.pk, now=ago(hours=1))
    assert leases.claim(lost.pk, now=ago(hours=1)) is not None
    enqueue("files.retain", "overdue", now=ago(minutes=16))
    enqueue("files.retain", "due", now=ago(minutes=14))
    enqueue("files.retain", "later", run_at=ago(hours=-1))

    assert found() == [
        ("jobs_are_not_stuck", workspace.slug, "files.collect"),
        ("jobs_are_not_stuck", "", "files.retain"),
    ]
    assert check(read_data=False).damage[1].detail == f"queued, {Job.objects.get(subject='overdue').public_id}"


def test_what_waits_since_the_hub_was_stopped_is_not_stuck() -> None:
    Tick.objects.create(at=ago(days=7))
    enqueue("files.collect", "a", now=ago(days=7, minutes=1))
    ObjectIntent.objects.create(object_key="a")
    ObjectIntent.objects.update(created_at=ago(days=8))

    assert found() == []


def test_an_orphan_that_no_sweep_took_is_stuck() -> None:
    for key, hours in (("stuck", 49), ("waits", 47)):
        ObjectIntent.objects.create(object_key=key)
        ObjectIntent.objects.filter(object_key=key).update(created_at=ago(hours=hours))

    assert found() == [("orphans_are_swept", "", "stuck")]


def test_a_checkpoint_ahead_of_its_sequence_is_found() -> None:
    workspace, other = make_workspace(), make_workspace()
    WorkspaceCounter.objects.filter(workspace=workspace).update(last_sequence=4)
    FeedCheckpoint.objects.create(workspace=workspace, consumer="at", sequence=4)
    FeedCheckpoint.objects.create(workspace=workspace, consumer="ahead", sequence=5)
    FeedCheckpoint.objects.create(workspace=other, consumer="new", sequence=0)

    assert found() == [("checkpoints_are_not_ahead", workspace.slug, "ahead")]
