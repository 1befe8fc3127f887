"""Policies and retention in the console: shown to all members, changed by admins, seen before they are saved."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.snapshots.actions import create_snapshot
from apps.snapshots.models import RemoteCopy, Repository, RetentionRule, Snapshot, SnapshotPolicy
from apps.snapshots.policies import policy_of, rule_of, set_policy, set_retention
from tests.console import Console, member
from tests.factories import ACTOR, make_workspace
from tests.files.client import statements_sent
from tests.snapshots.admin.kept import Kept

pytestmark = pytest.mark.django_db

POLICY, RETENTION = "/admin/snapshots/snapshotpolicy/", "/admin/snapshots/snapshotpolicy/retention/"
RULE = {
    "keep_last": "1", "keep_hourly": "0", "keep_daily": "0", "keep_weekly": "0", "keep_monthly": "0",
    "keep_yearly": "0", "keep_within": "", "keep_tags": "", "timezone": "UTC", "grace_hours": "24",
}  # fmt: skip


def as_shown(console: Console, slug: str, **changes: str) -> dict[str, str]:
    """The policy's form as the page has it, with some fields changed; an empty text unticks a switch."""
    form: Any = console.get(POLICY, workspace=slug).context["form"]
    values = {field.name: field.value() for field in form}
    given = {name: value for name, value in values.items() if value is not None and value is not False}
    shown = {name: "on" if value is True else str(value) for name, value in given.items()}
    return {name: value for name, value in (shown | changes).items() if value or name not in changes}


def test_the_page_says_what_happens_by_itself(kept: Kept, root: Console) -> None:
    set_policy(kept.workspace, {"schedule": "every 6h", "target": "offsite", "alarm_after_hours": 1}, actor=ACTOR)

    answer = root.get(POLICY, workspace=kept.slug)

    text = answer.content.decode()
    assert answer.context["newest"].name == "second"
    assert answer.context["lag_text"] == "Changes wait for the next snapshot"
    assert [one.title for one in answer.context["kept"]] == ["Snapshots in this hub", "Copies in offsite"]
    assert "every 6h" in text


def test_an_admin_changes_only_what_was_changed(kept: Kept) -> None:
    set_policy(kept.workspace, {"jitter_s": 60}, actor=ACTOR)
    admin = member(kept.workspace, "admin")
    changes = {"schedule": "@daily", "timezone": "Europe/Oslo", "target": "offsite", "skip_unchanged": ""}

    answer = admin.post(POLICY, as_shown(admin, kept.slug, **changes), workspace=kept.slug)

    policy = policy_of(kept.workspace.pk)
    assert answer.status_code == 302
    assert (policy.schedule, policy.timezone, policy.target, policy.skip_unchanged, policy.jitter_s) == (
        "@daily",
        "Europe/Oslo",
        kept.target,
        False,
        60,
    )
    assert policy.next_run_at is not None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schedule": "now and then"}, "schedule"),
        ({"timezone": "Moon/Sea"}, None),
        ({"quiet_s": "50", "longest_s": "10"}, "longest_s"),
        ({"target": "nowhere"}, "target"),
        ({"verify_every_days": "-1"}, "verify_every_days"),
        ({"on_fork": "guess"}, "on_fork"),
    ],
)
def test_what_is_refused_is_told_at_the_field(
    kept: Kept, root: Console, changes: dict[str, str], field: str | None
) -> None:
    form = root.post(POLICY, as_shown(root, kept.slug, **changes), workspace=kept.slug).context["form"]

    assert form.errors
    assert field is None or set(form.errors) == {field}
    assert not SnapshotPolicy.objects.filter(workspace=kept.workspace).exclude(schedule="").exists()


def test_what_the_settings_say_cannot_be_changed_here(kept: Kept, root: Console) -> None:
    type(kept.target).objects.update(is_from_settings=True)
    SnapshotPolicy.objects.create(workspace=kept.workspace, target=kept.target, after_changes=True)
    form = as_shown(root, kept.slug, after_changes="", quiet_s="5", verify_every_days="3") | {"target": ""}

    root.post(POLICY, form, workspace=kept.slug)

    policy = SnapshotPolicy.objects.get()
    assert (policy.target, policy.after_changes, policy.quiet_s, policy.verify_every_days) == (kept.target, True, 30, 3)
    assert "CLOUD_SYNC_*" in root.text(POLICY, workspace=kept.slug)


