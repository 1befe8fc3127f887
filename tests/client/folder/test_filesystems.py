"""How file systems treat names and times."""

import pytest

from memoryhub.client.folder.filesystems import FileSystem, clock_grain_ns
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.spelling import Spelling

FOLDING = FileSystem(True, True, 0)
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("stamps", "now_ns", "grain_ns"),
    [
        ([5 * SECOND + 4_123, 5 * SECOND + 4_123], 5 * SECOND + 4_123, 20_000_000),
        ([4 * SECOND, 4 * SECOND], 4 * SECOND, 2_000_000_000),
        ([5 * SECOND + 1], 6 * SECOND + 1, 1_020_000_000),
        ([7 * SECOND + 1], 6 * SECOND + 1, 20_000_000),
    ],
)
def test_a_file_may_look_the_same_for_a_tick_and_as_long_as_its_clock_is_behind(
    stamps: list[int], now_ns: int, grain_ns: int
) -> None:
    assert clock_grain_ns(stamps, now_ns=now_ns) == grain_ns


def test_a_file_is_known_by_the_hubs_spelling() -> None:
    spelling = Spelling(FOLDING, ["deep/Note.md", "deep/note.md", "\u00e9.md"])

    assert spelling.of(Found("DEEP/NOTE.MD", 1, 2, 3, 4)) == Found("deep/Note.md", 1, 2, 3, 4)
    assert spelling.of(Found("e\u0301.md", 1, 2, 3, 4)).path == "\u00e9.md"
    assert spelling.of(Found("New.md", 1, 2, 3, 4)).path == "New.md"
    assert [spelling.is_taken(path) for path in ("deep/Note.md", "deep/note.md", "New.md")] == [False, True, False]


def test_where_names_are_exact_every_file_is_itself() -> None:
    spelling = Spelling(FileSystem(False, False, 0), ["Note.md", "note.md"])

    assert spelling.of(Found("note.md", 1, 2, 3, 4)).path == "note.md"
    assert not spelling.is_taken("note.md")
