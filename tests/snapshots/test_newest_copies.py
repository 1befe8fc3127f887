"""Coming to the newest copy of a target: which it is, and what becomes of two sides that went different ways."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from apps.common.errors import NotFound
from apps.snapshots import copies
from apps.snapshots.copies import refresh
from apps.snapshots.errors import Forked, NotRestorable, RestoreInProgress
from apps.snapshots.merging import conflict_name
from apps.snapshots.models import RemoteCopy, RemoteTarget, Repository, Restore
from apps.snapshots.places.base import Listed
from apps.snapshots.restores import request_restore, restore_latest
from apps.snapshots.targets import place_of_repository, repository_for
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.offsite import target, workspace
from tests.snapshots.work import (
    asked,
    directory_target,
    fill,
    place_for,
    run,
    sent_by_another_hub,
    tree,
    upload,
    uploaded,
)

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db

LONG_AGO, SOON = timedelta(days=-300), timedelta(hours=1)


@pytest.fixture
def repository(workspace: Workspace, target: RemoteTarget) -> Repository:
    return repository_for(workspace, target)


def theirs(
    repository: Repository,
    name: str,
    files: dict[str, bytes],
    *,
    parent: RemoteCopy | None = None,
    age: timedelta = SOON,
) -> None:
    """A copy of another hub, that appears in the target."""
    home = Path(repository.target.options["directory"])
    home.mkdir(exist_ok=True)
    sent_by_another_hub(
        place_of_repository(repository),
        name,
        files,
        parent=parent.public_id if parent else None,
        created_at=timezone.now() + age,
    )


def come_to_the_newest(workspace: Workspace, target: RemoteTarget, **options: Any) -> Restore | None:
    asked = restore_latest(workspace, target, actor=ACTOR, **options)
    if asked is not None:
        run("snapshots.restore", str(asked.public_id))
        asked.refresh_from_db()
        assert asked.state == "done", asked.error_detail
    return asked


def test_without_any_copy_there_is_nothing_to_restore(workspace: Workspace, target: RemoteTarget) -> None:
    with pytest.raises(NotRestorable):
        restore_latest(workspace, target, actor=ACTOR)

    assert not Restore.objects.exists()


def test_an_empty_workspace_takes_the_newest_copy(
    workspace: Workspace, target: RemoteTarget, repository: Repository
) -> None:
    theirs(repository, "old", {"a": b"old"}, age=-SOON)
    theirs(repository, "new", {"a": b"new"})

    come_to_the_newest(workspace, target)

    assert tree(workspace) == {"a": b"new"}


def test_where_the_newest_copy_is_the_workspaces_own_nothing_is_done(
    workspace: Workspace, target: RemoteTarget
) -> None:
    fill(workspace, {"a": b"one"})
    uploaded(workspace, target)
    at_rest = come_to_the_newest(workspace, target)
    fill(workspace, {"a": b"two"})

    ahead = come_to_the_newest(workspace, target)

    assert (at_rest, ahead) == (None, None)
    assert tree(workspace) == {"a": b"two"}


def test_a_copy_that_grew_from_ours_is_taken_while_nothing_was_written_here(
    workspace: Workspace, target: RemoteTarget, repository: Repository
) -> None:
    fill(workspace, {"a": b"one", "b": b"two"})
    ours = uploaded(workspace, target)
    theirs(repository, "theirs", {"a": b"changed"}, parent=ours)

    taken = come_to_the_newest(workspace, target)
    again = come_to_the_newest(workspace, target)

    assert taken is not None
    assert again is None
    assert tree(workspace) == {"a": b"changed"}
    mine = uploaded(workspace, target, "next")
    assert RemoteCopy.objects.get(public_id=mine.parent).name == "theirs"


def test_an_older_copy_than_the_workspaces_own_is_not_taken(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a": b"one"})
    uploaded(workspace, target, "older")
    fill(workspace, {"a": b"two"})
    newer = uploaded(workspace, target, "newer")
    RemoteCopy.objects.filter(pk=newer.pk).update(damage="something")
    fill(workspace, {"a": b"three"})

    assert come_to_the_newest(workspace, target, on_fork="newest") is None
    assert tree(workspace) == {"a": b"three"}


@pytest.fixture
def fork(workspace: Workspace, target: RemoteTarget, repository: Repository) -> RemoteCopy:
    """What both had in common. Since then both sides have gone on."""
    fill(workspace, dict.fromkeys(BASE, b"base"))
    ours = uploaded(workspace, target, "common")
    fill(workspace, OURS)
    return ours


BASE = ["same", "ours", "theirs", "both", "equal", "gone-here", "gone-there", "gone-both", "cut-here", "cut-there"]
OURS: dict[str, bytes | None] = {
    "ours": b"ours",
    "both": b"ours",
    "equal": b"equal",
    "gone-here": None,
    "gone-both": None,
    "cut-here": None,
    "cut-there": b"ours",
    "new-here": b"ours",
    "new-both": b"ours",
}
THEIRS = {
    "same": b"base",
    "ours": b"base",
    "theirs": b"theirs",
    "both": b"theirs",
    "equal": b"equal",
    "gone-here": b"base",
    "cut-here": b"theirs",
    "new-there": b"theirs",
    "new-both": b"theirs",
}
AT = datetime(2026, 3, 9, 12, tzinfo=UTC)


def test_both_sides_gone_on_are_a_fork_that_is_refused(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    theirs(repository, "theirs", THEIRS, parent=fork)
    before = tree(workspace)

    with pytest.raises(Forked) as refused:
        restore_latest(workspace, target, actor=ACTOR)

    assert (refused.value.status, refused.value.fields["theirs"]) == (409, "theirs")
    assert tree(workspace) == before
    assert not Restore.objects.exists()


def test_two_that_have_nothing_in_common_are_a_fork(
    workspace: Workspace, target: RemoteTarget, repository: Repository
) -> None:
    fill(workspace, {"a": b"ours"})
    theirs(repository, "theirs", {"a": b"theirs"})

    with pytest.raises(Forked):
        restore_latest(workspace, target, actor=ACTOR)

    assert tree(workspace) == {"a": b"ours"}


def test_the_newest_side_of_a_fork_is_taken_whole_where_that_is_wanted(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    theirs(repository, "theirs", THEIRS, parent=fork, age=SOON)

    done = come_to_the_newest(workspace, target, on_fork="newest")

    assert done is not None and done.safety is not None
    assert tree(workspace) == THEIRS


def test_the_newest_side_of_a_fork_may_be_ours(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    RemoteCopy.objects.update(created_at=timezone.now() + 2 * LONG_AGO)
    theirs(repository, "theirs", THEIRS, parent=fork, age=LONG_AGO)
    before = tree(workspace)

    assert come_to_the_newest(workspace, target, on_fork="newest") is None
    assert tree(workspace) == before


def merge(workspace: Workspace, target: RemoteTarget, repository: Repository, parent: RemoteCopy | None) -> Restore:
    sent_by_another_hub(
        place_of_repository(repository),
        "theirs",
        THEIRS,
        parent=parent.public_id if parent else None,
        created_at=AT,
    )
    RemoteCopy.objects.update(created_at=AT - timedelta(days=1))
    done = come_to_the_newest(workspace, target, on_fork="merge")
    assert done is not None
    return done


def beside(path: str) -> str:
    return conflict_name(path, at=AT, source="theirs")


def test_a_fork_is_merged_file_by_file_where_that_is_wanted(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    done = merge(workspace, target, repository, fork)

    assert tree(workspace) == {
        "same": b"base",
        "ours": b"ours",
        "theirs": b"theirs",
        "both": b"ours",
        beside("both"): b"theirs",
        "equal": b"equal",
        "cut-here": b"theirs",
        "cut-there": b"ours",
        "new-here": b"ours",
        "new-there": b"theirs",
        "new-both": b"ours",
        beside("new-both"): b"theirs",
    }
    assert done.safety is not None
    assert come_to_the_newest(workspace, target, on_fork="merge") is None


def test_a_merge_without_anything_in_common_loses_no_text(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    before = tree(workspace)

    merge(workspace, target, repository, None)

    after = tree(workspace)
    assert {path: after[path] for path in before} == before
    for path, data in THEIRS.items():
        assert data in (after[path], after.get(beside(path)))


def test_a_text_that_lies_beside_already_is_not_written_again(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    merge(workspace, target, repository, fork)
    repository.refresh_from_db()
    Repository.objects.filter(pk=repository.pk).update(head=fork.public_id)
    before = tree(workspace)

    again = come_to_the_newest(workspace, target, on_fork="merge")

    assert again is not None
    assert (again.put, again.deleted, tree(workspace)) == (0, 0, before)


def test_a_merge_does_not_overwrite_what_lies_under_the_name_of_a_conflict(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    fill(workspace, {beside("both"): b"what somebody made of it"})

    merge(workspace, target, repository, fork)

    after = tree(workspace)
    assert after[beside("both")] == b"what somebody made of it"
    assert after[conflict_name("both", at=AT, source="theirs", taken=[beside("both")])] == b"theirs"


def test_conflicts_of_long_names_that_are_cut_to_the_same_both_stay(
    workspace: Workspace, target: RemoteTarget, repository: Repository
) -> None:
    names = [f"{'x' * 240}{number}" for number in range(3)]
    fill(workspace, {name: f"ours {name[-1]}".encode() for name in names})
    sent_by_another_hub(
        place_of_repository(repository),
        "theirs",
        {name: f"theirs {name[-1]}".encode() for name in names},
        created_at=AT,
    )

    come_to_the_newest(workspace, target, on_fork="merge")

    assert sorted(tree(workspace).values()) == sorted(
        f"{side} {number}".encode() for side in ("ours", "theirs") for number in range(3)
    )


def test_after_a_merge_the_other_side_takes_what_came_of_it(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    merge(workspace, target, repository, fork)

    merged = uploaded(workspace, target, "merged")

    assert RemoteCopy.objects.get(public_id=merged.parent).name == "theirs"
    repository.refresh_from_db()
    assert repository.head == merged.public_id


def test_copies_made_before_a_restore_are_never_the_newest(
    workspace: Workspace, target: RemoteTarget, repository: Repository
) -> None:
    theirs(repository, "wanted", {"a": b"wanted"}, age=-SOON)
    Path(repository.target.options["directory"]).mkdir(exist_ok=True)
    sent_by_another_hub(place_of_repository(repository), "safety", {"a": b"safety"}, kind="safety")

    come_to_the_newest(workspace, target)

    assert tree(workspace) == {"a": b"wanted"}


def test_a_restore_that_is_running_is_not_run_into(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    request_restore(workspace, copy=fork, actor=ACTOR)
    theirs(repository, "theirs", THEIRS, parent=fork)

    with pytest.raises(RestoreInProgress):
        restore_latest(workspace, target, on_fork="newest", actor=ACTOR)


def test_a_target_of_another_workspace_is_none(workspace: Workspace, tmp_path: Path) -> None:
    own = directory_target(tmp_path / "own", workspace=make_workspace())

    with pytest.raises(NotFound):
        restore_latest(workspace, own, actor=ACTOR)


def test_refreshing_tells_what_there_is_of_others(
    workspace: Workspace, target: RemoteTarget, repository: Repository, fork: RemoteCopy
) -> None:
    theirs(repository, "theirs", THEIRS, parent=fork)

    count = refresh(repository)

    found = RemoteCopy.objects.get(name="theirs")
    assert count == 2
    assert (found.state, found.files, found.parent, found.manifest_sha256) == ("sealed", 9, fork.public_id, None)
    place_of_repository(repository).delete("theirs/manifest.mhs")
    assert refresh(repository) == 1
    assert not RemoteCopy.objects.filter(name="theirs").exists()


def test_a_copy_that_is_sealed_during_the_listing_is_not_missing(
    workspace: Workspace, target: RemoteTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = asked(workspace, target)
    place = place_for(copy)

    def names(**where: str) -> Iterator[Listed]:
        found = list(place.names(**where))
        assert upload(copy)[0] == "succeeded"
        return iter(found)

    monkeypatch.setattr(copies, "place_of_repository", lambda _repository: SimpleNamespace(names=names))
    refresh(copy.repository)

    copy.refresh_from_db()
    assert (copy.state, copy.damage) == ("sealed", "")
