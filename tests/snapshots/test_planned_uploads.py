"""The planner: uploads that arrive in the end, and verifications."""

from pathlib import Path

import pytest

from apps.jobs.models import Job, JobState
from apps.snapshots.actions import create_snapshot
from apps.snapshots.models import (
    CopyState,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Snapshot,
    SnapshotKind,
)
from apps.snapshots.policies import set_policy
from apps.workspaces.models import Workspace
from tests.factories import ACTOR
from tests.snapshots.moments import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    debounced,
    end_upload,
    names,
    plan,
    scheduled,
    sent,
    target,
    upload_job,
    whole,
    workspace,
)
from tests.snapshots.work import directory_target, fill, upload

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db


# --- Uploads


def test_what_is_made_by_itself_is_sent_to_the_target(workspace: Workspace, target: RemoteTarget) -> None:
    due = scheduled(workspace, target="offsite")

    assert plan(now=due) == {"snapshots": 1, "uploads": 1}
    assert plan(now=due) == {}

    copy = RemoteCopy.objects.get()
    assert upload(copy)[0] == "succeeded"
    assert (copy.state, copy.name) == (CopyState.SEALED, names(workspace)[0])
    assert plan(now=due + MINUTE) == {}


def test_one_upload_at_a_time_goes_to_a_target_and_the_newest_follows(
    workspace: Workspace, target: RemoteTarget
) -> None:
    due = scheduled(workspace, target="offsite", skip_unchanged=False)
    assert plan(now=due) == {"snapshots": 1, "uploads": 1}
    first = RemoteCopy.objects.get()
    assert plan(now=due + HOUR) == plan(now=due + 2 * HOUR) == {"snapshots": 1}

    whole(first)
    assert plan(now=due + 2 * HOUR) == {"uploads": 1}

    assert sorted(RemoteCopy.objects.values_list("name", flat=True)) == [names(workspace)[0], names(workspace)[2]]


def test_an_unchanged_state_that_was_never_sent_is_sent(workspace: Workspace, target: RemoteTarget) -> None:
    due = scheduled(workspace, target="offsite")
    create_snapshot(workspace, name="by-hand", actor=ACTOR)
    assert plan(now=NOW) == {}

    plan(now=due)

    assert [copy.name for copy in RemoteCopy.objects.all()] == ["by-hand"]
    assert names(workspace) == ["by-hand"]


def test_a_policy_that_follows_changes_sends_what_was_made_by_hand(workspace: Workspace, target: RemoteTarget) -> None:
    debounced(workspace, target="offsite")
    create_snapshot(workspace, name="by-hand", actor=ACTOR)
    create_snapshot(workspace, name="for-safety", kind=SnapshotKind.SAFETY, actor=ACTOR)

    assert plan(now=NOW) == {"uploads": 1}

    assert [copy.name for copy in RemoteCopy.objects.all()] == ["by-hand"]


def test_a_target_alone_asks_for_nothing(workspace: Workspace, target: RemoteTarget) -> None:
    set_policy(workspace, {"target": "offsite"}, actor=ACTOR)
    create_snapshot(workspace, kind=SnapshotKind.SCHEDULED, actor=ACTOR)

    assert plan(now=NOW + 9 * DAY) == {}


def test_a_state_that_retention_has_let_go_is_not_sent_again(workspace: Workspace, target: RemoteTarget) -> None:
    due = scheduled(workspace, target="offsite")
    plan(now=due)
    of_schedule = whole(RemoteCopy.objects.get())
    sent(workspace, target)

    of_schedule.delete()

    assert plan(now=due + MINUTE) == {}


