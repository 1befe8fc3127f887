"""How far a target is behind, and what somebody should look at."""

from datetime import datetime

import pytest

from apps.files.models import ChangeSet
from apps.snapshots import planning
from apps.snapshots.actions import create_snapshot
from apps.snapshots.alarms import alarms, lag_of
from apps.snapshots.copies import request_upload
from apps.snapshots.models import (
    RemoteCopy,
    RemoteTarget,
    Repository,
)
from apps.snapshots.policies import policy_of, set_policy
from apps.workspaces.actions import archive_workspace
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.moments import DAY, HOUR, MINUTE, NOW, claimed, sent, target, worked, workspace
from tests.snapshots.work import fill

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db


def changed_at(workspace: Workspace, sequence: int, moment: datetime) -> None:
    assert ChangeSet.objects.filter(id=workspace.pk << 40 | sequence).update(created_at=moment) == 1


def test_a_lag_counts_from_the_first_change_that_the_target_lacks(workspace: Workspace, target: RemoteTarget) -> None:
    set_policy(workspace, {"target": "offsite"}, actor=ACTOR)
    policy = policy_of(workspace.pk)
    changed_at(workspace, 1, NOW - DAY)
    assert (lag_of(policy, now=NOW).seconds, lag_of(policy, now=NOW).reason) == (86_400.0, "never")

    sent(workspace, target)
    assert lag_of(policy, now=NOW).since is None

    fill(workspace, {"a": b"two"})
    fill(workspace, {"a": b"three"})
    changed_at(workspace, 2, NOW - HOUR)
    changed_at(workspace, 3, NOW - MINUTE)
    lag = lag_of(policy, now=NOW)
    assert (lag.seconds, lag.since, lag.reason) == (3600.0, NOW - HOUR, "waiting")

    request_upload(workspace, create_snapshot(workspace, actor=ACTOR), target, actor=ACTOR)
    assert lag_of(policy, now=NOW).reason == "uploading"
    Repository.objects.update(failing_since=NOW)
    assert lag_of(policy, now=NOW).reason == "failing"


def test_copies_of_other_hubs_make_no_lag_shorter(workspace: Workspace, target: RemoteTarget) -> None:
    set_policy(workspace, {"target": "offsite"}, actor=ACTOR)
    RemoteCopy.objects.filter(pk=sent(workspace, target).pk).update(writer=workspace.public_id, sequence=99)

    assert lag_of(policy_of(workspace.pk), now=NOW + HOUR).reason == "never"


def test_without_a_target_there_is_no_lag(workspace: Workspace) -> None:
    assert lag_of(policy_of(workspace.pk)).reason == ""


def told(now: datetime, workspace_id: int | None = None) -> list[tuple[str, str, str]]:
    return [(alarm.workspace, alarm.target, alarm.kind) for alarm in alarms(workspace_id, now=now)]


def test_alarms_tell_what_somebody_should_look_at(workspace: Workspace, target: RemoteTarget) -> None:
    set_policy(workspace, {"target": "offsite", "alarm_after_hours": 24}, actor=ACTOR)
    copy = sent(workspace, target)
    assert told(NOW + 90 * DAY) == []

    fill(workspace, {"a": b"two"})
    RemoteCopy.objects.filter(pk=copy.pk).update(damage="A pack is gone.")
    Repository.objects.update(failing_since=NOW, failure="No answer.", undeletable_since=NOW)

    kinds = ["copy_damaged", "copy_overdue", "delete_refused", "upload_failing"]
    assert told(NOW + 2 * DAY) == [(workspace.slug, "offsite", kind) for kind in kinds]
    assert told(NOW + 2 * DAY, workspace.pk) == told(NOW + 2 * DAY)
    assert told(NOW + 2 * DAY, make_workspace().pk) == []
    assert "copy_overdue" not in [kind for *_, kind in told(NOW + HOUR)]
    archive_workspace(workspace, actor=ACTOR)
    assert told(NOW + 2 * DAY) == []


def test_the_watch_writes_a_line_for_each_alarm(
    workspace: Workspace, target: RemoteTarget, caplog: pytest.LogCaptureFixture
) -> None:
    set_policy(workspace, {"target": "offsite", "alarm_after_hours": 24}, actor=ACTOR)

    assert worked(planning.watch, claimed(planning.WATCH_KIND), now=NOW + 2 * DAY) == {"alarms": 1}

    assert caplog.text.count("snapshot_alarm") == 1
    assert "copy_overdue" in caplog.text
