"""What a folder's syncs leave."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from memoryhub.client.folder.decisions import Base, Remote
from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.state import Agreed, State

NOTE = Found("note.md", 3, 1_000, 7, 2_000)
OLD = Base(3, "old")
SAME = Remote(3, "old", 3)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.open(tmp_path / "state.sqlite3")
    yield state
    state.close()


def in_step(state: State, *, base: Base = OLD, remote: Remote = SAME, found: Found = NOTE) -> bool:
    """Whether the note, whose bytes were read at 5,000, counts as in step where the clock's grain is 100."""
    state.replace_remote([("note.md", remote)])
    state.agree([Agreed("note.md", base, NOTE, 5_000)])
    state.set_local([found])
    return not list(state.differing(clock_grain_ns=100))


def test_a_file_as_it_was_is_in_step(state: State) -> None:
    assert in_step(state)


@pytest.mark.parametrize(
    "found",
    [
        Found("note.md", 4, 1_000, 7, 2_000),
        Found("note.md", 3, 1_001, 7, 2_000),
        Found("note.md", 3, 1_000, 8, 2_000),
        Found("note.md", 3, 1_000, 7, 2_001),
        Found("other.md", 3, 1_000, 7, 2_000),
    ],
)
def test_a_file_that_looks_different_is_read(state: State, found: Found) -> None:
    assert not in_step(state, found=found)


@pytest.mark.parametrize("remote", [Remote(4, "old", 3), Remote(3, "new", 3), Remote(3, None)])
def test_another_state_of_the_hub_is_no_step(state: State, remote: Remote) -> None:
    assert not in_step(state, remote=remote)


@pytest.mark.parametrize(("read_ns", "settled"), [(1_100, False), (1_101, True)])
def test_a_file_that_was_read_within_the_tick_of_its_writing_is_read_again(
    state: State, read_ns: int, settled: bool
) -> None:
    state.replace_remote([("note.md", SAME)])
    state.agree([Agreed("note.md", OLD, NOTE, read_ns)])
    state.set_local([NOTE])

    difference = state.difference("note.md", clock_grain_ns=100)

    assert (difference is None) is settled
    assert difference is None or not difference.is_as_seen


def test_news_of_an_older_state_come_too_late(state: State) -> None:
    state.update_remote([("note.md", Remote(5, "new", 3))])
    state.update_remote([("note.md", Remote(4, "old", 3))])

    difference = state.difference("note.md", clock_grain_ns=0)

    assert difference is not None
    assert difference.remote == Remote(5, "new", 3)


def test_of_names_for_one_file_those_that_both_sides_have_come_first(state: State) -> None:
    state.agree([Agreed(path, OLD, NOTE, 5_000) for path in ("both", "gone")])
    state.replace_remote([("both", Remote(3, "old")), ("gone", Remote(4, None)), ("Both", Remote(5, "new"))])

    assert list(state.paths()) == ["both", "Both", "gone"]


def test_what_fails_in_the_middle_is_not_done(state: State) -> None:
    def broken() -> Iterator[Found]:
        yield NOTE
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        state.set_local(broken())

    state.set_local([NOTE])
    assert list(state.differing(clock_grain_ns=0)) == ["note.md"]


def test_an_older_state_is_made_anew_and_knows_its_workspace(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
            "INSERT INTO about VALUES ('workspace', 'w'), ('cursor', 'c');"
            "CREATE TABLE base (path TEXT PRIMARY KEY, version INTEGER); INSERT INTO base VALUES ('note.md', 3);"
        )
    connection.close()

    state = State.open(file)

    assert (state.about("workspace"), state.about("cursor"), state.count()) == ("w", None, 0)
    state.close()


def test_a_newer_state_is_left_to_newer_programs(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite3"
    State.open(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    before = file.read_bytes()

    with pytest.raises(FolderError, match="newer memoryhub"):
        State.open(file)

    assert file.read_bytes() == before
