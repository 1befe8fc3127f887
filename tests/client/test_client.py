"""Every call, by both clients, on a live hub."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.files.cursors import FeedCursor
from memoryhub.client import (
    ANY,
    Change,
    Client,
    CursorExpired,
    Delete,
    Invalid,
    NotFound,
    PreconditionFailed,
    Put,
    RefusedItem,
    Revert,
    ScopeMissing,
    StoredFile,
    TooLarge,
    Transfer,
    Unauthorized,
)
from tests.live import LiveHub, LiveWorkspace

NOTE = "text/markdown"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_written_read_and_deleted_and_its_versions_stay(hub: Any) -> None:
    created = hub.put("a/b c%20ü.md", b"one", if_version=0, content_type=NOTE, message="first")
    updated = hub.put("a/b c%20ü.md", b"two", if_version=created.version, content_type=NOTE)
    same = hub.put("a/b c%20ü.md", b"two", if_version=ANY, content_type=NOTE)
    read = hub.read("a/b c%20ü.md"), hub.read("a/b c%20ü.md", version=created.version)
    deleted = hub.delete("a/b c%20ü.md", if_version=updated.version)
    history = hub.history("a/b c%20ü.md", limit=2)
    rest = hub.history("a/b c%20ü.md", cursor=history.next_cursor)

    assert created == Change("a/b c%20ü.md", "created", 1, sha256(b"one"))
    assert (updated.result, updated.version) == ("updated", 2)
    assert (same.result, same.version) == ("unchanged", 2)
    assert read == (b"two", b"one")
    assert (deleted.result, deleted.version, deleted.sha256) == ("deleted", 3, None)
    assert [(row.version, row.is_deleted, row.sha256) for row in history.items] == [
        (3, True, None),
        (2, False, sha256(b"two")),
    ]
    assert [(row.version, row.message, row.origin) for row in rest.items] == [(1, "first", "put")]
    assert rest.items[0].changed_at.tzinfo is not None
    with pytest.raises(NotFound):
        hub.read("a/b c%20ü.md")


def test_a_false_condition_tells_the_state(hub: Any) -> None:
    hub.put("a", b"one", if_version=0)

    with pytest.raises(PreconditionFailed) as live:
        hub.put("a", b"two", if_version=0)
    with pytest.raises(PreconditionFailed) as none:
        hub.put("b", b"two", if_version=7)

    assert (live.value.version, live.value.sha256) == (1, sha256(b"one"))
    assert (none.value.status, none.value.version, none.value.sha256) == (412, None, None)


def test_a_file_of_the_disk_goes_up_as_it_is(hub: Any, tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "large.bin").write_bytes(data)

    change = hub.put("large.bin", tmp_path / "large.bin", if_version=0)

    assert (change.sha256, hub.read("large.bin")) == (sha256(data), data)


def test_a_download_is_whole_or_leaves_the_file_as_it_was(workspace: LiveWorkspace, tmp_path: Path) -> None:
    target = tmp_path / "here.bin"
    target.write_bytes(b"before")
    with Client(workspace.hub_url, workspace.token, workspace.slug) as hub:
        hub.put("there.bin", b"x" * 100_000, if_version=0)
        with pytest.raises(NotFound):
            hub.download("nowhere.bin", target)
        kept = target.read_bytes()
        hub.download("there.bin", target)

    assert (kept, target.read_bytes()) == (b"before", b"x" * 100_000)
    assert [path.name for path in tmp_path.iterdir()] == ["here.bin"]


def test_a_batch_answers_each_item(hub: Any) -> None:
    hub.put("old", b"old", if_version=0)
    hub.put("kept", b"kept", if_version=0)

    written = hub.put_many(
        [
            Put("new", b"new", 0, NOTE),
            Put("kept", b"other", 0),
            Delete("old", 1),
            Put("copy", None, 0, NOTE, sha256(b"old")),
        ],
        message="many",
    )
    read = hub.get_many([("new", None), ("old", None), ("old", 1)])

    assert written[0] == Change("new", "created", 3, sha256(b"new"))
    assert isinstance(written[1], RefusedItem)
    assert isinstance(written[1].error, PreconditionFailed)
    assert (written[1].error.version, written[1].error.sha256) == (2, sha256(b"kept"))
    assert written[2] == Change("old", "deleted", 4, None)
    assert written[3] == Change("copy", "created", 5, sha256(b"old"))
    assert isinstance(read[0], StoredFile)
    assert (read[0].path, read[0].version, read[0].content_type, read[0].content) == ("new", 3, NOTE, b"new")
    assert isinstance(read[1], RefusedItem)
    assert isinstance(read[1].error, NotFound)
    assert isinstance(read[2], StoredFile)
    assert read[2].content == b"old"
    assert hub.history("new").items[0].message == "many"


def test_all_or_nothing_writes_nothing_when_one_is_refused(hub: Any) -> None:
    hub.put("old", b"old", if_version=0)

    with pytest.raises(PreconditionFailed) as refused:
        hub.put_many([Put("new", b"new", 0), Put("old", b"other", 0)], all_or_nothing=True)

    assert [row["status"] for row in refused.value.fields["items"]] == [424, 412]
    assert [file.path for file in hub.index().files] == ["old"]


def test_files_are_copied_moved_and_reverted(hub: Any) -> None:
    hub.put("a", b"one", if_version=0)
    hub.put("a", b"two", if_version=1)

    copied = hub.copy([Transfer("a", "b", source_version=1)])
    moved = hub.move([Transfer("a", "c")], message="moved")
    reverted = hub.revert([Revert("b", 3, ANY)]), hub.revert([Revert("c", moved[0].version, ANY)])

    assert [(change.path, change.result) for change in copied + moved] == [("b", "created"), ("c", "created")]
    assert (hub.read("b"), hub.read("c")) == (b"one", b"two")
    assert [one.result for [one] in reverted] == ["unchanged", "unchanged"]
    with pytest.raises(NotFound):
        hub.read("a")


def test_the_index_and_the_feed_tell_what_there_is(hub: Any) -> None:
    for path in ("a.md", "d/b.md", "d/c.md"):
        hub.put(path, path.encode(), if_version=0, content_type=NOTE)
    index = hub.index()
    hub.delete("d/b.md", if_version=ANY)
    page = hub.changes(index.cursor)

    assert [(file.path, file.version, file.sha256, file.size_bytes, file.content_type) for file in index.files] == [
        (path, number, sha256(path.encode()), len(path), NOTE)
        for number, path in enumerate(("a.md", "d/b.md", "d/c.md"), 1)
    ]
    assert [(file.path, file.version, file.is_deleted, file.sha256) for file in page.items] == [
        ("d/b.md", 4, True, None)
    ]
    assert not page.has_more
    assert hub.changes(page.cursor).items == []
    assert hub.changes(index.cursor, etag=page.etag) is None
    assert [file.path for file in hub.index("d").files] == ["d/c.md"]
    assert [(file.path, file.is_deleted) for file in hub.index("d", tombstones=True).files] == [
        ("d/b.md", True),
        ("d/c.md", False),
    ]
    first = hub.changes(limit=2)
    assert ([file.path for file in first.items], first.has_more) == (["a.md", "d/c.md"], True)


def test_an_empty_workspace_has_an_empty_index(hub: Any) -> None:
    assert hub.index().files == []
    assert hub.changes().items == []


def test_the_index_streams_in_the_order_of_paths(workspace: LiveWorkspace) -> None:
    with Client(workspace.hub_url, workspace.token, workspace.slug) as hub:
        hub.put_many([Put(f"{number:04}-ü", b"x", 0) for number in range(900)])
        with hub.index_stream() as (cursor, files):
            paths = [file.path for file in files]

        assert paths == [f"{number:04}-ü" for number in range(900)]
        assert hub.changes(cursor).items == []


def test_a_workspace_says_what_it_is(hub: Any, workspace: LiveWorkspace) -> None:
    hub.put("a", b"four", if_version=0)

    info = hub.info()

    assert (info.slug, info.live_files, info.live_bytes) == (workspace.slug, 1, 4)
    assert str(UUID(info.id)) == info.id


def test_refusals_are_errors_of_their_own(connect: Callable[..., Any], hub: Any, live_hub: LiveHub) -> None:
    slug = hub.info().slug
    reader = live_hub.command("token", "issue", slug, "--scope", "files:read").stdout.strip()

    with pytest.raises(Unauthorized):
        connect(token="mh_no_token").read("a")
    with pytest.raises(NotFound):
        connect(slug="nowhere").info()
    with pytest.raises(ScopeMissing):
        connect(token=reader).put("a", b"", if_version=0)
    with pytest.raises(Invalid) as path:
        hub.put("a/../b", b"", if_version=0)
    with pytest.raises(TooLarge):
        hub.get_many([(str(number), None) for number in range(1001)])
    with pytest.raises(CursorExpired) as cursor:
        hub.changes(str(FeedCursor(UUID(hub.info().id), uuid4(), 1)))
    assert (path.value.code, cursor.value.code) == ("bad_path", "epoch_changed")
