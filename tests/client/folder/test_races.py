"""What happens to files while a sync runs."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memoryhub.client import ANY, Revert
from memoryhub.client.folder.ignoring import Ignored
from memoryhub.client.folder.report import TooManyDeletes
from memoryhub.client.folder.scanning import scan
from memoryhub.client.frames import decoded
from tests.client.folder.machines import Machine
from tests.client.folder.moments import just_before, save
from tests.fakes.faulty_proxy import FaultyProxy
from tests.live import LiveHub, LiveWorkspace

Both = tuple[Machine, Machine]
LINES = "line\n" * 300_000


class Meddler(FaultyProxy):
    """A proxy that does something with the body of each matching request before it passes it on."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.before: tuple[str, Callable[[bytes], object]] = ("nothing", lambda _: None)

    def forwarded(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        pattern, action = self.before
        if re.search(pattern, f"{method} {path}"):
            action(body)
        return super().forwarded(method, path, body, headers)


class Once:
    """Does something at the n-th call."""

    def __init__(self, number: int, action: Callable[[], None]) -> None:
        self._left = number
        self._action = action

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._action()


@pytest.fixture
def meddler(live_hub: LiveHub) -> Iterator[Meddler]:
    with Meddler(live_hub.url) as meddler:
        yield meddler


@pytest.fixture
def late(tmp_path: Path, workspace: LiveWorkspace, meddler: Meddler) -> Iterator[Machine]:
    """A machine whose requests go through the meddler."""
    machine = Machine(tmp_path / "late", workspace, "late", url=meddler.url)
    yield machine
    machine.client.close()


def on_hub(machine: Machine) -> dict[str, bytes]:
    return {file.path: machine.client.read(file.path) for file in machine.client.index().files}


def test_what_vanishes_while_it_is_looked_at_is_not_found(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()

    found = []
    for each in scan(tmp_path, Ignored(), lambda *_: None, lambda *_: None):
        found.append(each.path)
        for file in tmp_path.iterdir():
            file.rmdir() if file.is_dir() else file.unlink()

    assert len(found) == 1
    assert list(scan(tmp_path, Ignored(), lambda *_: None, lambda *_: None)) == []


def test_a_folder_that_vanishes_is_not_found(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    with just_before("os.scandir", folder, folder.rmdir):
        assert list(scan(tmp_path, Ignored(), lambda *_: None, lambda *_: None)) == []

    with pytest.raises(FileNotFoundError):
        list(scan(folder, Ignored(), lambda *_: None, lambda *_: None))


def test_files_that_come_and_go_do_not_disturb(machines: Both) -> None:
    a, _ = machines
    for number in range(30):
        a.write(f"{number}.md", "x")
    ended = threading.Event()

    def churn() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            a.write(f".{number % 200}.swp", "x")
            a.remove(f".{number % 200}.swp")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            a.sync()
    finally:
        ended.set()
        thread.join()

    assert a.sync().is_whole
    assert {path for path in on_hub(a) if path.endswith(".md")} == {f"{number}.md" for number in range(30)}


def test_a_large_file_that_grows_while_it_is_sent_is_no_conflict(machines: Both) -> None:
    a, _ = machines
    a.write("log.txt", LINES)
    log = a.root / "log.txt"

    def grow() -> None:
        with log.open("a") as file:
            file.write("more\n")

    with just_before("open", log, Once(3, grow), times=3):
        report = a.sync()

    assert (report.is_whole, a.told[-1][:2], set(a.files)) == (True, ("uploaded", "log.txt"), {"log.txt"})
    assert on_hub(a) == {"log.txt": f"{LINES}more\n".encode()}
    assert a.sync().counts == {}


def test_a_large_file_that_is_rewritten_while_it_is_sent_is_sent_anew(machines: Both) -> None:
    a, _ = machines
    a.write("log.txt", LINES)
    log = a.root / "log.txt"

    with just_before("open", log, Once(3, lambda: save(log, LINES.replace("line", "LINE"))), times=3):
        report = a.sync()

    assert (report.is_whole, set(a.files)) == (True, {"log.txt"})
    assert on_hub(a) == {"log.txt": LINES.replace("line", "LINE").encode()}


@pytest.mark.parametrize("path", ["note.md", "deep/note.md"])
def test_a_save_at_the_last_moment_of_a_download_is_kept(machines: Both, path: str) -> None:
    a, b = machines
    a.write(path, "one\n")
    a.sync()
    b.sync()
    a.write(path, "two\n")
    a.sync()

    with just_before("os.rename", b.root / path, lambda: save(b.root / path, "a sentence just saved\n")):
        report = b.sync()

    assert report.counts == {"conflict": 1, "uploaded": 1, "downloaded": 1}
    assert sorted(b.files.values()) == ["a sentence just saved\n", "two\n"]
    assert b.files[path] == "two\n"


def test_a_save_at_the_last_moment_of_a_conflict_is_kept(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "1\n")
    a.sync()
    b.sync()
    a.write("note.md", "1 a\n")
    a.sync()
    b.write("note.md", "1 b\n")
    note = b.root / "note.md"

    with just_before("os.rename", note, lambda: save(note, "a sentence just saved\n")):
        b.sync()

    assert sorted(b.files.values()) == ["1 a\n", "a sentence just saved\n"]


def test_a_file_that_appears_before_its_deletion_is_sent_stays(machines: Both) -> None:
    a, _ = machines
    a.write("note.md", "one\n")
    a.sync()
    a.remove("note.md")
    a.write("other.md", "new")
    a.then = lambda done, path: path == "other.md" and a.write("note.md", "one again\n")

    report = a.sync()

    assert report.counts == {"uploaded": 2}
    assert on_hub(a) == {"note.md": b"one again\n", "other.md": b"new"}


def test_a_deletion_gives_way_to_what_is_written_on_the_hub_meanwhile(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "one\n")
    a.sync()
    a.remove("note.md")
    a.write("other.md", "new")
    a.then = lambda done, path: path == "other.md" and b.client.put("note.md", b"two\n", if_version=ANY)

    report = a.sync()

    assert report.counts == {"uploaded": 1, "downloaded": 1}
    assert (report.is_whole, a.read("note.md")) == (True, "two\n")
    assert on_hub(a)["note.md"] == b"two\n"


def test_where_the_hub_goes_back_after_a_conflict_nothing_is_deleted(
    late: Machine, meddler: Meddler, machines: Both
) -> None:
    other = machines[0].client
    other.put("note.md", b"1\n", if_version=0)
    late.sync()
    other.put("note.md", b"1 a\n", if_version=1)
    late.write("note.md", "1 b\n")

    def go_back(_: bytes) -> None:
        if any(done == "conflict" for done, _, _ in late.told):
            other.revert([Revert("note.md", 1, ANY)])

    meddler.before = ("GET .*/changes", go_back)
    report = late.sync()

    assert report.counts == {"conflict": 1, "uploaded": 1, "downloaded": 1}
    assert sorted(late.files.values()) == ["1\n", "1 b\n"]


def test_what_somebody_else_wins_every_time_is_told_as_not_in_step(
    late: Machine, meddler: Meddler, machines: Both
) -> None:
    def win(body: bytes) -> None:
        for header, _ in decoded(body):
            machines[0].client.put(header["path"], b"theirs", if_version=ANY)

    meddler.before = ("POST .*/files:put", win)
    late.write("note.md", "mine")
    report = late.sync()

    (path,) = report.problems
    assert (report.is_whole, report.counts["failed"]) == (False, 1)
    assert late.told[-1] == ("failed", path, report.problems[path])
    assert "mine" in late.files.values()


def test_deletions_are_asked_about_when_all_else_is_done(machines: Both) -> None:
    a, b = machines
    for number in range(20):
        a.write(f"{number}", "x")
    a.write("note.md", "1\n")
    a.sync()
    b.sync()
    a.write("note.md", "1 a\n")
    a.sync()
    b.write("note.md", "1 b\n")
    for number in range(6):
        b.remove(f"{number}")

    report = b.sync(deletes_limit=5)

    copy = "note (conflict 2026-05-04 03.02 from bert).md"
    assert (report.is_whole, report.held_back) == (False, TooManyDeletes(here=0, there=6, of=22))
    assert (b.read("note.md"), b.read(copy)) == ("1 a\n", "1 b\n")
    assert set(on_hub(a)) == {*map(str, range(20)), "note.md", copy}
