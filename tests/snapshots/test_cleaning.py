"""What is forgotten of a workspace that is gone, and what stays of it in a target."""

from typing import Any

import pytest

from apps.files.models import Hold
from apps.jobs.actions import enqueue
from apps.jobs.running import run_job
from apps.snapshots import cleaning
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import refresh
from apps.snapshots.models import (
    CopyPack,
    CutFile,
    DoomedObject,
    Pack,
    PackedChunk,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Restore,
    RestoreState,
    RetentionRule,
    Snapshot,
    SnapshotPolicy,
)
from apps.snapshots.policies import set_policy, set_retention
from apps.snapshots.targets import repository_for
from apps.workspaces.actions import archive_workspace, mark_purged
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.moments import NOW, copies, opened_restore, target, uploading, workspace
from tests.snapshots.work import fill, manifests_in, objects_in, place_for, random_bytes, restored, uploaded

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db

ROWS = (
    CopyPack,
    CutFile,
    DoomedObject,
    Pack,
    PackedChunk,
    RemoteCopy,
    Repository,
    Restore,
    RetentionRule,
    Snapshot,
    SnapshotPolicy,
)


def purge(workspace: Workspace) -> None:
    archive_workspace(workspace, actor=ACTOR)
    Hold.objects.filter(workspace=workspace).delete()
    mark_purged(workspace.pk)


def clean() -> dict[str, int]:
    job = enqueue(cleaning.KIND, "")
    assert run_job(job.pk) == "succeeded"
    job.refresh_from_db()
    return dict(job.result or {})


def everything(workspace: Workspace, target: RemoteTarget) -> None:
    """A row of each kind."""
    fill(workspace, {"large": random_bytes(1_500_000, "large")})
    *_, last = copies(workspace, target, 2)
    restored(workspace, copy=last)
    set_policy(workspace, {"target": target.name}, actor=ACTOR)
    for repository in (None, last.repository):
        set_retention(workspace, repository, {"keep_last": 1}, actor=ACTOR)
    DoomedObject.objects.create(repository=last.repository, name="left/over", created_at=NOW)


def test_all_rows_of_a_purged_workspace_go_and_the_objects_stay(workspace: Workspace, target: RemoteTarget) -> None:
    everything(workspace, target)
    assert [rows.__name__ for rows in ROWS if not rows._default_manager.exists()] == []
    before = objects_in(target)
    archive_workspace(workspace, actor=ACTOR)
    assert clean() == {"snapshots": 0, "copies": 0, "packs": 0}

    purge(workspace)

    assert clean() == {"snapshots": 2, "copies": 2, "packs": 3}
    assert [rows.__name__ for rows in ROWS if rows._default_manager.exists()] == []
    assert objects_in(target) == before
    assert RemoteTarget.objects.get() == target


def test_other_workspaces_keep_theirs(workspace: Workspace, target: RemoteTarget) -> None:
    other = make_workspace()
    everything(other, target)
    counts = [rows._default_manager.count() for rows in ROWS]
    create_snapshot(workspace, actor=ACTOR)

    purge(workspace)

    assert clean() == {"snapshots": 1, "copies": 0, "packs": 0}
    assert [rows._default_manager.count() for rows in ROWS] == counts


def reading(first: RemoteCopy) -> Any:
    return opened_restore(make_workspace(), copy=first)


@pytest.mark.parametrize("use", [reading, uploading])
def test_what_somebody_else_is_just_reading_goes_the_next_day(
    workspace: Workspace, target: RemoteTarget, use: Any
) -> None:
    first, *_ = copies(workspace, target, 2)
    use(first)
    purge(workspace)

    assert clean()["copies"] == 0
    assert RemoteCopy.objects.count() == 2


def test_a_snapshot_that_another_workspace_is_restored_from_goes_later(workspace: Workspace) -> None:
    snapshot = create_snapshot(workspace, actor=ACTOR)
    create_snapshot(workspace, actor=ACTOR)
    opened_restore(make_workspace(), snapshot=snapshot)
    purge(workspace)

    assert clean()["snapshots"] == 1
    Restore.objects.update(state=RestoreState.DONE, finished_at=NOW)
    assert clean()["snapshots"] == 1


def test_another_hub_finds_the_copies_again(workspace: Workspace, target: RemoteTarget) -> None:
    copy = uploaded(workspace, target, "kept")
    place = place_for(copy)
    purge(workspace)
    clean()
    heir = make_workspace()
    repository = repository_for(heir, target)
    for entry in list(place.names()):
        place_for(RemoteCopy(repository=repository)).put(entry.name, place.read(entry.name, most_bytes=1 << 24))

    assert (manifests_in(place), refresh(repository)) == (["kept"], 1)
    restored(heir, copy=RemoteCopy.objects.get())
