"""Background work of the snapshots at moments of the test's choice, and what it finds there."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.jobs import leases
from apps.jobs.actions import enqueue
from apps.jobs.models import Job, JobState
from apps.jobs.runs import JobRun
from apps.snapshots import planning, pruning
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import request_upload
from apps.snapshots.models import (
    CopyState,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Restore,
    RetentionRule,
    Snapshot,
)
from apps.snapshots.policies import set_policy, set_retention
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.work import directory_target, fill, random_bytes, uploaded

NOW = timezone.now() + timedelta(minutes=40)
"""Later than all that a test writes down."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def workspace() -> Workspace:
    """One that was written to."""
    made = make_workspace()
    fill(made, {"a": b"one"})
    return made


@pytest.fixture
def target(tmp_path: Path) -> RemoteTarget:
    return directory_target(tmp_path / "offsite")


# --- Work


def claimed(kind: str, subject: str = "", workspace: Workspace | None = None) -> JobRun:
    """A job of this kind in the hands of this process."""
    job = enqueue(kind, subject, workspace_id=workspace.pk if workspace else None)
    claim = leases.claim(job.pk)
    assert claim is not None
    return JobRun(claim)


def worked(worker: Callable[..., Any], run: JobRun, *, now: datetime) -> Any:
    """What a worker says of its work at this moment; the job ends well unless the worker raises."""
    try:
        result = worker(run, now=now)
    except BaseException:
        leases.finish(run.claim, JobState.FAILED)
        raise
    leases.finish(run.claim, JobState.SUCCEEDED)
    return result


def plan(*, now: datetime) -> dict[str, int]:
    """What the planner did, without what it did not do."""
    result = worked(planning.plan, claimed(planning.KIND), now=now)
    return {name: count for name, count in result.items() if count}


def prune(workspace: Workspace, *, now: datetime) -> dict[str, Any]:
    """What pruning did, without what it did not do."""
    result = worked(pruning.prune_workspace, claimed(pruning.KIND, str(workspace.pk), workspace), now=now)
    return {name: count for name, count in result.items() if count}


def upload_job(copy: RemoteCopy) -> Job:
    """The newest job that uploads or uploaded a copy."""
    job = Job.objects.filter(kind="snapshots.upload", subject=str(copy.public_id)).order_by("-id").first()
    assert job is not None
    return job


def end_upload(copy: RemoteCopy, *, now: datetime, state: JobState = JobState.FAILED) -> Job:
    """Lets the upload that was asked for end for good at this moment."""
    job = upload_job(copy)
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=now)
    return job


# --- Policies and rules


def scheduled(workspace: Workspace, **changes: Any) -> datetime:
    """Lets the workspace have a snapshot each hour; when the next is due."""
    policy = set_policy(workspace, {"schedule": "every 1h"} | changes, actor=ACTOR, now=NOW)
    assert policy.next_run_at is not None
    return policy.next_run_at


def debounced(workspace: Workspace, **changes: Any) -> None:
    set_policy(workspace, {"after_changes": True, "quiet_s": 30, "longest_s": 100} | changes, actor=ACTOR)


def keep(workspace: Workspace, count: int, repository: Repository | None = None, **values: Any) -> RetentionRule:
    return set_retention(workspace, repository, {"keep_last": count} | values, actor=ACTOR)


# --- Snapshots and copies


def snapshots(workspace: Workspace, count: int = 3) -> list[Snapshot]:
    """Oldest first; each but the first has changed something."""
    made = []
    for number in range(count):
        fill(workspace, {"a": str(number).encode()})
        made.append(create_snapshot(workspace, name=f"s{number}", actor=ACTOR))
    return made


def names(workspace: Workspace) -> list[str]:
    return [snapshot.name for snapshot in Snapshot.objects.filter(workspace=workspace).order_by("id")]


def doomed_names(rows: Any = Snapshot) -> list[str]:
    return sorted(rows.objects.filter(doomed_at__isnull=False).values_list("name", flat=True))


def copies(workspace: Workspace, target: RemoteTarget, count: int = 3) -> list[RemoteCopy]:
    """Whole ones, oldest first: each has a file of its own, and one that all have."""
    made = []
    fill(workspace, {"shared": random_bytes(5000, "shared")})
    for number in range(count):
        fill(workspace, {"own": random_bytes(5000, f"own {number}")})
        made.append(uploaded(workspace, target, f"c{number}"))
    return made


def whole(copy: RemoteCopy) -> RemoteCopy:
    """As if its upload had arrived."""
    end_upload(copy, now=NOW, state=JobState.SUCCEEDED)
    RemoteCopy.objects.filter(pk=copy.pk).update(
        state=CopyState.SEALED, sealed_at=timezone.now(), manifest_sha256=bytes(32)
    )
    copy.refresh_from_db()
    return copy


def sent(workspace: Workspace, target: RemoteTarget) -> RemoteCopy:
    """A snapshot made by hand, whole in the target."""
    return whole(request_upload(workspace, create_snapshot(workspace, actor=ACTOR), target, actor=ACTOR))


def opened_restore(workspace: Workspace, **source: Any) -> Restore:
    restore = Restore.objects.create(workspace=workspace, source="x", actor="test", created_at=NOW, **source)
    Job.objects.create(kind="snapshots.restore", subject=str(restore.public_id), next_run_at=NOW)
    return restore


def uploading(copy: RemoteCopy) -> None:
    Job.objects.create(
        kind="snapshots.upload", subject=str(copy.public_id), next_run_at=NOW, workspace=copy.repository.workspace
    )
