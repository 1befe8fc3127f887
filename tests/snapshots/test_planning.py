"""The planner: snapshots on schedule and after changes, and what is pruned each day."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.jobs.models import Job
from apps.snapshots import planning
from apps.snapshots.actions import create_snapshot
from apps.snapshots.models import (
    RemoteCopy,
    RemoteTarget,
    Restore,
    RestoreState,
    Snapshot,
    SnapshotKind,
    SnapshotPolicy,
)
from apps.snapshots.policies import policy_of, set_policy, set_retention
from apps.snapshots.targets import repository_for
from apps.workspaces.actions import archive_workspace
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.moments import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    claimed,
    debounced,
    names,
    plan,
    scheduled,
    target,
    workspace,
)
from tests.snapshots.work import directory_target, fill

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db


# --- On schedule


def test_a_snapshot_is_made_when_it_is_due_and_not_before(workspace: Workspace) -> None:
    due = scheduled(workspace)

    assert plan(now=due - timedelta(seconds=1)) == {}
    assert plan(now=due) == {"snapshots": 1}
    assert plan(now=due) == {}

    made = Snapshot.objects.get()
    assert (made.kind, made.actor) == (SnapshotKind.SCHEDULED, "system")
    assert made.name == f"scheduled_{made.created_at.astimezone(UTC):%Y%m%d_%H%M%S}"
    assert policy_of(workspace.pk).next_run_at == due + HOUR


def test_after_a_long_pause_one_snapshot_makes_up_for_all(workspace: Workspace) -> None:
    due = scheduled(workspace, skip_unchanged=False)

    assert plan(now=due + 3 * DAY + MINUTE) == {"snapshots": 1}

    assert policy_of(workspace.pk).next_run_at == due + 3 * DAY + HOUR


def test_an_unchanged_workspace_is_passed_over_unless_that_is_wanted(workspace: Workspace) -> None:
    due = scheduled(workspace)
    create_snapshot(workspace, name="by-hand", actor=ACTOR)
    create_snapshot(workspace, name="for-safety", kind=SnapshotKind.SAFETY, actor=ACTOR)

    assert plan(now=due) == {}
    set_policy(workspace, {"skip_unchanged": False}, actor=ACTOR)
    assert plan(now=due + HOUR) == {"snapshots": 1}

    assert names(workspace)[:2] == ["by-hand", "for-safety"]


def test_a_safety_snapshot_of_the_same_state_does_not_count(workspace: Workspace) -> None:
    due = scheduled(workspace)
    create_snapshot(workspace, kind=SnapshotKind.SAFETY, actor=ACTOR)

    assert plan(now=due) == {"snapshots": 1}


def test_a_workspace_that_was_never_written_to_is_not_snapshotted() -> None:
    workspace = make_workspace()
    due = scheduled(workspace, skip_unchanged=False, after_changes=True, quiet_s=0)

    assert plan(now=due) == {}

    assert policy_of(workspace.pk).next_run_at == due + HOUR
    assert names(workspace) == []


def test_an_archived_workspace_is_left_alone(workspace: Workspace) -> None:
    due = scheduled(workspace, after_changes=True, quiet_s=0)
    archive_workspace(workspace, actor=ACTOR)

    assert plan(now=due) == {}


def test_a_schedule_that_cannot_be_read_any_more_holds_up_no_other(workspace: Workspace) -> None:
    due = scheduled(workspace)
    other = make_workspace()
    scheduled(other)
    SnapshotPolicy.objects.filter(workspace=other).update(schedule="0 0 * * *", timezone="Gone/Away", next_run_at=NOW)

    assert plan(now=due) == {"snapshots": 1}

    assert names(workspace) != []


@pytest.mark.django_db(transaction=True)
def test_of_planners_that_run_at_once_one_makes_the_snapshot(tmp_path: Path) -> None:
    workspace = make_workspace()
    fill(workspace, {"a": b"one"})
    target = directory_target(tmp_path / "offsite")
    due = scheduled(workspace, skip_unchanged=False, after_changes=True, quiet_s=0, target=target.name)
    runs = [claimed(planning.KIND) for _ in range(1)] * 4
    begin, counts = threading.Barrier(4), []

    def work(run: Any) -> None:
        try:
            begin.wait(10)
            counts.append(planning.plan(run, now=due))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = sorted(names(workspace))
    assert len([name for name in made if name.startswith("scheduled_")]) == 1
    assert len([name for name in made if name.startswith("auto_")]) <= 1
    assert sum(count["snapshots"] for count in counts) == len(made)
    assert len(counts) == 4
    assert Job.objects.filter(kind="snapshots.upload").count() == RemoteCopy.objects.count() <= 2


# --- After changes


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_snapshot_follows_when_nothing_has_changed_for_a_while(workspace: Workspace) -> None:
    debounced(workspace)

    assert plan(now=later(0)) == {}
    assert plan(now=later(15)) == {}
    fill(workspace, {"a": b"two"})
    assert plan(now=later(29)) == {}
    assert plan(now=later(58)) == {}
    assert plan(now=later(59)) == {"snapshots": 1}
    assert plan(now=later(200)) == {}

    made = Snapshot.objects.get()
    assert made.name == f"auto_{made.created_at.astimezone(UTC):%Y%m%d_%H%M%S}"
    assert (made.kind, made.sequence) == (SnapshotKind.SCHEDULED, 2)


def test_changes_that_never_stop_are_snapshotted_after_the_longest_wait(workspace: Workspace) -> None:
    debounced(workspace)

    for seconds in range(0, 100, 20):
        assert plan(now=later(seconds)) == {}
        fill(workspace, {"a": str(seconds).encode()})
    assert plan(now=later(100)) == {"snapshots": 1}

    assert plan(now=later(115)) == {}


def test_a_change_after_the_look_is_in_the_snapshot_and_needs_no_other(workspace: Workspace) -> None:
    debounced(workspace)
    plan(now=later(0))
    (policy,) = planning._changed(with_settings=False)
    fill(workspace, {"a": b"two"})

    assert planning._snapshot_after_changes(policy, now=later(30))

    assert Snapshot.objects.get().sequence == 2
    plan(now=later(31))
    assert policy_of(workspace.pk).changed_since is None


def test_a_snapshot_made_by_hand_meanwhile_is_enough(workspace: Workspace) -> None:
    debounced(workspace)
    plan(now=later(0))
    create_snapshot(workspace, name="by-hand", actor=ACTOR)

    assert plan(now=later(30)) == {}

    assert names(workspace) == ["by-hand"]
    assert policy_of(workspace.pk).changed_since is None


def open_restore(workspace: Workspace, *, with_job: bool) -> Restore:
    restore = Restore.objects.create(workspace=workspace, source="somewhere", actor="test", created_at=NOW)
    if with_job:
        Job.objects.create(kind="snapshots.restore", subject=str(restore.public_id), next_run_at=NOW)
    return restore


def test_a_restore_that_goes_on_is_waited_for(workspace: Workspace) -> None:
    debounced(workspace)
    restore = open_restore(workspace, with_job=True)

    plan(now=later(0))
    assert plan(now=later(500)) == {}

    Restore.objects.filter(pk=restore.pk).update(state=RestoreState.DONE, finished_at=NOW)
    assert plan(now=later(501)) == {"snapshots": 1}


def test_a_restore_without_a_job_is_waited_for_no_longer(workspace: Workspace) -> None:
    debounced(workspace)
    open_restore(workspace, with_job=False)

    plan(now=later(0))

    assert plan(now=later(30)) == {"snapshots": 1}


# --- Once a day


def test_each_day_what_has_a_rule_or_a_repository_is_pruned(target: RemoteTarget) -> None:
    ruled, stored, archived = make_workspace(), make_workspace(), make_workspace()
    make_workspace()
    for each in (ruled, archived):
        set_retention(each, None, {"keep_last": 3}, actor=ACTOR)
    repository_for(stored, target)
    archive_workspace(archived, actor=ACTOR)

    assert planning.plan_prunes(claimed(planning.PRUNES_KIND)) == {"planned": 2}

    jobs = Job.objects.filter(kind="snapshots.prune").order_by("workspace_id")
    assert [job.subject for job in jobs] == [str(ruled.pk), str(stored.pk)]
