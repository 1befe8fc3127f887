"""A new hub takes over what a lost one has sent: by hand, and by itself at its first start."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apps.common.ids import uuid7
from apps.jobs.models import Job
from apps.snapshots.copies import refresh
from apps.snapshots.errors import Forked, NotRestorable
from apps.snapshots.models import RemoteCopy, RemoteTarget, Repository, Restore, SnapshotPolicy
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import TargetUnavailable
from apps.snapshots.policies import set_policy
from apps.snapshots.recovery import found_in, recover, restore_at_first_start
from apps.snapshots.targets import place_of, repository_for
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.format.writing import KEY, MASTER_TEXT, MASTERS
from tests.snapshots.work import (
    OTHER_HUB,
    directory_target,
    fill,
    run,
    sent_by_another_hub,
    tree,
    uploaded,
)

pytestmark = pytest.mark.django_db

THIRD_HUB = UUID(int=7)
LOST = {"notes/a.md": b"text", "big.bin": b"x" * 100_000, "empty": b""}
HOUR = timedelta(hours=1)


@pytest.fixture
def target(tmp_path: Path) -> RemoteTarget:
    """A target that a lost hub has sent to; its disk is mounted."""
    (tmp_path / "mounted/offsite").mkdir(parents=True)
    return directory_target(tmp_path / "mounted/offsite")


@pytest.fixture
def folder(target: RemoteTarget) -> Place:
    """What the lost hub's workspace `lost` has there."""
    return place_of(target).below("lost")


def finished(restore: Restore) -> Restore:
    run("snapshots.restore", str(restore.public_id))
    restore.refresh_from_db()
    return restore


# --- By hand


def test_all_workspaces_of_a_target_are_found(target: RemoteTarget) -> None:
    for slug, names in (("lost", ["one", "two"]), ("other", ["one"])):
        for name in names:
            sent_by_another_hub(place_of(target).below(slug), name, LOST)
    fill(make_workspace("other"), {"a": b"written here"})
    make_workspace("third")
    place_of(target).below("no-copies").put("some/object", b"of somebody else")

    found = found_in(target)

    assert [(entry.slug, entry.copies, entry.is_here) for entry in found] == [("lost", 2, False), ("other", 1, True)]
    assert all(entry.last_change is not None for entry in found)


def test_nothing_is_found_in_an_empty_target(target: RemoteTarget) -> None:
    assert found_in(target) == []


def test_a_workspace_comes_back_that_this_hub_never_had(target: RemoteTarget, folder: Place) -> None:
    sent_by_another_hub(folder, "old", {"notes/a.md": b"older"}, created_at=timezone.now() - HOUR)
    newest = sent_by_another_hub(folder, "new", LOST)

    restore = finished(recover(target, "lost", actor=ACTOR))

    workspace = Workspace.objects.get(slug="lost")
    assert (restore.state, restore.put, restore.deleted) == ("done", 3, 0)
    assert tree(workspace) == LOST
    assert Repository.objects.get(workspace=workspace).head == newest


def test_an_unfinished_upload_is_not_taken_for_a_copy(target: RemoteTarget, folder: Place) -> None:
    sent_by_another_hub(folder, "whole", LOST, created_at=timezone.now() - HOUR)
    sent_by_another_hub(folder, "half", {"a": b"half"})
    folder.delete("half/manifest.mhs")

    finished(recover(target, "lost", actor=ACTOR))

    assert tree(Workspace.objects.get(slug="lost")) == LOST


def test_a_workspace_that_was_written_to_is_left_alone(target: RemoteTarget, folder: Place) -> None:
    sent_by_another_hub(folder, "new", LOST)
    workspace = make_workspace("lost")
    fill(workspace, {"mine": b"mine"})

    with pytest.raises(NotRestorable):
        recover(target, "lost", actor=ACTOR)

    assert tree(workspace) == {"mine": b"mine"}
    assert not Restore.objects.exists()