def test_another_target_gets_the_newest_state_at_once(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    due = scheduled(workspace, target="offsite")
    plan(now=due)
    whole(RemoteCopy.objects.get())
    directory_target(tmp_path / "elsewhere", "elsewhere")

    set_policy(workspace, {"target": "elsewhere"}, actor=ACTOR)

    assert plan(now=due + MINUTE) == {"uploads": 1}


def test_an_upload_that_failed_for_good_is_asked_for_again_later_each_time(
    workspace: Workspace, target: RemoteTarget
) -> None:
    due = scheduled(workspace, target="offsite")
    plan(now=due)
    copy = RemoteCopy.objects.get()
    Repository.objects.update(failing_since=due)
    waits = []
    at = due
    for _ in range(9):
        end_upload(copy, now=at)
        assert plan(now=at) == {"retries": 1}
        assert plan(now=at) == {}
        waits.append(upload_job(copy).next_run_at - at)
        at = upload_job(copy).next_run_at

    assert [int(wait.total_seconds()) for wait in waits] == [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_an_upload_that_somebody_cancelled_is_not_asked_for_again(workspace: Workspace, target: RemoteTarget) -> None:
    due = scheduled(workspace, target="offsite")
    plan(now=due)

    end_upload(RemoteCopy.objects.get(), now=due, state=JobState.CANCELLED)

    assert plan(now=due + MINUTE) == {}


def test_a_newer_state_goes_before_one_that_failed(workspace: Workspace, target: RemoteTarget) -> None:
    due = scheduled(workspace, target="offsite")
    plan(now=due)
    first = RemoteCopy.objects.get()
    fill(workspace, {"a": b"two"})
    assert plan(now=due + HOUR) == {"snapshots": 1}
    end_upload(first, now=due + HOUR)

    assert plan(now=due + HOUR) == {"uploads": 1}

    whole(RemoteCopy.objects.exclude(pk=first.pk).get())
    assert plan(now=due + HOUR + MINUTE) == {}


def test_a_copy_on_its_way_out_is_not_asked_for_again(workspace: Workspace, target: RemoteTarget) -> None:
    due = scheduled(workspace, target="offsite")
    plan(now=due)
    copy = RemoteCopy.objects.get()
    end_upload(copy, now=due)
    RemoteCopy.objects.update(state=CopyState.DELETING)
    Snapshot.objects.all().delete()

    assert plan(now=due + MINUTE) == {}


def test_with_the_settings_target_switched_off_nothing_goes_there(workspace: Workspace, target: RemoteTarget) -> None:
    due = scheduled(workspace, target="offsite", after_changes=True, quiet_s=0)
    RemoteTarget.objects.update(is_from_settings=True)

    assert plan(now=due) == {"snapshots": 1}

    assert not RemoteCopy.objects.exists()
    assert names(workspace)[0].startswith("scheduled_")


# --- Verifications


def test_the_newest_whole_copy_is_verified_by_the_days_of_the_policy(
    workspace: Workspace, target: RemoteTarget
) -> None:
    set_policy(workspace, {"target": "offsite"}, actor=ACTOR)
    sent(workspace, target)
    newest = sent(workspace, target)
    begun = Repository.objects.get().created_at

    asked = []
    for days in range(40):
        plan(now=begun + days * DAY)
        plan(now=begun + days * DAY + MINUTE)
        for job in Job.objects.filter(kind="snapshots.verify"):
            assert job.subject.startswith(f"{newest.public_id}:")
            asked.append((days, job.subject.partition(":")[2]))
            job.delete()

    assert asked == [(7, "sample"), (14, "sample"), (21, "sample"), (28, "sample"), (30, "trial"), (37, "sample")]


def test_what_is_not_whole_or_of_another_hub_is_passed_over(workspace: Workspace, target: RemoteTarget) -> None:
    set_policy(workspace, {"target": "offsite"}, actor=ACTOR)
    ours, theirs, half = (sent(workspace, target) for _ in range(3))
    RemoteCopy.objects.filter(pk=theirs.pk).update(writer=workspace.public_id)
    RemoteCopy.objects.filter(pk=half.pk).update(state=CopyState.UPLOADING, sealed_at=None)

    plan(now=NOW + 90 * DAY)

    assert Job.objects.get(kind="snapshots.verify").subject == f"{ours.public_id}:trial"


def test_a_target_that_no_policy_names_is_not_verified(workspace: Workspace, target: RemoteTarget) -> None:
    sent(workspace, target)

    assert plan(now=NOW + 90 * DAY) == {}
