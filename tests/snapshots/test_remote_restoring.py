"""Bringing states back from copies and from other workspaces: in one step, whole or not at all."""

import threading
from pathlib import Path

import pytest
from django.db import connection

from apps.blobs.models import Blob
from apps.common.conditions import ANY
from apps.files.actions import put_file
from apps.files.as_of import files_as_of
from apps.files.models import ChangeSet, Hold
from apps.snapshots.actions import create_snapshot, delete_snapshot, restore_snapshot
from apps.snapshots.models import RemoteCopy, RemoteTarget, Repository
from apps.snapshots.previewing import planned
from apps.snapshots.queries import snapshots_of
from apps.workspaces.actions import update_workspace_settings
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_content, make_workspace
from tests.files.client import Api, assert_sound, nothing_changes
from tests.snapshots.gone_on import NOW, THEN, copy, now_tree, target, workspace
from tests.snapshots.work import (
    directory_target,
    fill,
    forget_history,
    packs_in,
    place_for,
    restore,
    restored,
    sequence,
    tree,
    uploaded,
)

__all__ = ["copy", "target", "workspace"]
pytestmark = pytest.mark.django_db


# --- Into the same workspace


def test_files_are_as_they_were_and_new_ones_stay(workspace: Workspace, copy: RemoteCopy) -> None:
    done = restored(workspace, copy=copy)

    assert tree(workspace) == THEN | {"added": b"new"}
    assert (done.put, done.deleted) == (4, 0)
    assert_sound()


def test_with_delete_nothing_else_is_there(workspace: Workspace, copy: RemoteCopy) -> None:
    done = restored(workspace, copy=copy, delete=True)

    assert tree(workspace) == THEN
    assert (done.put, done.deleted) == (4, 1)


@pytest.mark.parametrize(
    ("prefix", "paths"), [("notes/", {"notes/changed"}), ("changed", {"changed"}), ("deleted", {"deleted"})]
)
def test_only_a_path_can_be_brought_back(workspace: Workspace, copy: RemoteCopy, prefix: str, paths: set[str]) -> None:
    restored(workspace, copy=copy, prefix=prefix, delete=True)

    assert tree(workspace) == now_tree() | {path: THEN[path] for path in paths}


@pytest.mark.parametrize("path", ["same", "same/"])
def test_a_path_that_is_as_it_was_is_not_written(workspace: Workspace, copy: RemoteCopy, path: str) -> None:
    done = restored(workspace, copy=copy, prefix=path, delete=True)

    assert (done.put, done.deleted, done.safety) == (0, 0, None)


def test_a_path_that_the_copy_has_nothing_below_is_told(workspace: Workspace, copy: RemoteCopy) -> None:
    before = sequence(workspace)

    done, _ = restore(workspace, copy=copy, prefix="nowhere/", delete=True)

    assert (done.state, done.error_code, sequence(workspace)) == ("failed", "not_found", before)


