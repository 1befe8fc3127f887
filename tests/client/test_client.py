"""Every call, by both clients, on a live hub."""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.files.cursors import FeedCursor
from memoryhub.client import (
    ANY,
    AsyncClient,
    Change,
    CursorExpired,
    Delete,
    FileInfo,
    Invalid,
    NotFound,
    PreconditionFailed,
    Purged,
    Put,
    RefusedItem,
    Revert,
    ScopeMissing,
    StoredFile,
    TooLarge,
    Transfer,
    Unauthorized,
)
from memoryhub.client.sending import Target
from tests import services
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


def test_a_download_is_whole_or_leaves_the_file_as_it_was(hub: Any, tmp_path: Path) -> None:
    target = tmp_path / "here.bin"
    target.write_bytes(b"before")
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
    assert [file.path for file in hub.index("d")] == ["d/c.md"]
    assert [(file.path, file.is_deleted) for file in hub.index("d", tombstones=True).files] == [
        ("d/b.md", True),
        ("d/c.md", False),
    ]
    first = hub.changes(limit=2)
    assert ([file.path for file in first.items], first.has_more) == (["a.md", "d/c.md"], True)


def test_an_empty_workspace_has_an_empty_index(hub: Any) -> None:
    assert hub.index().files == []
    assert hub.changes().items == []


def test_the_index_streams_in_the_order_of_paths(hub: Any) -> None:
    hub.put_many([Put(f"{number:04}-ü", b"x", 0) for number in range(900)])

    with hub.index_stream() as (cursor, files):
        paths = [file.path for file in files]

    assert paths == [f"{number:04}-ü" for number in range(900)]
    assert hub.changes(cursor).items == []


def test_an_index_need_not_be_read_to_its_end(hub: Any) -> None:
    hub.put_many([Put(f"{number:04}", b"x", 0) for number in range(900)])

    with hub.index_stream() as (_cursor, files):
        first = next(files)

    assert (first.path, hub.read("0899")) == ("0000", b"x")


def test_what_a_file_is_can_be_asked_without_reading_it(hub: Any) -> None:
    hub.put("a", b"four", if_version=0, content_type=NOTE)
    hub.put("a", b"other", if_version=1)

    assert hub.stat("a") == FileInfo("a", 2, sha256(b"other"), 5, "application/octet-stream")
    assert hub.stat("a", version=1) == FileInfo("a", 1, sha256(b"four"), 4, NOTE)
    with pytest.raises(NotFound):
        hub.stat("b")


def test_an_owner_purges_the_past_of_a_path(connect: Callable[..., Any], live_hub: LiveHub, hub: Any) -> None:
    owner = connect(token=live_hub.workspace(hub.info().slug, scopes=["workspace:admin"]).token)
    hub.put("a", b"one", if_version=0)
    hub.put("a", b"two", if_version=1)

    with pytest.raises(Invalid) as unsure:
        owner.purge("a", confirm="b")
    kept = len(hub.history("a").items)
    purged = owner.purge("a", confirm="a")

    assert (unsure.value.code, kept) == ("confirm_required", 2)
    assert purged == Purged(removed=1, held=0)
    assert [row.version for row in hub.history("a").items] == [2]


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


def test_what_cannot_be_sent_is_refused_like_the_rest(hub: Any) -> None:
    with pytest.raises(Invalid, match="UTF-8"):
        hub.put("\udcff", b"", if_version=0)
    with pytest.raises(Invalid, match="content type"):
        hub.put("a", b"", if_version=0, content_type="text/plain\nX-Other: 1")
    with pytest.raises(Invalid, match="address"):
        hub.put("a", b"", if_version=0, message="x" * 70_000)
    with pytest.raises(Invalid, match="ETag"):
        hub.changes(etag='"ü"')
    (item,) = hub.put_many([Put("\udcff", b"", 0)])

    assert isinstance(item.error, Invalid)
    assert hub.index().files == []


