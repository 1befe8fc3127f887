"""How bytes travel, and what is believed of them."""

import os
import sys
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from memoryhub.client.folder.decisions import Base, Remote
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.state import Agreed, State
from tests.client.folder.machines import Machine

Both = tuple[Machine, Machine]


def state_of(machine: Machine) -> "closing[State]":
    return closing(State.open(machine.root / ".memoryhub" / "state.sqlite3"))


@pytest.mark.parametrize("size_bytes", [10, 2_000_000])
def test_other_bytes_than_were_announced_are_not_placed(machines: Both, size_bytes: int) -> None:
    a, _ = machines
    a.sync()
    change = a.client.put("note.md", b"x" * size_bytes, if_version=0)
    assert change.version is not None
    with state_of(a) as state, state.transaction():
        state.replace_remote([("note.md", Remote(change.version + 1, "another", size_bytes))])
    a.client.put("note.md", b"y" * size_bytes, if_version=change.version)
    with state_of(a) as state, state.transaction():
        state.set_about("cursor", a.client.index().cursor)

    report = a.sync()

    assert report.problems == {"note.md": "the hub has other bytes under this version"}
    assert (report.is_whole, a.files) == (False, {})


def test_what_another_past_had_is_no_base_for_a_merge(machines: Both) -> None:
    a, _ = machines
    a.client.put("note.md", b"1\n2\n3\n", if_version=0)
    a.sync()
    a.client.put("note.md", b"1\n2\n3 a\n", if_version=1)
    a.write("note.md", "1 b\n2\n3\n")
    with state_of(a) as state, state.transaction():
        state.agree([Agreed("note.md", Base(1, "of another past"), Found("note.md", 1, 1, 1, 1), 0)])

    report = a.sync()

    assert report.counts == {"conflict": 1, "downloaded": 1, "uploaded": 1}
    assert sorted(a.files.values()) == ["1\n2\n3 a\n", "1 b\n2\n3\n"]


def test_a_conflict_of_large_files_needs_little_memory(machines: Both) -> None:
    a, b = machines
    data = os.urandom(1 << 20) * 50
    a.write("large.bin", data)
    a.sync()
    b.write("large.bin", data[:-1] + b"x")
    del data
    before_kib = memory_kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # begins the peak anew

    report = b.sync()

    assert report.counts == {"conflict": 1, "downloaded": 1, "uploaded": 1}
    assert memory_kib("VmHWM") - before_kib < 20_000


def memory_kib(name: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0])


class Watched:
    """Notes the calls of some functions, by their names, with one of their arguments."""

    def __init__(self, **arguments: str) -> None:
        self._arguments = arguments
        self.calls: list[tuple[str, Any]] = []

    def __enter__(self) -> "Watched":
        sys.setprofile(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _hear(self, frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_name
        if event == "call" and name in self._arguments:
            self.calls.append((name, frame.f_locals[self._arguments[name]]))


@pytest.mark.parametrize("size_bytes", [10, 2_000_000])
@pytest.mark.parametrize("before", [None, "old\n"])
def test_what_is_downloaded_is_on_the_disk_before_it_counts(
    machines: Both, size_bytes: int, before: str | None
) -> None:
    a, b = machines
    if before:
        a.write("note.md", before)
        a.sync()
        b.sync()
    a.write("note.md", "x" * size_bytes)
    a.sync()

    with Watched(flush_files="files", place="part", flush_folder="folder", agree="self") as seen:
        b.sync()

    happened = [(name, value) for name, value in seen.calls if name != "agree"]
    (flushed,) = happened[0][1]
    assert happened == [("flush_files", [flushed]), ("place", flushed), ("flush_folder", b.root)]
    assert [name for name, _ in seen.calls][-1] == "agree"


def test_what_is_merged_is_on_the_disk_before_it_counts(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "1\n2\n3\n")
    a.sync()
    b.sync()
    a.write("note.md", "1 a\n2\n3\n")
    a.sync()
    b.write("note.md", "1\n2\n3 b\n")

    with Watched(flush_files="files", place="part", flush_folder="folder", agree="self") as seen:
        b.sync()

    names = [name for name, _ in seen.calls]
    at = names.index("flush_files")
    assert names[at : at + 4] == ["flush_files", "place", "flush_folder", "agree"]