def test_hubs_that_have_gone_different_ways_are_told_and_nothing_is_restored(
    target: RemoteTarget, folder: Place
) -> None:
    common = sent_by_another_hub(folder, "common", LOST, created_at=timezone.now() - HOUR)
    sent_by_another_hub(folder, "one", {"a": b"one"}, parent=common)
    sent_by_another_hub(folder, "other", {"a": b"other"}, parent=common, writer=THIRD_HUB)

    with pytest.raises(Forked) as refused:
        recover(target, "lost", actor=ACTOR)

    assert "one, other" in refused.value.detail
    assert not Restore.objects.exists()


def test_hubs_that_followed_each_other_are_no_fork(target: RemoteTarget, folder: Place) -> None:
    first = sent_by_another_hub(folder, "first", {"a": b"first"}, created_at=timezone.now() - HOUR)
    sent_by_another_hub(folder, "then", LOST, parent=first, writer=THIRD_HUB)

    finished(recover(target, "lost", actor=ACTOR))

    assert tree(Workspace.objects.get(slug="lost")) == LOST


def test_where_the_target_has_nothing_of_it_there_is_nothing_to_bring_back(target: RemoteTarget) -> None:
    with pytest.raises(NotRestorable):
        recover(target, "lost", actor=ACTOR)

    assert not Restore.objects.exists()
    assert not Workspace.objects.exists()


