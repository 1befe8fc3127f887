"""What a workspace chooses: schedules, targets, and which snapshots are kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import AuditEvent
from apps.common.errors import Invalid, NotFound
from apps.snapshots.actions import create_snapshot, pin_snapshot
from apps.snapshots.models import CopyState, RemoteCopy, RemoteTarget, RetentionRule, Snapshot, SnapshotPolicy
from apps.snapshots.policies import judged, policy_of, preview, rule_of, set_policy, set_retention
from apps.snapshots.targets import add_target, repository_for
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.files.client import nothing_changes

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def workspace() -> Workspace:
    made = make_workspace()
    Workspace.objects.filter(pk=made.pk).update(created_at=datetime(2026, 1, 1, 0, 7, tzinfo=UTC))
    made.refresh_from_db()
    return made


def make_target(name: str = "offsite", workspace: Workspace | None = None) -> RemoteTarget:
    options = {"directory": str(Path("/nonexistent/targets") / name)}
    return add_target(name, kind="directory", options=options, workspace=workspace, actor=ACTOR)


def wrong_fields(error: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [wrong["field"] for wrong in error.value.fields["errors"]]


# --- Policies


def test_who_has_chosen_nothing_has_a_policy_that_asks_for_nothing(workspace: Workspace) -> None:
    policy = policy_of(workspace.pk)

    assert (policy.pk, policy.target, policy.schedule, policy.after_changes) == (None, None, "", False)
    assert not SnapshotPolicy.objects.exists()


def test_an_interval_counts_from_the_making_of_the_workspace(workspace: Workspace) -> None:
    policy = set_policy(workspace, {"schedule": "every 6h"}, actor=ACTOR, now=NOW)

    assert policy.next_run_at == datetime(2026, 3, 1, 12, 7, tzinfo=UTC)
    assert policy_of(workspace.pk).next_run_at == policy.next_run_at


def test_a_cron_line_is_of_the_time_zone(workspace: Workspace) -> None:
    policy = set_policy(workspace, {"schedule": "0 3 * * *", "timezone": "Europe/Oslo"}, actor=ACTOR, now=NOW)

    assert policy.next_run_at == datetime(2026, 3, 2, 2, tzinfo=UTC)


def test_workspaces_with_the_same_schedule_have_their_own_share_of_the_jitter() -> None:
    moments = {
        set_policy(make_workspace(), {"schedule": "@daily", "jitter_s": 3600}, actor=ACTOR, now=NOW).next_run_at
        for _ in range(5)
    }

    assert len(moments) == 5
    assert all(NOW < moment < NOW + timedelta(hours=13) for moment in moments if moment is not None)


def test_a_change_of_something_else_leaves_the_next_run_alone(workspace: Workspace) -> None:
    before = set_policy(workspace, {"schedule": "every 6h"}, actor=ACTOR, now=NOW).next_run_at

    policy = set_policy(workspace, {"quiet_s": 5, "schedule": "every 6h"}, actor=ACTOR, now=NOW + timedelta(hours=9))

    assert (policy.quiet_s, policy.next_run_at) == (5, before)


def test_a_schedule_that_is_taken_away_does_not_run_again(workspace: Workspace) -> None:
    set_policy(workspace, {"schedule": "every 6h"}, actor=ACTOR, now=NOW)

    assert set_policy(workspace, {"schedule": ""}, actor=ACTOR, now=NOW).next_run_at is None


def test_switching_off_after_changes_forgets_what_was_waiting(workspace: Workspace) -> None:
    set_policy(workspace, {"after_changes": True}, actor=ACTOR)
    SnapshotPolicy.objects.update(changed_since=NOW, changed_last=NOW)

    set_policy(workspace, {"after_changes": False}, actor=ACTOR)

    policy = policy_of(workspace.pk)
    assert (policy.changed_since, policy.changed_last) == (None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schedule": "every 59s"}, "schedule"),
        ({"schedule": "daily"}, "schedule"),
        ({"schedule": "0 0 31 2 *"}, "schedule"),
        ({"schedule": "@daily", "timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"schedule": "every 1h", "jitter_s": 3600}, "jitter_s"),
        ({"jitter_s": -1}, "jitter_s"),
        ({"jitter_s": True}, "jitter_s"),
        ({"skip_unchanged": 1}, "skip_unchanged"),
        ({"quiet_s": 601}, "longest_s"),
        ({"longest_s": 29}, "longest_s"),
        ({"quiet_s": "5"}, "quiet_s"),
        ({"on_fork": "toss"}, "on_fork"),
        ({"verify_every_days": -1}, "verify_every_days"),
        ({"alarm_after_hours": 10**9}, "alarm_after_hours"),
        ({"target": "nowhere"}, "target"),
        ({"target": 5}, "target"),
        ({"next_run_at": "2026-01-01"}, "next_run_at"),
        ({"noticed_sequence": 5}, "noticed_sequence"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_kept(
    workspace: Workspace, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as error:
        set_policy(workspace, changes, actor=ACTOR)

    assert wrong_fields(error) == [field]
    assert not SnapshotPolicy.objects.exists()
    assert not AuditEvent.objects.filter(action="snapshot_policy.changed").exists()


def test_a_target_of_another_workspace_is_not_there(workspace: Workspace) -> None:
    make_target("theirs", make_workspace())
    make_target("ours", workspace)
    make_target("everybodys")

    with pytest.raises(Invalid) as error:
        set_policy(workspace, {"target": "theirs"}, actor=ACTOR)

    assert wrong_fields(error) == ["target"]
    for name in ("ours", "everybodys"):
        policy = set_policy(workspace, {"target": name}, actor=ACTOR)
        assert policy.target is not None
        assert policy.target.name == name
    assert set_policy(workspace, {"target": ""}, actor=ACTOR).target is None


def test_a_change_is_in_the_audit_trail_and_no_change_is_not(workspace: Workspace) -> None:
    make_target()
    changes = {"target": "offsite", "quiet_s": 5}

    set_policy(workspace, changes, actor=ACTOR)
    set_policy(workspace, changes, actor=ACTOR)

    event = AuditEvent.objects.get(action="snapshot_policy.changed")
    assert event.details == {"target": {"from": None, "to": "offsite"}, "quiet_s": {"from": 30, "to": 5}}
    assert (event.workspace_id, event.actor) == (workspace.pk, "test")


# --- What is kept


def test_without_a_rule_all_is_kept(workspace: Workspace) -> None:
    rule = rule_of(workspace.pk, None)

    assert (rule.pk, rule.keep_last, rule.grace_hours) == (None, 0, 24)
    assert not RetentionRule.objects.exists()


def test_a_rule_is_changed_field_by_field(workspace: Workspace) -> None:
    set_retention(workspace, None, {"keep_last": 3, "keep_tags": ["gold", "gold", "release"]}, actor=ACTOR)

    set_retention(workspace, None, {"keep_daily": -1, "keep_within": "30d", "grace_hours": 0}, actor=ACTOR)

    rule = rule_of(workspace.pk, None)
    assert (rule.keep_last, rule.keep_daily, rule.keep_within, rule.grace_hours) == (3, -1, "30d", 0)
    assert rule.keep_tags == ["gold", "release"]


def test_snapshots_and_copies_have_rules_apart(workspace: Workspace) -> None:
    repository = repository_for(workspace, make_target())

    set_retention(workspace, None, {"keep_last": 3}, actor=ACTOR)
    set_retention(workspace, repository, {"keep_last": 5}, actor=ACTOR)

    assert rule_of(workspace.pk, None).keep_last == 3
    assert rule_of(workspace.pk, repository.pk).keep_last == 5
    events = AuditEvent.objects.filter(action="retention.changed").order_by("id")
    assert [event.details for event in events] == [
        {"keep_last": {"from": 0, "to": 3}},
        {"keep_last": {"from": 0, "to": 5}, "target": "offsite"},
    ]


def test_the_repository_of_another_workspace_is_not_there(workspace: Workspace) -> None:
    repository = repository_for(make_workspace(), make_target())

    with pytest.raises(NotFound):
        set_retention(workspace, repository, {"keep_last": 3}, actor=ACTOR)

    assert not RetentionRule.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"keep_last": -2}, "keep_last"),
        ({"keep_last": 1_000_000}, "keep_last"),
        ({"keep_daily": "5"}, "keep_daily"),
        ({"keep_within": "forever"}, "keep_within"),
        ({"keep_within": "0d"}, "keep_within"),
        ({"keep_tags": "gold"}, "keep_tags"),
        ({"keep_tags": [""]}, "keep_tags"),
        ({"keep_tags": ["x" * 65]}, "keep_tags"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"grace_hours": -1}, "grace_hours"),
        ({"keep_seconds": 5}, "keep_seconds"),
    ],
)
def test_a_wrong_rule_is_refused_and_the_old_one_stays(
    workspace: Workspace, values: dict[str, Any], field: str
) -> None:
    set_retention(workspace, None, {"keep_last": 3}, actor=ACTOR)

    with nothing_changes(), pytest.raises(Invalid) as error:
        set_retention(workspace, None, values | {"keep_weekly": 4}, actor=ACTOR)

    assert wrong_fields(error) == [field]
    assert (rule_of(workspace.pk, None).keep_last, rule_of(workspace.pk, None).keep_weekly) == (3, 0)


def snapshots_of_days(workspace: Workspace, count: int, **given: Any) -> list[Snapshot]:
    """One a day up to NOW, oldest first, called `d3`, `d2`..."""
    made = []
    for days in reversed(range(count)):
        snapshot = create_snapshot(workspace, name=f"d{days}", actor=ACTOR, **given)
        Snapshot.objects.filter(pk=snapshot.pk).update(created_at=NOW - timedelta(days=days))
        made.append(snapshot)
    return made


def kept(workspace: Workspace, repository: Any = None) -> dict[str, tuple[str, ...]]:
    return {str(found.candidate.key): found.reasons for found in preview(workspace, repository, now=NOW)}


def test_a_preview_tells_why_each_snapshot_is_kept(workspace: Workspace) -> None:
    made = snapshots_of_days(workspace, 4)
    pin_snapshot(made[0], is_pinned=True, actor=ACTOR)
    Snapshot.objects.filter(name="d2").update(tags=["gold"])
    set_retention(workspace, None, {"keep_last": 1, "keep_tags": ["gold"]}, actor=ACTOR)

    assert list(kept(workspace).items()) == [
        ("d0", ("last snapshot 1 of 1",)),
        ("d1", ()),
        ("d2", ("tag gold",)),
        ("d3", ("pinned",)),
    ]


def test_a_preview_changes_nothing(workspace: Workspace) -> None:
    snapshots_of_days(workspace, 3)
    set_retention(workspace, None, {"keep_last": 1}, actor=ACTOR)

    with nothing_changes():
        preview(workspace, None, now=NOW)

    assert not Snapshot.objects.filter(doomed_at__isnull=False).exists()


def copies_of_days(workspace: Workspace, count: int) -> Any:
    """A repository with one whole copy a day up to NOW, `c0` being the newest."""
    repository = repository_for(workspace, make_target())
    for days in range(count):
        RemoteCopy.objects.create(
            repository=repository,
            name=f"c{days}",
            writer=repository.writer,
            kind="manual",
            state=CopyState.SEALED,
            sealed_at=NOW,
            created_at=NOW - timedelta(days=days),
        )
    return repository


def test_a_preview_of_copies_knows_whole_ones_of_this_hub_only(workspace: Workspace) -> None:
    snapshots_of_days(workspace, 2)
    repository = copies_of_days(workspace, 4)
    RemoteCopy.objects.filter(name="c0").update(writer=workspace.public_id)
    RemoteCopy.objects.filter(name="c1").update(state=CopyState.UPLOADING, sealed_at=None)
    set_retention(workspace, repository, {"keep_last": 1}, actor=ACTOR)

    assert kept(workspace, repository) == {"c2": ("last snapshot 1 of 1",), "c3": ()}


def test_a_damaged_copy_pushes_no_whole_one_out(workspace: Workspace) -> None:
    repository = copies_of_days(workspace, 3)
    RemoteCopy.objects.filter(name="c0").update(damage="A pack is gone.")
    set_retention(workspace, repository, {"keep_last": 1}, actor=ACTOR)

    assert kept(workspace, repository) == {
        "c0": ("last snapshot 1 of 1",),
        "c1": ("last snapshot 1 of 1",),
        "c2": (),
    }


def test_judging_costs_the_same_for_one_and_for_many(workspace: Workspace, django_assert_num_queries: Any) -> None:
    snapshots_of_days(workspace, 1)
    rule = set_retention(workspace, None, {"keep_last": 1}, actor=ACTOR)
    for _ in range(2):
        with django_assert_num_queries(1):
            judged(rule, now=timezone.now())
        for _ in range(30):
            create_snapshot(workspace, actor=ACTOR)