def test_a_file_and_a_folder_of_one_name_come_back_together(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a": b"file", "a/b": b"below", "a-c": b"beside"})
    copy, snapshot = uploaded(workspace, target), create_snapshot(workspace, actor=ACTOR)
    fill(workspace, {"a": b"other", "a/b": None, "a-c": b"other", "a/new": b"new"})
    other = make_workspace()

    restored(workspace, copy=copy, prefix="a/", delete=True)
    restored(other, snapshot=snapshot, prefix="a/")

    assert tree(workspace) == {"a": b"file", "a/b": b"below", "a-c": b"other"}
    assert tree(other) == {"a": b"file", "a/b": b"below"}


def test_clients_see_an_ordinary_change(api: Api, target: RemoteTarget) -> None:
    fill(api.workspace, THEN)
    copy = uploaded(api.workspace, target, "first")
    fill(api.workspace, NOW)
    cursor = api.get("changes").json()["cursor"]

    restored(api.workspace, copy=copy, delete=True)

    news = api.get(f"changes?since={cursor}").json()["items"]
    assert {item["path"]: item["is_deleted"] for item in news} == {
        "added": True,
        "big": False,
        "changed": False,
        "deleted": False,
        "notes/changed": False,
    }
    newest = ChangeSet.objects.order_by("-id")[0]
    assert (newest.origin, newest.message) == ("restore", "Restored from first in offsite")


def test_restoring_the_safety_snapshot_undoes_it(workspace: Workspace, copy: RemoteCopy) -> None:
    done = restored(workspace, copy=copy, delete=True)
    assert done.safety is not None
    assert (done.safety.kind, done.safety.name.split("_")[0]) == ("safety", "safety")

    restore_snapshot(workspace, done.safety, delete=True, actor=ACTOR)

    assert tree(workspace) == now_tree()


def test_where_nothing_differs_nothing_is_written(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, THEN)
    copy = uploaded(workspace, target, "first")

    with nothing_changes():
        done = restored(workspace, copy=copy, delete=True)

    assert (done.put, done.deleted, done.safety) == (0, 0, None)
    assert [found.name for found in snapshots_of(workspace.pk)] == ["first"]


def test_what_the_workspace_still_has_is_not_fetched(workspace: Workspace, copy: RemoteCopy) -> None:
    for pack in packs_in(place_for(copy)):
        place_for(copy).delete(pack)

    restored(workspace, copy=copy, delete=True)

    assert tree(workspace) == THEN


def test_content_that_was_purged_here_comes_from_the_copy(workspace: Workspace, copy: RemoteCopy) -> None:
    assert copy.snapshot is not None
    delete_snapshot(workspace, copy.snapshot, actor=ACTOR)
    forget_history(workspace)
    assert Blob.objects.filter(workspace=workspace).count() == 6

    restored(workspace, copy=copy, delete=True)

    assert tree(workspace) == THEN
    assert_sound()


def test_a_restore_leaves_no_hold(workspace: Workspace, copy: RemoteCopy) -> None:
    done = restored(workspace, copy=copy)

    holders = set(Hold.objects.filter(workspace=workspace).values_list("holder", flat=True))
    assert done.safety is not None and copy.snapshot is not None
    assert holders == {f"snapshot:{done.safety.public_id}", f"snapshot:{copy.snapshot.public_id}"}


def test_a_dry_run_tells_the_same_and_writes_nothing(workspace: Workspace, copy: RemoteCopy) -> None:
    with nothing_changes():
        overlay = list(planned(copy, workspace, prefix="", delete=False))
        exact = list(planned(copy, workspace, prefix="", delete=True))

    assert overlay == [("big", False), ("changed", False), ("deleted", False), ("notes/changed", False)]
    assert exact == [("added", True), *overlay]


def test_a_file_whose_media_type_alone_has_changed_comes_back(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a": b"text"}, content_type="text/plain")
    copy = uploaded(workspace, target)
    fill(workspace, {"a": b"text"}, content_type="text/html")

    done = restored(workspace, copy=copy)

    assert done.put == 1
    assert [row.content_type for row in files_as_of(workspace.pk, sequence(workspace))] == ["text/plain"]


# --- Into another workspace


def test_another_workspace_gets_all_files_under_keys_of_its_own(copy: RemoteCopy) -> None:
    other = make_workspace()

    done = restored(other, copy=copy)

    assert tree(other) == THEN
    assert (done.put, done.deleted) == (6, 0)
    keys = Blob.objects.filter(workspace=other, object_key__isnull=False).values_list("object_key", flat=True)
    assert [key.partition("/")[0] for key in keys] == [other.public_id.hex]
    assert_sound()


def test_a_snapshot_comes_into_another_workspace(workspace: Workspace) -> None:
    fill(workspace, THEN)
    snapshot = create_snapshot(workspace, name="first", actor=ACTOR)
    fill(workspace, NOW)
    other = make_workspace()
    fill(other, {"own": b"stays", "same": b"differs"})

    done = restored(other, snapshot=snapshot)

    assert tree(other) == THEN | {"own": b"stays"}
    assert (done.put, done.deleted) == (6, 0)
    keys = Blob.objects.filter(workspace=other, object_key__isnull=False).values_list("object_key", flat=True)
    assert [key.partition("/")[0] for key in keys] == [other.public_id.hex]
    assert_sound()


def test_what_the_source_loses_later_does_not_touch_the_other(workspace: Workspace) -> None:
    fill(workspace, THEN)
    snapshot = create_snapshot(workspace, name="first", actor=ACTOR)
    other = make_workspace()
    restored(other, snapshot=snapshot)

    delete_snapshot(workspace, snapshot, actor=ACTOR)
    fill(workspace, dict.fromkeys(THEN))
    forget_history(workspace)

    assert tree(other) == THEN
    assert_sound()


def test_a_copy_in_another_workspace_is_not_what_that_one_has_grown_from(copy: RemoteCopy) -> None:
    other = make_workspace()

    restored(other, copy=copy)

    copy.repository.refresh_from_db()
    assert copy.repository.head == copy.public_id
    assert not Repository.objects.filter(workspace=other).exists()


# --- Limits


def test_what_is_deleted_makes_room_for_what_is_written(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {f"old{number}": b"%d" % number for number in range(3)})
    copy = uploaded(workspace, target)
    fill(workspace, {f"old{number}": None for number in range(3)} | {f"new{number}": b"x" for number in range(3)})
    update_workspace_settings(workspace, {"quota_files": 3}, actor=ACTOR)

    restored(workspace, copy=copy, delete=True)

    assert sorted(tree(workspace)) == ["old0", "old1", "old2"]


def test_a_refused_file_refuses_all(workspace: Workspace, copy: RemoteCopy) -> None:
    update_workspace_settings(workspace, {"quota_files": 6}, actor=ACTOR)

    with nothing_changes():
        done, job = restore(workspace, copy=copy)

    assert (done.state, done.error_code, job.error_code) == ("failed", "quota_exceeded", "quota_exceeded")
    assert [found.name for found in snapshots_of(workspace.pk)] == ["first"]
    assert not Hold.objects.filter(holder__startswith="restore:").exists()


def test_names_that_are_not_portable_are_refused_where_they_must_be(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a:b.md": b"text", "c.md": b"text"})
    copy = uploaded(workspace, target)
    other = make_workspace()
    update_workspace_settings(other, {"portable_names": True}, actor=ACTOR)

    with nothing_changes():
        done, _ = restore(other, copy=copy)

    assert (done.state, done.error_code) == ("failed", "bad_path")
    assert tree(other) == {}


def test_many_files_come_back_in_one_change_that_is_undone_at_once(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {f"{number:04}": b"one" for number in range(1100)})
    copy = uploaded(workspace, target)
    fill(workspace, {f"{number:04}": b"two" for number in range(1100)})

    done = restored(workspace, copy=copy, delete=True)

    assert done.put == 1100
    assert set(tree(workspace).values()) == {b"one"}


# --- With others at work


WRITERS = 3


@pytest.mark.django_db(transaction=True)
def test_each_write_of_others_is_before_or_after_and_none_in_neither(tmp_path: Path) -> None:
    workspace = make_workspace()
    paths = [f"{number:03}" for number in range(60)]
    fill(workspace, dict.fromkeys(paths, b"then"), content_type="text/plain")
    copy = uploaded(workspace, directory_target(tmp_path / "offsite"))
    fill(workspace, dict.fromkeys(paths, b"since"), content_type="text/plain")
    stop, began, written = threading.Event(), threading.Event(), []

    def write(name: int) -> None:
        number = 0
        while not stop.is_set():
            path, body = paths[(number * WRITERS + name) % len(paths)], f"late {name} {number}".encode()
            content = make_content(workspace, body)
            change = put_file(workspace, path, content, condition=ANY, content_type="text/plain", actor=ACTOR)
            written.append((change.version, path, body))
            began.set()
            number += 1
        connection.close()

    writers = [threading.Thread(target=write, args=[name]) for name in range(WRITERS)]
    for writer in writers:
        writer.start()
    assert began.wait(20)
    before_restore = len(written)
    done = restored(workspace, copy=copy, delete=True)
    after_restore = len(written)
    stop.set()
    for writer in writers:
        writer.join()

    assert done.safety is not None
    last = done.safety.sequence + done.put + done.deleted
    assert [one for one in written if done.safety.sequence < one[0] <= last] == []
    after = {path: body for version, path, body in sorted(written) if version > last}
    assert tree(workspace) == dict.fromkeys(paths, b"then") | after
    before = {path: body for version, path, body in sorted(written) if version <= done.safety.sequence}
    restore_snapshot(workspace, done.safety, delete=True, actor=ACTOR)
    assert tree(workspace) == dict.fromkeys(paths, b"since") | before
    assert 0 < before_restore <= after_restore <= len(written)
    assert_sound()
