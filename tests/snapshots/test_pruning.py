"""Retention of snapshots: two phases, and what is in use stays."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import AuditEvent
from apps.files.models import Hold
from apps.jobs.errors import LeaseLost
from apps.jobs.models import Job
from apps.snapshots import pruning
from apps.snapshots.actions import create_snapshot, pin_snapshot
from apps.snapshots.copies import request_upload
from apps.snapshots.models import (
    RemoteTarget,
    Restore,
    RestoreState,
    RetentionRule,
    Snapshot,
    SnapshotKind,
)
from apps.snapshots.policies import preview, set_retention
from apps.workspaces.actions import archive_workspace
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.files.client import statements_sent
from tests.snapshots.moments import (
    DAY,
    NOW,
    claimed,
    doomed_names,
    keep,
    names,
    opened_restore,
    prune,
    snapshots,
    target,
    workspace,
)
from tests.snapshots.test_restoring import a_restore_of

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db

OVER = NOW + DAY
"""When the grace time of what was doomed at NOW has passed."""


def test_what_goes_is_doomed_first_and_deleted_a_grace_time_later(workspace: Workspace) -> None:
    snapshots(workspace)
    keep(workspace, 1)

    assert prune(workspace, now=NOW) == {"doomed": 2}
    assert prune(workspace, now=OVER - timedelta(seconds=1)) == {}
    assert names(workspace) == ["s0", "s1", "s2"]
    assert prune(workspace, now=OVER) == {"deleted": 2, "snapshots": 2}

    assert names(workspace) == ["s2"]
    assert Hold.objects.filter(workspace=workspace).count() == 1
    gone = AuditEvent.objects.filter(action="snapshot.deleted").order_by("id")
    assert [(event.subject, event.actor) for event in gone] == [("s0", "system"), ("s1", "system")]


def test_without_a_grace_time_all_is_done_in_one_run(workspace: Workspace) -> None:
    snapshots(workspace)
    keep(workspace, 1, grace_hours=0)

    assert prune(workspace, now=NOW) == {"doomed": 2, "deleted": 2, "snapshots": 2}


@pytest.mark.parametrize("rule", [{}, {"keep_last": 0}])
def test_an_empty_policy_deletes_nothing(workspace: Workspace, rule: dict[str, Any]) -> None:
    snapshots(workspace)
    set_retention(workspace, None, rule | {"grace_hours": 0}, actor=ACTOR)

    assert prune(workspace, now=NOW + 9000 * DAY) == {}
    RetentionRule.objects.all().delete()
    assert prune(workspace, now=NOW + 9000 * DAY) == {}


def test_a_rule_that_is_taken_back_spares_what_it_had_doomed(workspace: Workspace) -> None:
    snapshots(workspace)
    keep(workspace, 1)
    prune(workspace, now=NOW)

    keep(workspace, 0)

    assert prune(workspace, now=OVER) == {"spared": 2}
    assert doomed_names() == []
    assert len(names(workspace)) == 3


def test_a_pin_spares_a_doomed_snapshot(workspace: Workspace) -> None:
    first, *_ = snapshots(workspace)
    keep(workspace, 1)
    prune(workspace, now=NOW)

    pin_snapshot(first, is_pinned=True, actor=ACTOR)

    assert doomed_names() == ["s1"]
    assert prune(workspace, now=OVER) == {"deleted": 1, "snapshots": 1}
    assert names(workspace) == ["s0", "s2"]


def test_a_preview_says_what_the_real_thing_does(workspace: Workspace) -> None:
    for number, snapshot in enumerate(snapshots(workspace, 12)):
        age = timedelta(hours=7 * (12 - number))
        Snapshot.objects.filter(pk=snapshot.pk).update(
            created_at=NOW - age, kind="safety" if number % 5 == 0 else "manual"
        )
    keep(workspace, 2, keep_daily=3)
    foretold = sorted(str(each.candidate.key) for each in preview(workspace, None, now=NOW) if not each.is_kept)

    prune(workspace, now=NOW)

    assert doomed_names() == foretold
    assert 0 < len(foretold) < 12


def test_old_safety_snapshots_go_and_do_not_take_the_place_of_others(workspace: Workspace) -> None:
    create_snapshot(workspace, name="safety", kind=SnapshotKind.SAFETY, actor=ACTOR)
    snapshots(workspace, 2)
    keep(workspace, 2, grace_hours=0)

    assert prune(workspace, now=NOW + 29 * DAY) == {}
    assert prune(workspace, now=NOW + 31 * DAY) == {"doomed": 1, "deleted": 1, "snapshots": 1}

    assert names(workspace) == ["s0", "s1"]


def test_a_snapshot_that_a_restore_reads_stays_until_it_is_over(workspace: Workspace) -> None:
    first, *_ = snapshots(workspace)
    keep(workspace, 1)
    prune(workspace, now=NOW)
    restore = opened_restore(make_workspace(), snapshot=first)

    assert prune(workspace, now=OVER) == {"deleted": 1, "snapshots": 1, "in_use": 1}
    assert names(workspace) == ["s0", "s2"]

    Restore.objects.filter(pk=restore.pk).update(state=RestoreState.DONE, finished_at=NOW)
    assert prune(workspace, now=OVER) == {"deleted": 1, "snapshots": 1}


def test_a_restore_that_lost_its_job_reads_nothing(workspace: Workspace) -> None:
    first, *_ = snapshots(workspace)
    keep(workspace, 1, grace_hours=0)
    opened_restore(make_workspace(), snapshot=first)
    Job.objects.filter(kind="snapshots.restore").delete()

    assert prune(workspace, now=NOW) == {"doomed": 2, "deleted": 2, "snapshots": 2}


def test_a_snapshot_that_is_being_uploaded_stays(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_ = snapshots(workspace)
    request_upload(workspace, first, target, actor=ACTOR)
    keep(workspace, 1, grace_hours=0)

    assert prune(workspace, now=NOW) == {"doomed": 2, "deleted": 1, "snapshots": 1, "in_use": 1}
    assert names(workspace) == ["s0", "s2"]


def test_the_last_one_to_go_back_to_stays_whatever_was_judged(workspace: Workspace) -> None:
    first, *_ = snapshots(workspace, 1)
    Snapshot.objects.update(doomed_at=NOW)

    with transaction.atomic():
        assert not pruning._delete_snapshot(workspace, first.pk, until=OVER)

    assert names(workspace) == ["s0"]


def test_nothing_is_deleted_by_a_rule_that_was_changed_after_it_was_judged(workspace: Workspace) -> None:
    snapshots(workspace)
    judged_by = keep(workspace, 1)
    run = claimed(pruning.KIND, str(workspace.pk), workspace)

    keep(workspace, 1, keep_daily=7)

    with pruning._step(run, judged_by) as is_current:
        assert not is_current


def test_an_archived_workspace_is_left_alone(workspace: Workspace) -> None:
    snapshots(workspace)
    keep(workspace, 1, grace_hours=0)
    archive_workspace(workspace, actor=ACTOR)

    assert prune(workspace, now=NOW) == {}


def test_a_run_that_lost_its_job_deletes_nothing(workspace: Workspace) -> None:
    snapshots(workspace)
    keep(workspace, 1, grace_hours=0)
    run = claimed(pruning.KIND, str(workspace.pk), workspace)
    Job.objects.filter(pk=run.claim.job_id).update(fence=99)

    with pytest.raises(LeaseLost):
        pruning.prune_workspace(run, now=NOW)

    assert doomed_names() == []


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_stays_while_the_workspace_is_being_restored(committed_api: Any) -> None:
    workspace = committed_api.workspace
    snapshots(workspace)
    keep(workspace, 1, grace_hours=0)

    with a_restore_of(committed_api):
        assert prune(workspace, now=NOW) == {"doomed": 2, "in_use": 2}

    assert prune(workspace, now=NOW) == {"deleted": 2, "snapshots": 2}


# --- Cost


def test_pruning_that_finds_nothing_costs_the_same_for_one_and_for_many(workspace: Workspace) -> None:
    keep(workspace, -1)
    run = claimed(pruning.KIND, str(workspace.pk), workspace)
    costs = []
    for count in (1, 50):
        for _ in range(count):
            create_snapshot(workspace, actor=ACTOR)
        with statements_sent() as sent:
            pruning.prune_workspace(run, now=NOW)
        costs.append(len(sent))

    assert costs[0] == costs[1]