def test_the_target_of_a_single_workspace_is_not_taken_for_one_with_folders(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    target = directory_target(tmp_path / "own")
    sent_by_another_hub(place_of(target), "new", LOST)

    with pytest.raises(NotRestorable, match="--workspace"):
        found_in(target)

    workspace = make_workspace("mine")
    own = directory_target(tmp_path / "own", "own", workspace=workspace)
    assert [(entry.slug, entry.copies, entry.is_here) for entry in found_in(own)] == [("mine", 1, False)]
    finished(recover(own, "mine", actor=ACTOR))
    assert tree(workspace) == LOST


def test_after_it_came_back_the_workspace_goes_on_where_it_was(target: RemoteTarget, folder: Place) -> None:
    lost = sent_by_another_hub(folder, "new", LOST)
    finished(recover(target, "lost", actor=ACTOR))
    workspace = Workspace.objects.get(slug="lost")
    fill(workspace, {"more": b"more"})

    copy = uploaded(workspace, target, "next")

    assert (copy.parent, copy.new_bytes) == (lost, 100_008)
    assert [entry.copies for entry in found_in(target)] == [2]


def test_encrypted_copies_come_back_with_the_master_key_alone(
    target: RemoteTarget, folder: Place, settings: Any
) -> None:
    folder.put(f".memoryhub/keys/{KEY.key_id}.json", MASTERS.wrapped(KEY))
    sent_by_another_hub(folder, "new", LOST, seal=KEY)
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_TEXT

    finished(recover(target, "lost", actor=ACTOR))

    assert tree(Workspace.objects.get(slug="lost")) == LOST


def test_without_the_master_key_it_is_said_which_one_is_missing(target: RemoteTarget, folder: Place) -> None:
    folder.put(f".memoryhub/keys/{KEY.key_id}.json", MASTERS.wrapped(KEY))
    sent_by_another_hub(folder, "new", LOST, seal=KEY)

    restore = finished(recover(target, "lost", actor=ACTOR))

    assert (restore.state, restore.error_code) == ("failed", "copy_key_missing")
    assert "MEMORYHUB_SNAPSHOT_KEY" in restore.error_detail
    assert tree(Workspace.objects.get(slug="lost")) == {}


def test_a_target_that_is_away_is_told(target: RemoteTarget, folder: Place, tmp_path: Path) -> None:
    sent_by_another_hub(folder, "new", LOST)
    (tmp_path / "mounted").rename(tmp_path / "elsewhere")

    with pytest.raises(TargetUnavailable):
        found_in(target)
    with pytest.raises(TargetUnavailable):
        recover(target, "lost", actor=ACTOR)


# --- By itself, at the first start


@pytest.fixture
def policy(target: RemoteTarget) -> SnapshotPolicy:
    """Of the new, empty workspace `lost`."""
    return set_policy(make_workspace("lost"), {"target": target.name}, actor=ACTOR)


def first_start(policy: SnapshotPolicy) -> Repository:
    restore_at_first_start(policy, actor=ACTOR)
    assert policy.target is not None
    return repository_for(policy.workspace, policy.target)


def test_an_empty_workspace_takes_the_newest_copy_once(policy: SnapshotPolicy, folder: Place) -> None:
    sent_by_another_hub(folder, "new", LOST)

    begun = first_start(policy)
    (restore,) = Restore.objects.all()
    asked_meanwhile = first_start(policy)
    finished(restore)
    ended = first_start(policy)
    fill(policy.workspace, dict.fromkeys(LOST))
    again = first_start(policy)

    assert begun.first_start == asked_meanwhile.first_start == "The workspace was empty: new is being restored."
    assert begun.first_start_at is asked_meanwhile.first_start_at is None
    assert ended.first_start == "The workspace was empty: new was restored."
    assert ended.first_start_at is not None
    assert again.first_start_at == ended.first_start_at
    assert (tree(policy.workspace), Restore.objects.count()) == ({}, 1)


def test_where_the_target_is_empty_that_is_the_end_of_it(policy: SnapshotPolicy, folder: Place) -> None:
    repository = first_start(policy)
    sent_by_another_hub(folder, "late", LOST)
    first_start(policy)

    assert repository.first_start == "The workspace was empty, and so was the target."
    assert not Restore.objects.exists()


def test_a_workspace_that_was_written_to_stays_as_it_is(policy: SnapshotPolicy, folder: Place) -> None:
    sent_by_another_hub(folder, "new", LOST)
    fill(policy.workspace, {"mine": b"mine"})

    repository = first_start(policy)

    assert repository.first_start.startswith("Nothing was restored: the workspace had been written to")
    assert (tree(policy.workspace), Restore.objects.count()) == ({"mine": b"mine"}, 0)


def test_a_workspace_that_was_emptied_is_not_a_new_one(policy: SnapshotPolicy, folder: Place) -> None:
    sent_by_another_hub(folder, "new", LOST)
    fill(policy.workspace, {"mine": b"mine"})
    fill(policy.workspace, {"mine": None})

    first_start(policy)

    assert not Restore.objects.exists()


def test_it_can_be_switched_off(policy: SnapshotPolicy, folder: Place) -> None:
    sent_by_another_hub(folder, "new", LOST)
    set_policy(policy.workspace, {"restore_when_empty": False}, actor=ACTOR)
    policy.refresh_from_db()

    repository = first_start(policy)

    assert repository.first_start == "Nothing was restored: that is switched off."
    assert not Restore.objects.exists()


def forked(folder: Place) -> None:
    sent_by_another_hub(folder, "one", {"a": b"one"}, created_at=timezone.now() - HOUR)
    sent_by_another_hub(folder, "other", LOST, writer=THIRD_HUB)


@pytest.mark.parametrize("rule", ["refuse", "merge"])
def test_what_is_ambiguous_is_refused_and_told(policy: SnapshotPolicy, folder: Place, rule: str) -> None:
    forked(folder)
    set_policy(policy.workspace, {"on_fork": rule}, actor=ACTOR)
    policy.refresh_from_db()

    repository = first_start(policy)

    assert repository.first_start.startswith("Nothing was restored: Hubs have gone different ways: restore one of one")
    assert not Restore.objects.exists()


def test_the_newest_of_a_fork_is_taken_where_the_policy_says_so(policy: SnapshotPolicy, folder: Place) -> None:
    forked(folder)
    set_policy(policy.workspace, {"on_fork": "newest"}, actor=ACTOR)
    policy.refresh_from_db()

    first_start(policy)

    (restore,) = Restore.objects.all()
    finished(restore)
    assert tree(policy.workspace) == LOST


def test_a_target_that_is_away_is_looked_at_again(policy: SnapshotPolicy, folder: Place, tmp_path: Path) -> None:
    sent_by_another_hub(folder, "new", LOST)
    (tmp_path / "mounted").rename(tmp_path / "elsewhere")
    away = first_start(policy)
    nothing_yet = Restore.objects.count()
    (tmp_path / "elsewhere").rename(tmp_path / "mounted")

    back = first_start(policy)

    assert away.first_start.startswith("The target could not be looked into: ")
    assert (away.first_start_at, nothing_yet) == (None, 0)
    assert back.first_start == "The workspace was empty: new is being restored."


def test_a_target_that_goes_away_after_it_was_looked_into_is_tried_again(
    policy: SnapshotPolicy, folder: Place, tmp_path: Path
) -> None:
    sent_by_another_hub(folder, "new", LOST)
    first_start(policy)
    (restore,) = Restore.objects.all()
    (tmp_path / "mounted").rename(tmp_path / "elsewhere")
    Job.objects.filter(kind="snapshots.restore").update(max_attempts=1)
    finished(restore)
    failed = repository_for(policy.workspace, policy.target)  # type: ignore[arg-type]
    (tmp_path / "elsewhere").rename(tmp_path / "mounted")

    first_start(policy)
    finished(Restore.objects.latest("pk"))

    assert failed.first_start.startswith("The workspace was empty: new could not be restored: ")
    assert failed.first_start_at is None
    assert tree(policy.workspace) == LOST


def test_what_is_written_while_it_is_on_its_way_stays(policy: SnapshotPolicy, folder: Place) -> None:
    sent_by_another_hub(folder, "new", LOST)
    first_start(policy)
    fill(policy.workspace, {"mine": b"mine"})

    (restore,) = Restore.objects.all()
    finished(restore)

    repository = repository_for(policy.workspace, policy.target)  # type: ignore[arg-type]
    assert (restore.error_code, tree(policy.workspace)) == ("not_restorable", {"mine": b"mine"})
    assert repository.first_start.startswith("The workspace was empty: new could not be restored: The workspace was")
    assert repository.first_start_at is not None


def test_a_chain_whose_middle_was_deleted_is_no_fork(target: RemoteTarget, folder: Place) -> None:
    """The lost hub's last copy, and one of a hub that had taken over from it and has pruned its first."""
    first = sent_by_another_hub(folder, "one", {"a": b"one"}, created_at=timezone.now() - HOUR)
    gone = uuid7()
    sent_by_another_hub(
        folder, "three", LOST, writer=THIRD_HUB, parent=gone, vector={OTHER_HUB: first, THIRD_HUB: gone}
    )

    finished(recover(target, "lost", actor=ACTOR))

    assert tree(Workspace.objects.get(slug="lost")) == LOST


def test_a_policy_without_a_target_has_nothing_to_restore_from(folder: Place) -> None:
    policy = set_policy(make_workspace("lost"), {}, actor=ACTOR)

    restore_at_first_start(policy, actor=ACTOR)

    assert not Repository.objects.exists()


def test_a_missing_key_is_told_by_the_restore(policy: SnapshotPolicy, folder: Place, target: RemoteTarget) -> None:
    folder.put(f".memoryhub/keys/{KEY.key_id}.json", MASTERS.wrapped(KEY))
    sent_by_another_hub(folder, "new", LOST, seal=KEY)

    first_start(policy)

    (restore,) = Restore.objects.all()
    assert finished(restore).error_code == "copy_key_missing"
    assert tree(policy.workspace) == {}


# --- What a target lists


def test_what_is_no_manifest_is_not_listed_as_a_copy(target: RemoteTarget, folder: Place) -> None:
    sent_by_another_hub(folder, "whole", LOST)
    folder.put("garbage/manifest.mhs", b"garbage")
    folder.put("empty/manifest.mhs", b"")
    folder.put("deep/er/manifest.mhs", b"x")
    folder.put(".hidden/manifest.mhs", b"x")
    folder.put("whole/other.txt", b"x")
    folder.put("moved/manifest.mhs", folder.read("whole/manifest.mhs", most_bytes=1 << 20))
    repository = repository_for(make_workspace("lost"), target)

    refresh(repository)

    assert list(RemoteCopy.objects.values_list("name", flat=True)) == ["whole"]
