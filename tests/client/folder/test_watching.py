"""When a watcher syncs, and how often it asks the hub."""

from contextlib import closing
from pathlib import Path

import pytest

from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.watching import LONGEST_S, SHORTEST_S, Pace, occasions


def test_it_asks_ever_more_rarely_while_nothing_happens_and_soon_after_something_did() -> None:
    pace = Pace()
    waits = []
    for _ in range(9):
        waits.append(pace.wait_s)
        pace.after(something_happened=False)

    assert waits[:4] == [SHORTEST_S, 1.5, 2.25, 3.375]
    assert waits[-1] == LONGEST_S
    pace.after(something_happened=True)
    assert pace.wait_s == SHORTEST_S


@pytest.mark.parametrize(
    ("path", "is_seen"),
    [
        ("note.md", True),
        (".memoryhubignore", True),
        (".memoryhub2", True),
        (".memoryhub/state.sqlite3-wal", False),
        ("a/.memoryhub/x", False),
    ],
)
def test_everything_is_watched_but_what_the_sync_keeps_itself(tmp_path: Path, path: str, is_seen: bool) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    with closing(occasions(tmp_path, Pace(), stopped=lambda: False)) as watched:
        first, second = next(watched), next(watched)
        (tmp_path / path).write_text("x")
        after = next(watched)

    assert (first, second, after) == (True, False, is_seen)


def test_a_change_between_two_occasions_is_seen(tmp_path: Path) -> None:
    with closing(occasions(tmp_path, Pace(), stopped=lambda: False)) as watched:
        assert next(watched)
        (tmp_path / "note.md").write_text("written during a sync")

        assert next(watched)
        assert not next(watched)


def test_a_folder_that_cannot_be_watched_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="cannot be watched"):
        next(occasions(tmp_path / "nowhere", Pace(), stopped=lambda: False))


def test_it_ends_when_it_is_stopped(tmp_path: Path) -> None:
    assert list(occasions(tmp_path, Pace(), stopped=lambda: True)) == []
