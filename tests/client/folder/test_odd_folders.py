"""Links, files that cannot be read, and names that are one file."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from memoryhub.client import Transfer
from memoryhub.client.folder.decisions import Base, Step
from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.filesystems import FileSystem
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.state import Agreed, State
from memoryhub.client.folder.status import status_of
from tests.client.folder.machines import Machine
from tests.live import LiveWorkspace

Both = tuple[Machine, Machine]
NOBODY = 65534
FOLDING = FileSystem(True, False, 20_000_000)


def on_hub(machine: Machine) -> set[str]:
    return {file.path for file in machine.client.index().files}


@pytest.mark.parametrize("odd", ["link to a file", "link to nothing", "pipe"])
def test_a_file_whose_place_something_odd_has_taken_is_not_deleted(machines: Both, odd: str) -> None:
    a, b = machines
    a.write("note.md", "text")
    a.sync()
    note = a.root / "note.md"
    note.rename(a.root.parent / "elsewhere")
    if odd == "pipe":
        os.mkfifo(note)
    else:
        note.symlink_to(a.root.parent / ("elsewhere" if odd == "link to a file" else "nowhere"))

    reports = [a.sync(), a.sync()]
    b.sync()

    assert [report.problems["note.md"] for report in reports] == ["there is something that is no ordinary file"] * 2
    assert not reports[0].is_whole
    assert b.files == {"note.md": "text"}


def test_files_of_a_folder_that_became_a_link_are_not_deleted(machines: Both) -> None:
    a, b = machines
    for number in range(6):
        a.write(f"notes/{number}.md", "text")
    a.sync()
    (a.root / "notes").rename(a.root.parent / "elsewhere")
    (a.root / "notes").symlink_to(a.root.parent / "elsewhere")

    planned = a.folder().plan().steps
    report = a.sync(deletes_limit=5)
    b.sync()

    assert planned == []
    assert report.problems["notes/3.md"] == "notes is a symbolic link"
    assert set(b.files) == {f"notes/{number}.md" for number in range(6)}
    (a.root / "notes").unlink()
    (a.root.parent / "elsewhere").rename(a.root / "notes")
    assert a.sync().is_whole


@pytest.fixture
def unprivileged(workspace: LiveWorkspace) -> Iterator[Machine]:
    """A machine whose folder is that of somebody who may not read everything; also when root runs the tests."""
    root = Path(tempfile.mkdtemp())
    machine = Machine(root / "folder", workspace, "nobody")
    if is_root := os.geteuid() == 0:
        os.chown(root, NOBODY, NOBODY)
        os.chown(machine.root, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield machine
    if is_root:
        os.seteuid(0)
    machine.client.close()
    shutil.rmtree(root)


@pytest.mark.parametrize(("mode", "told"), [(0, "closed"), (0o600, "closed/a.md")])
def test_a_folder_that_cannot_be_read_does_not_pass_for_empty_nor_stop_the_others(
    unprivileged: Machine, mode: int, told: str
) -> None:
    unprivileged.write("closed/a.md", "text")
    unprivileged.sync()
    (unprivileged.root / "closed").chmod(mode)
    unprivileged.write("open.md", "text")

    planned = unprivileged.folder().plan().steps
    report = unprivileged.sync()

    (unprivileged.root / "closed").chmod(0o700)
    assert planned == [(Step.UPLOAD, "open.md")]
    assert report.counts == {"uploaded": 1, "failed": 1}
    assert report.problems == {told: "it cannot be read: Permission denied"}
    assert on_hub(unprivileged) == {"closed/a.md", "open.md"}
    assert unprivileged.sync().counts == {}


def test_a_file_that_cannot_be_read_is_told(unprivileged: Machine) -> None:
    unprivileged.write("a.md", "text")
    unprivileged.sync()
    unprivileged.write("a.md", "longer text")
    (unprivileged.root / "a.md").chmod(0)

    report = unprivileged.sync()

    assert (report.is_whole, report.problems) == (False, {"a.md": "it cannot be read: Permission denied"})
    assert unprivileged.client.read("a.md") == b"text"


def test_a_folder_that_cannot_be_written_is_a_sentence(unprivileged: Machine) -> None:
    unprivileged.root.chmod(0o500)

    with pytest.raises(FolderError, match="Permission denied"):
        unprivileged.sync()

    unprivileged.root.chmod(0o700)


def test_a_file_that_cannot_be_placed_is_told_and_the_others_are(unprivileged: Machine) -> None:
    unprivileged.write("closed/here.md", "text")
    unprivileged.sync()
    for path in ("closed/there.md", "open.md"):
        unprivileged.client.put(path, b"theirs", if_version=0)
    unprivileged.client.delete("closed/here.md", if_version=1)
    (unprivileged.root / "closed").chmod(0o500)

    report = unprivileged.sync()

    (unprivileged.root / "closed").chmod(0o700)
    assert report.problems == {"closed/here.md": "Permission denied", "closed/there.md": "Permission denied"}
    assert sum(done == "failed" for done, _, _ in unprivileged.told) == 2
    assert unprivileged.files == {"closed/here.md": "text", "open.md": "theirs"}
    assert unprivileged.sync().counts == {"deleted_here": 1, "downloaded": 1}


def test_a_file_that_got_other_letters_on_the_hub_stays_in_step(machines: Both) -> None:
    a, b = machines
    a.client.put("note.md", b"text", if_version=0)
    a.sync(file_system=lambda _: FOLDING)
    b.client.move([Transfer("note.md", "Note.md")])
    # A file system that folds names would find the file under both.
    (a.root / "note.md").rename(a.root / "Note.md")

    reports = [a.sync(file_system=lambda _: FOLDING) for _ in range(2)]

    assert [(report.is_whole, report.problems, report.counts) for report in reports] == [(True, {}, {})] * 2
    assert on_hub(b) == {"Note.md"}
    assert status_of(a.root)["files"] == 1


def test_a_file_in_other_letters_is_the_hubs_file(machines: Both) -> None:
    a, _ = machines
    change = a.client.put("note.md", b"text", if_version=0)
    assert change.version is not None
    assert change.sha256 is not None
    a.sync()
    # As on a file system that folds names, where the file is found in other letters than it was written in.
    (a.root / "note.md").rename(a.root / "NOTE.md")
    found = Found.of("note.md", (a.root / "NOTE.md").stat())
    with closing(State.open(a.root / ".memoryhub" / "state.sqlite3")) as state:
        state.agree([Agreed("note.md", Base(change.version, change.sha256), found, time.time_ns() + 10**9)])

    report = a.sync(file_system=lambda _: FOLDING)

    assert (report.counts, on_hub(a)) == ({}, {"note.md"})


def test_the_status_counts_nothing_that_only_looks_different(machines: Both) -> None:
    a, _ = machines
    for name in ("young", "touched", "edited"):
        a.write(name, "old")
    a.sync(file_system=lambda _: FileSystem(False, False, 0))
    (a.root / "young").write_text("old")
    os.utime(a.root / "touched", (1, 1))
    a.write("edited", "new")

    assert status_of(a.root)["differences"] == 1


def test_the_status_leaves_out_what_is_ignored(machines: Both) -> None:
    a, _ = machines
    a.write(".memoryhubignore", "*.tmp\n")
    a.client.put("there.tmp", b"x", if_version=0)
    a.write("here.tmp", "x")
    a.sync()
    time.sleep(0.05)  # until nothing is too young to tell
    a.sync()
    a.write("note.md", "new")

    assert status_of(a.root)["differences"] == 1