def test_alarms_are_told(kept: Kept, root: Console) -> None:
    Repository.objects.update(failing_since=timezone.now(), failure="The bucket is gone.")
    RemoteCopy.objects.update(damage="A pack is gone.")

    found = root.get(POLICY, workspace=kept.slug).context["alarms"]

    assert [(each.colour, each.text) for each in found] == [
        ("danger", "Copies in offsite are damaged"),
        ("danger", "Uploads to offsite fail"),
    ]


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_others_read_the_policy_and_change_nothing(kept: Kept, role: str) -> None:
    staff = member(kept.workspace, role)

    form = as_shown(staff, kept.slug, schedule="@daily")

    assert "Save the policy" not in staff.text(POLICY, workspace=kept.slug)
    assert "Preview" not in staff.text(RETENTION, workspace=kept.slug)
    assert staff.post(POLICY, form, workspace=kept.slug).status_code == 404
    assert staff.post(RETENTION, RULE | {"save": ""}, workspace=kept.slug).status_code == 404
    assert not SnapshotPolicy.objects.exists()
    assert not RetentionRule.objects.exists()


# --- Retention


def verdicts(answer: Any) -> dict[str, tuple[str, ...]]:
    return {row.name: row.judged.verdict.reasons for row in answer.context["preview"].rows}


def test_the_saved_rule_is_shown_with_what_it_does(kept: Kept, root: Console) -> None:
    set_retention(kept.workspace, None, {"keep_tags": ["layout"]}, actor=ACTOR)

    found = verdicts(root.get(RETENTION, workspace=kept.slug))

    assert found == {"second": ("the last one",), "first": ("tag layout",)}


def test_a_new_rule_is_seen_before_it_is_saved(kept: Kept) -> None:
    admin = member(kept.workspace, "admin")

    seen = admin.post(RETENTION, RULE | {"preview": ""}, workspace=kept.slug)
    saved_yet = RetentionRule.objects.exists()
    answer = admin.post(RETENTION, dict(seen.context["values"]) | {"save": ""}, workspace=kept.slug)

    assert verdicts(seen) == {"second": ("last snapshot 1 of 1",), "first": ()}
    assert (seen.context["preview"].kept, seen.context["preview"].going) == (1, 1)
    assert "goes" in seen.content.decode()
    assert not saved_yet
    assert answer.url == f"{POLICY}?workspace=mine"
    assert rule_of(kept.workspace.pk, None).keep_last == 1
    assert "The last 1" in admin.text(POLICY, workspace=kept.slug)


def test_copies_in_a_target_have_a_rule_of_their_own(kept: Kept, root: Console) -> None:
    seen = root.post(RETENTION, RULE | {"preview": ""}, workspace=kept.slug, target="offsite")
    root.post(RETENTION, RULE | {"save": ""}, workspace=kept.slug, target="offsite")

    assert verdicts(seen) == {"first": ("last snapshot 1 of 1",)}
    assert RetentionRule.objects.get().repository_id == kept.copy.repository_id


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"keep_within": "a while"}, "keep_within"),
        ({"keep_last": "-2"}, "keep_last"),
        ({"timezone": "Moon/Sea"}, "timezone"),
        ({"keep_daily": ""}, "keep_daily"),
        ({"keep_tags": ",".join(map(str, range(40)))}, "keep_tags"),
    ],
)
@pytest.mark.parametrize("button", ["preview", "save"])
def test_a_rule_that_is_refused_is_told_at_the_field(
    kept: Kept, root: Console, changes: dict[str, str], field: str, button: str
) -> None:
    answer = root.post(RETENTION, RULE | changes | {button: ""}, workspace=kept.slug)

    assert set(answer.context["form"].errors) == {field}
    assert answer.context["preview"] is None
    assert not RetentionRule.objects.exists()


def test_what_was_let_go_is_told(kept: Kept, root: Console) -> None:
    Snapshot.objects.filter(name="first").update(doomed_at=timezone.now() - timedelta(hours=3))
    set_retention(kept.workspace, None, {"keep_last": 1}, actor=ACTOR)

    assert "let go" in root.text(RETENTION, workspace=kept.slug)


def test_a_target_of_another_workspace_is_not_there(kept: Kept, root: Console) -> None:
    type(kept.target).objects.update(workspace=make_workspace("other"))

    assert root.get(RETENTION, workspace=kept.slug, target="offsite").status_code == 404


@pytest.mark.parametrize(("page", "budget"), [(POLICY, 13), (RETENTION, 6)])
def test_a_page_costs_the_same_for_one_row_and_for_500(kept: Kept, root: Console, page: str, budget: int) -> None:
    set_policy(kept.workspace, {"target": "offsite"}, actor=ACTOR)
    root.get(page, workspace=kept.slug)
    with statements_sent() as for_one:
        root.get(page, workspace=kept.slug)
    for number in range(500):
        create_snapshot(kept.workspace, name=f"s{number}", actor=ACTOR)

    with statements_sent() as for_many:
        root.get(page, workspace=kept.slug)

    assert (len(for_one), len(for_many)) == (budget, budget)