def test_what_is_missing_is_named(connect: Callable[..., Any], hub: Any, workspace: LiveWorkspace) -> None:
    hub.put("a", b"one", if_version=0)
    where = f"workspace {workspace.slug} at {workspace.hub_url}"

    for missing, call in (
        ("b", lambda: hub.read("b")),
        ("b", lambda: hub.stat("b")),
        ("b", lambda: hub.delete("b", if_version=ANY)),
        ("b", lambda: hub.history("b")),
        ("version 7 of a", lambda: hub.read("a", version=7)),
        ("version 7 of a", lambda: hub.copy([Transfer("a", "c", source_version=7)])),
        ("b", lambda: hub.move([Transfer("a", "c"), Transfer("b", "d")])),
        ("version 7 of a", lambda: hub.revert([Revert("a", 7, ANY)])),
    ):
        with pytest.raises(NotFound) as refused:
            call()

        assert str(refused.value) == refused.value.detail == f"There is no {missing} in {where}."
    with pytest.raises(NotFound) as refused:
        connect(slug="nowhere").put("a", b"", if_version=0)
    assert str(refused.value) == f"There is no workspace nowhere at {workspace.hub_url} for this token."


def test_what_is_no_content_is_told_and_writes_nothing(hub: Any) -> None:
    hub.put("a", b"text", if_version=0)

    with pytest.raises(ValueError, match="either its content or from_sha256"):
        hub.put_many([Put("a", None, ANY)])
    with pytest.raises(ValueError, match="either its content or from_sha256"):
        hub.put_many([Put("a", b"", ANY, from_sha256=sha256(b"text"))])
    with pytest.raises(TypeError, match="bytes, not str"):
        hub.put_many([Put("a", "text", ANY)])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes, or a Path to be read, not str"):
        hub.put("a", "text", if_version=ANY)

    assert [row.version for row in hub.history("a").items] == [1]


def test_a_download_takes_the_name_of_its_file_as_text_too(hub: Any, tmp_path: Path) -> None:
    hub.put("a", b"one", if_version=0)

    hub.download("a", str(tmp_path / "here"))

    assert (tmp_path / "here").read_bytes() == b"one"


def test_files_of_this_machine_raise_their_own_errors(hub: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hub.put("a", tmp_path / "nowhere", if_version=0)
    with pytest.raises(FileNotFoundError):
        hub.download("a", tmp_path / "nowhere" / "a")

    assert list(hub.index()) == []


def test_a_closed_client_says_so(connect: Callable[..., Any]) -> None:
    hub = connect()

    hub.close()

    with pytest.raises(RuntimeError, match="closed"):
        hub.info()


@pytest.mark.parametrize("token", ["mh_secret\nmore", "mh_sécret", "mh secret", ""])
def test_a_token_that_can_be_none_is_refused_without_being_shown(connect: Callable[..., Any], token: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        connect(token=token)

    assert str(refused.value) == "A token is printable ASCII without spaces."


def test_a_token_may_come_with_the_newline_of_its_file(connect: Callable[..., Any], workspace: LiveWorkspace) -> None:
    assert connect(token=f"{workspace.token}\n").info().slug == workspace.slug


@pytest.mark.parametrize("url", ["hub.example.org", "ftp://hub.example.org", "http://", "http://hub:port"])
def test_what_can_be_no_address_is_told_at_once(connect: Callable[..., Any], url: str) -> None:
    with pytest.raises(Invalid) as refused:
        connect(url)

    assert refused.value.code == "bad_url"


def test_a_target_does_not_show_its_token(workspace: LiveWorkspace) -> None:
    shown = repr(Target(workspace.hub_url, workspace.token, workspace.slug))

    assert workspace.token not in shown


def told_by(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=services.ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_importing_the_client_takes_nothing_along_that_it_seldom_needs() -> None:
    modules = told_by("import sys, memoryhub.client; print(*sys.modules)")

    assert {"asyncio", "pathspec"} & set(modules) == set()


def test_importing_the_client_leaves_httpx_whole_for_the_program_around_it() -> None:
    assert told_by("import memoryhub.client, httpx._main; print(httpx.main is httpx._main.main)") == ["True"]


def test_the_asyncio_client_lets_others_run_while_it_reads_a_file_for_its_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")

    async def put_beside_another() -> bool:
        other = asyncio.create_task(asyncio.sleep(0))
        async with AsyncClient("http://127.0.0.1:9", "mh_any", "any") as hub:
            # A path that is refused when the file has been read, and before anything is sent.
            with pytest.raises(Invalid):
                await hub.put("..", tmp_path / "a", if_version=0)
        return other.done()

    assert asyncio.run(put_beside_another())
