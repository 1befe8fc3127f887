"""The unmodified client before and after the move: the original first, then the hub, with the local index it has."""

import pytest

from tests.conftest import Bucket
from tests.dialects.memory_proxy.moving import move, texts
from tests.dialects.memory_proxy.original import Original
from tests.dialects.memory_proxy.proxy import Proxy
from tests.dialects.memory_proxy.silica import Silica

NS = "personas/default/memory"


@pytest.fixture
def original(s3_server: Bucket) -> Original:
    return Original(s3_server)


@pytest.fixture
def machines(original: Original) -> tuple[Silica, Silica]:
    """Two machines in step with the original."""
    http = original.http()
    a, b = Silica(http), Silica(http)
    a.files = {"persona.md": b"me", "note.md": b"note", "a b/é.md": b"odd", "gone.md": b"gone", "blob/x.md": b"x"}
    a.sync()
    b.sync()
    b.sync()
    return a, b


def move_in(original: Original, proxy: Proxy, *clients: Silica) -> None:
    """The bucket is imported and the clients' address changed."""
    moved = move(original, proxy.workspace)
    assert moved.problems == 0
    for client in clients:
        client.http = proxy.http


def test_machines_in_step_have_nothing_to_do_after_the_move(
    original: Original, proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    a, b = machines
    files = dict(a.files)
    del files["blob/x.md"]

    move_in(original, proxy, a, b)
    first, other = a.sync(), b.sync()

    # The original never showed a file below a folder named blob; the hub does.
    assert first == []
    assert [(step.verb, step.path) for step in other] == [("download", "blob/x.md")]
    assert a.files == b.files == {**files, "blob/x.md": b"x"}
    assert a.sync() == b.sync() == []


def test_a_machine_that_was_away_gets_everything_and_deletes_what_was_deleted(
    original: Original, proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    a, away = machines
    a.files["note.md"] = b"note, changed"
    a.files["new.md"] = b"new"
    del a.files["gone.md"], a.files["blob/x.md"]
    a.sync()

    move_in(original, proxy, a, away)
    steps = away.sync()

    assert {(step.verb, step.path) for step in steps} == {
        ("download", "note.md"),
        ("download", "new.md"),
        ("download", "blob/x.md"),
        ("delete_local", "gone.md"),
    }
    assert away.files == {
        "persona.md": b"me",
        "note.md": b"note, changed",
        "a b/é.md": b"odd",
        "new.md": b"new",
        "blob/x.md": b"x",
    }
    assert texts(proxy.workspace)[f"{NS}/gone.md"] is None
    assert away.sync() == []


def test_work_that_was_never_synced_survives_the_move(
    original: Original, proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    a, b = machines
    a.files["unsynced.md"] = b"unsynced"
    a.files["note.md"] = b"note, edited here"

    move_in(original, proxy, a, b)
    a.sync()
    b.sync()

    # Every version has grown by the move, so the client merges its edit instead of sending it.
    assert b.files["unsynced.md"] == b"unsynced"
    assert b.files["note.md"] == a.files["note.md"] == b"note, edited here\nnote"
    assert {path for path, text in texts(proxy.workspace).items() if text is None} == set()


def test_a_local_deletion_that_was_never_synced_is_still_a_deletion(
    original: Original, proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    a, b = machines
    del a.files["note.md"]

    move_in(original, proxy, a, b)
    first = a.sync()
    b.sync()

    assert [(step.verb, step.path) for step in first] == [("delete_remote", "note.md")]
    assert "note.md" not in b.files


def test_a_new_machine_gets_every_file_after_the_move(
    original: Original, proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    a, _ = machines
    move_in(original, proxy, a)

    new = Silica(proxy.http)
    new.sync()

    assert new.files == a.files


def test_who_still_wrote_to_the_original_is_taken_along_by_a_second_run(
    original: Original, proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    moved, late = machines
    move_in(original, proxy, moved)
    moved.files["at-hub.md"] = b"hub"
    moved.sync()
    late.files["note.md"] = b"note, late"
    late.sync()

    move_in(original, proxy, late)
    moved.sync()
    late.sync()
    moved.sync()

    assert moved.files == late.files
    assert (moved.files["note.md"], moved.files["at-hub.md"]) == (b"note, late", b"hub")
