"""Restores that cannot be, that others come in between of, or whose job ends early."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.common.http import Transient
from apps.files.holds import release
from apps.files.models import Hold
from apps.files.queries import position
from apps.jobs import leases
from apps.jobs.actions import cancel
from apps.jobs.models import Job
from apps.jobs.runs import JobRun
from apps.snapshots import restoring
from apps.snapshots.actions import create_snapshot, delete_snapshot, holder_of, restore_snapshot
from apps.snapshots.copies import request_upload
from apps.snapshots.errors import NotRestorable, RestoreInProgress, SnapshotBusy
from apps.snapshots.models import CopyState, RemoteCopy, RemoteTarget, Restore, Snapshot
from apps.snapshots.restores import holder_of as holder_of_restore
from apps.snapshots.restores import request_restore, settle
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.files.client import nothing_changes
from tests.snapshots.gone_on import THEN, copy, now_tree, target, workspace
from tests.snapshots.work import (
    done_by,
    fill,
    forget_history,
    packs_in,
    place_for,
    restore,
    restored,
    run,
    tree,
)

__all__ = ["copy", "target", "workspace"]
pytestmark = pytest.mark.django_db


# --- Sources that cannot be


def test_a_copy_that_was_not_uploaded_yet_is_refused(workspace: Workspace, target: RemoteTarget) -> None:
    copy = request_upload(workspace, create_snapshot(workspace, actor=ACTOR), target, actor=ACTOR)

    with pytest.raises(NotRestorable):
        request_restore(workspace, copy=copy, actor=ACTOR)

    assert not Restore.objects.exists()


def test_a_copy_that_retention_has_let_go_is_refused(workspace: Workspace, copy: RemoteCopy) -> None:
    RemoteCopy.objects.filter(pk=copy.pk).update(doomed_at=timezone.now())

    with pytest.raises(NotRestorable):
        request_restore(workspace, copy=copy, actor=ACTOR)

    assert not Restore.objects.exists()
    assert not Job.objects.filter(kind="snapshots.restore").exists()


def test_a_copy_that_is_being_deleted_is_refused(workspace: Workspace, copy: RemoteCopy) -> None:
    RemoteCopy.objects.filter(pk=copy.pk).update(state=CopyState.DELETING)

    with pytest.raises(NotRestorable):
        request_restore(workspace, copy=copy, actor=ACTOR)

    assert not Restore.objects.exists()


def test_a_damaged_copy_changes_nothing(workspace: Workspace, copy: RemoteCopy) -> None:
    other = make_workspace()
    place_for(copy).delete(packs_in(place_for(copy))[0])
    before = position(other.pk)

    done, job = restore(other, copy=copy)

    assert position(other.pk) == before
    assert (done.state, done.error_code, job.state) == ("failed", "copy_damaged", "failed")
    assert done.error_detail == "A pack is missing in the target."


def test_a_snapshot_is_not_deleted_while_a_restore_waits_for_it(workspace: Workspace) -> None:
    fill(workspace, THEN)
    snapshot = create_snapshot(workspace, name="first", actor=ACTOR)
    other = make_workspace()
    asked = request_restore(other, snapshot=snapshot, actor=ACTOR)

    with nothing_changes(), pytest.raises(SnapshotBusy) as refused:
        delete_snapshot(workspace, snapshot, actor=ACTOR)
    outcome, _ = run("snapshots.restore", str(asked.public_id))
    delete_snapshot(workspace, snapshot, actor=ACTOR)

    assert refused.value.headers == {"Retry-After": "30"}
    assert (outcome, tree(other)) == ("succeeded", THEN)


def test_a_restore_without_a_job_keeps_no_snapshot(workspace: Workspace) -> None:
    snapshot = create_snapshot(workspace, name="first", actor=ACTOR)
    asked = request_restore(make_workspace(), snapshot=snapshot, actor=ACTOR)
    cancel(Job.objects.get(kind="snapshots.restore"))

    delete_snapshot(workspace, snapshot, actor=ACTOR)

    asked.refresh_from_db()
    assert (asked.state, asked.error_code, asked.snapshot) == ("failed", "cancelled", None)


def test_a_snapshot_that_is_gone_is_refused(workspace: Workspace) -> None:
    snapshot = create_snapshot(workspace, name="first", actor=ACTOR)
    seen = Snapshot.objects.get(pk=snapshot.pk)
    delete_snapshot(workspace, snapshot, actor=ACTOR)

    with pytest.raises(NotRestorable):
        request_restore(make_workspace(), snapshot=seen, actor=ACTOR)

    assert not Restore.objects.exists()


class Interrupted(JobRun):
    """A run in whose midst something happens: when all is fetched, and nothing is written yet."""

    meanwhile: Callable[[], object]

    def flush_progress(self) -> None:
        self.meanwhile()
        super().flush_progress()


def interrupted(asked: Restore, meanwhile: Callable[[], object]) -> None:
    """Does a restore in which `meanwhile` comes between what it has fetched and what it writes."""
    claim = leases.claim(Job.objects.get(kind="snapshots.restore", subject=str(asked.public_id)).pk)
    assert claim is not None
    interrupting = Interrupted(claim)
    done: list[bool] = []

    def once() -> None:
        if not done:
            done.append(True)
            meanwhile()

    interrupting.meanwhile = once
    restoring.restore(interrupting)


def test_a_source_whose_history_goes_meanwhile_deletes_nothing(workspace: Workspace) -> None:
    """A snapshot without its hold may be half there; what is missing of it must not be taken for deleted."""
    fill(workspace, {"a": b"then", "b": b"then"})
    snapshot = create_snapshot(workspace, name="first", actor=ACTOR)
    fill(workspace, {"a": b"now"})
    other = make_workspace()
    fill(other, {"a": b"then", "b": b"theirs"})
    asked = request_restore(other, snapshot=snapshot, delete=True, actor=ACTOR)

    def purge() -> None:
        Snapshot.objects.filter(pk=snapshot.pk).delete()
        release(workspace, holder=holder_of(snapshot))
        forget_history(workspace)

    with pytest.raises(NotRestorable):
        interrupted(asked, purge)

    assert tree(other) == {"a": b"then", "b": b"theirs"}


@pytest.mark.parametrize("most_kept", [0, 3])
def test_more_steps_than_are_kept_in_memory_are_worked_out_anew(
    workspace: Workspace, copy: RemoteCopy, monkeypatch: pytest.MonkeyPatch, most_kept: int
) -> None:
    monkeypatch.setattr(restoring, "MOST_KEPT", most_kept)

    done = restored(workspace, copy=copy, delete=True)

    assert tree(workspace) == THEN
    assert (done.put, done.deleted) == (4, 1)


# --- Others meanwhile


def test_what_was_written_after_the_fetch_is_in_the_safety_snapshot(workspace: Workspace, copy: RemoteCopy) -> None:
    asked = request_restore(workspace, copy=copy, delete=True, actor=ACTOR)

    interrupted(asked, lambda: fill(workspace, {"late": b"late", "same": b"late too", "changed": None}))

    asked.refresh_from_db()
    assert asked.safety is not None
    assert tree(workspace) == THEN
    restore_snapshot(workspace, asked.safety, delete=True, actor=ACTOR)
    late = now_tree() | {"late": b"late", "same": b"late too"}
    del late["changed"]
    assert tree(workspace) == late


def test_content_that_is_purged_meanwhile_makes_it_begin_again(workspace: Workspace, copy: RemoteCopy) -> None:
    """What was known here when it looked was held by a version that a hold of today does not need."""
    assert copy.snapshot is not None
    delete_snapshot(workspace, copy.snapshot, actor=ACTOR)
    asked = request_restore(workspace, copy=copy, delete=True, actor=ACTOR)

    with pytest.raises(Exception, match="begins again"):
        interrupted(asked, lambda: forget_history(workspace))
    asked.refresh_from_db()
    state = asked.state
    job = Job.objects.get(kind="snapshots.restore", subject=str(asked.public_id))
    leases.reclaim_lost(now=timezone.now() + timedelta(hours=1))
    claim = leases.claim(job.pk, now=timezone.now() + timedelta(hours=2))
    assert claim is not None
    outcome = done_by(claim)

    assert (state, outcome) == ("open", "succeeded")
    assert tree(workspace) == THEN


def test_a_second_restore_waits_for_the_first_to_end(workspace: Workspace, copy: RemoteCopy) -> None:
    asked = request_restore(workspace, copy=copy, actor=ACTOR)

    with pytest.raises(RestoreInProgress) as refused:
        request_restore(workspace, copy=copy, actor=ACTOR)
    run("snapshots.restore", str(asked.public_id))
    again = restored(workspace, copy=copy, delete=True)

    assert refused.value.headers == {"Retry-After": "5"}
    assert again.deleted == 1


def test_restores_of_different_workspaces_do_not_wait(copy: RemoteCopy) -> None:
    one, other = make_workspace(), make_workspace()
    asked = [request_restore(each, copy=copy, actor=ACTOR) for each in (one, other)]

    outcomes = [run("snapshots.restore", str(each.public_id))[0] for each in asked]

    assert outcomes == ["succeeded", "succeeded"]
    assert tree(one) == tree(other) == THEN


# --- The job


def test_a_job_that_is_cancelled_before_it_begins_ends_its_restore_with_the_next(
    workspace: Workspace, copy: RemoteCopy
) -> None:
    asked = request_restore(workspace, copy=copy, actor=ACTOR)
    cancel(Job.objects.get(kind="snapshots.restore"))

    restored(workspace, copy=copy)

    asked.refresh_from_db()
    assert (asked.state, asked.error_code, asked.put) == ("failed", "cancelled", 0)


def test_a_restore_that_ended_without_its_job_lets_go_of_what_it_held(workspace: Workspace, copy: RemoteCopy) -> None:
    def fail() -> None:
        raise Transient("away")

    asked = request_restore(workspace, copy=copy, actor=ACTOR)
    with pytest.raises(Transient):
        interrupted(asked, fail)
    held = Hold.objects.filter(holder=holder_of_restore(asked)).count()
    Job.objects.update(state="failed", finished_at=timezone.now(), lease_until=None)

    settle(workspace.pk)

    asked.refresh_from_db()
    assert (held, asked.state) == (1, "failed")
    assert not Hold.objects.filter(holder=holder_of_restore(asked)).exists()


def test_one_that_begins_while_another_is_written_comes_after_it(
    workspace: Workspace, copy: RemoteCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(workspace_id: int) -> None:
        raise RestoreInProgress

    asked = request_restore(workspace, copy=copy, delete=True, actor=ACTOR)
    with monkeypatch.context() as patched:
        patched.setattr(restoring, "lock_restores", busy)
        outcome, job = run("snapshots.restore", str(asked.public_id))
    Job.objects.filter(pk=job.pk).update(next_run_at=timezone.now())
    again, _ = run("snapshots.restore", str(asked.public_id))

    assert (outcome, again, tree(workspace)) == ("retry", "succeeded", THEN)


def test_a_job_that_is_cancelled_while_it_runs_changes_nothing(copy: RemoteCopy) -> None:
    other = make_workspace()
    asked = request_restore(other, copy=copy, actor=ACTOR)
    job = Job.objects.get(kind="snapshots.restore")
    claim = leases.claim(job.pk)
    assert claim is not None
    cancel(job)

    with nothing_changes():
        outcome = done_by(claim)

    asked.refresh_from_db()
    assert (outcome, asked.state, asked.error_code) == ("cancelled", "failed", "cancelled")


def test_a_target_that_is_away_is_tried_again_and_told_after_the_last_time(
    workspace: Workspace, copy: RemoteCopy, tmp_path: Path
) -> None:
    (tmp_path / "mounted").rename(tmp_path / "elsewhere")
    asked = request_restore(workspace, copy=copy, actor=ACTOR)
    job = Job.objects.get(kind="snapshots.restore")

    states = []
    for attempt in range(6):
        Job.objects.filter(pk=job.pk, state="queued").update(next_run_at=timezone.now())
        outcome, _ = run("snapshots.restore", str(asked.public_id))
        asked.refresh_from_db()
        states.append((attempt, outcome, asked.state))

    assert states[:5] == [(attempt, "retry", "open") for attempt in range(5)]
    assert states[5] == (5, "failed", "failed")
    assert (asked.error_code, tree(workspace)) == ("unavailable", now_tree())


def test_a_restore_that_is_done_is_not_done_again(workspace: Workspace, copy: RemoteCopy) -> None:
    done = restored(workspace, copy=copy)
    fill(workspace, {"changed": b"later"})
    Job.objects.filter(kind="snapshots.restore").update(state="queued", finished_at=None)

    with nothing_changes():
        outcome, job = run("snapshots.restore", str(done.public_id))

    assert (outcome, job.result) == ("succeeded", {"put": 0, "deleted": 0})
    assert tree(workspace)["changed"] == b"later"


def test_settling_leaves_a_restore_that_is_at_work(workspace: Workspace, copy: RemoteCopy) -> None:
    asked = request_restore(workspace, copy=copy, actor=ACTOR)

    settle(workspace.pk)

    asked.refresh_from_db()
    assert asked.state == "open"
