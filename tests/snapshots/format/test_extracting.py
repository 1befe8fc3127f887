"""Files of a copy come into a directory whole, and nowhere else."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from apps.common.errors import NotFound
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.extracting import PARTS_PREFIX, CannotExtract, Extracted, extract
from apps.snapshots.format.manifests import Entry
from apps.snapshots.format.names import PACKS
from apps.snapshots.format.reading import CopyReader, Seals
from tests.services import ROOT
from tests.snapshots.format.writing import (
    CHANGED_AT,
    FILES,
    MASTERS,
    SEALS,
    Content,
    data_of,
    folder_of,
    write_copy,
)


def reader_of(folder: Path, files: dict[str, Content] | None = None, **options: int) -> CopyReader:
    place = write_copy(folder, files=FILES if files is None else files, **options)  # type: ignore[arg-type]
    return CopyReader(place, "first", Seals(place, MASTERS))


def texts(*paths: str) -> dict[str, Content]:
    return {path: Content(path.encode()) for path in paths}


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "out" / "files"


@pytest.mark.parametrize("kind", SEALS)
def test_all_files_are_written_with_their_times(tmp_path: Path, to: Path, kind: str) -> None:
    place = write_copy(tmp_path / "copies", seal=SEALS[kind])
    told: list[tuple[str, str]] = []

    with CopyReader(place, "first", Seals(place, MASTERS)) as reader:
        done = extract(reader, to, tell=lambda entry, problem: told.append((entry.path, problem)))

    assert done == Extracted(4, 1508, 0)
    assert folder_of(to) == data_of(FILES)
    assert sorted(told) == [(path, "") for path in sorted(FILES)]
    assert (to / "a.md").stat().st_mtime_ns == CHANGED_AT * 1_000_000
    assert (to / "notes/b.md").stat().st_mtime == -86_400
    assert sorted(path.name for path in to.iterdir()) == ["a.md", "empty", "notes"]


def test_files_have_the_rights_that_new_files_have(tmp_path: Path, to: Path) -> None:
    new = tmp_path / "new"
    new.touch()

    with reader_of(tmp_path / "copies") as reader:
        extract(reader, to)

    assert (to / "a.md").stat().st_mode == new.stat().st_mode


def test_an_empty_directory_is_taken(tmp_path: Path, to: Path) -> None:
    to.mkdir(parents=True)

    with reader_of(tmp_path / "copies") as reader:
        assert extract(reader, to).files == 4


def test_an_empty_copy_makes_an_empty_directory(tmp_path: Path, to: Path) -> None:
    with reader_of(tmp_path / "copies", {}) as reader:
        assert extract(reader, to) == Extracted(0, 0, 0)

    assert list(to.iterdir()) == []


def test_a_part_keeps_its_whole_path(tmp_path: Path, to: Path) -> None:
    with reader_of(tmp_path / "copies") as reader:
        done = extract(reader, to, prefix="notes/")

    assert done == Extracted(2, 1505, 0)
    assert sorted(folder_of(to)) == ["notes/b.md", "notes/c.md"]


def test_a_part_that_is_not_there_is_said_before_anything_is_made(tmp_path: Path, to: Path) -> None:
    with reader_of(tmp_path / "copies") as reader, pytest.raises(NotFound):
        extract(reader, to, prefix="other/")

    assert not to.exists()


def test_a_directory_with_anything_in_it_is_refused_and_stays(tmp_path: Path, to: Path) -> None:
    to.mkdir(parents=True)
    (to / ".hidden").write_text("mine")

    with reader_of(tmp_path / "copies") as reader, pytest.raises(CannotExtract):
        extract(reader, to)

    assert folder_of(to) == {".hidden": b"mine"}


def test_a_file_in_the_directorys_place_is_refused_and_stays(tmp_path: Path, to: Path) -> None:
    to.parent.mkdir()
    to.write_text("mine")

    with reader_of(tmp_path / "copies") as reader, pytest.raises(CannotExtract):
        extract(reader, to)

    assert to.read_text() == "mine"


def test_overwriting_replaces_files_of_the_same_name_and_no_others(tmp_path: Path, to: Path) -> None:
    to.mkdir(parents=True)
    (to / "a.md").write_text("another one that is longer")
    (to / "mine.md").write_text("mine")

    with reader_of(tmp_path / "copies") as reader:
        done = extract(reader, to, overwrite=True)

    assert done.files == 4
    assert folder_of(to) == data_of(FILES) | {"mine.md": b"mine"}


def test_overwriting_twice_is_the_same(tmp_path: Path, to: Path) -> None:
    with reader_of(tmp_path / "copies") as reader:
        extract(reader, to)
        again = extract(reader, to, overwrite=True)

    assert again == Extracted(4, 1508, 0)
    assert folder_of(to) == data_of(FILES)


def test_two_files_that_are_one_to_the_file_system_do_not_replace_each_other(tmp_path: Path, to: Path) -> None:
    """As where `A.md` and `a.md` are one name: what stands there was written since the extraction began."""
    told: dict[str, str] = {}

    def hear(entry: Entry, problem: str) -> None:
        told[entry.path] = problem
        if entry.path == "a.md":
            (to / "notes").mkdir()
            (to / "notes/b.md").write_bytes(b"written as notes/B.md")

    with reader_of(tmp_path / "copies") as reader:
        done = extract(reader, to, keep_going=True, tell=hear)

    assert (done.files, done.problems) == (3, 1)
    assert told["notes/b.md"] == "this file system takes its name for that of another file"
    assert (to / "notes/b.md").read_bytes() == b"written as notes/B.md"


# --- Links and things in the way


def test_links_in_the_directory_lead_nowhere(tmp_path: Path, to: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.md").write_text("not yours")
    to.mkdir(parents=True)
    (to / "notes").symlink_to(outside)
    (to / "a.md").symlink_to(outside / "b.md")
    told: dict[str, str] = {}

    with reader_of(tmp_path / "copies") as reader:
        done = extract(reader, to, overwrite=True, keep_going=True, tell=lambda e, p: told.update({e.path: p}))

    assert (done.files, done.problems) == (2, 2)
    assert folder_of(outside) == {"b.md": b"not yours"}
    assert told["notes/b.md"] == told["notes/c.md"] == "a file or a link has the name of one of its folders"
    assert not (to / "a.md").is_symlink()
    assert (to / "a.md").read_bytes() == b"one"


def test_a_file_called_as_anothers_folder_is_left_out(tmp_path: Path, to: Path) -> None:
    told: dict[str, str] = {}

    with reader_of(tmp_path / "copies", texts("a", "a/b", "c", "d/e")) as reader:
        done = extract(reader, to, keep_going=True, tell=lambda entry, problem: told.update({entry.path: problem}))

    assert (done.files, done.problems) == (3, 1)
    assert told == {"a": "", "a/b": "a file or a link has the name of one of its folders", "c": "", "d/e": ""}
    assert sorted(folder_of(to)) == ["a", "c", "d/e"]


def test_a_folder_with_a_files_name_stays(tmp_path: Path, to: Path) -> None:
    (to / "a.md").mkdir(parents=True)

    with reader_of(tmp_path / "copies") as reader, pytest.raises(CannotExtract) as refusal:
        extract(reader, to, overwrite=True)

    assert refusal.value.detail == "a.md: a folder has its name"
    assert (to / "a.md").is_dir()


def test_what_comes_after_a_file_in_the_way_lies_where_it_should(tmp_path: Path, to: Path) -> None:
    to.mkdir(parents=True)
    (to / "a").mkdir()
    (to / "a/b").write_text("in the way")
    told: dict[str, str] = {}

    with reader_of(tmp_path / "copies", texts("a/b/c", "x", "y/z")) as reader:
        extract(
            reader, to, overwrite=True, keep_going=True, tell=lambda entry, problem: told.update({entry.path: problem})
        )

    assert folder_of(to) == {"a/b": b"in the way", "x": b"x", "y/z": b"y/z"}


class Twins:
    """Files that a file system which ignores case would take for one: here they have one name."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for _ in range(2):
            yield Entry("twin", bytes(32), 3, "text/plain", 0, ())

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        for number, entry in enumerate(entries):
            yield entry, iter([b"one" if number == 0 else b"two"])


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_never_replaces_another_one_of_the_same_copy(to: Path, overwrite: bool) -> None:
    to.mkdir(parents=True)

    done = extract(Twins(), to, overwrite=overwrite, keep_going=True)

    assert (done.files, done.problems) == (1, 1)
    assert folder_of(to) == {"twin": b"one"}


def test_a_deep_path_takes_few_handles(tmp_path: Path, to: Path) -> None:
    deep = "/".join("d" * 340) + "/end"

    with reader_of(tmp_path / "copies", texts(deep, "x")) as reader:
        extract(reader, to)
    handles = len([*Path("/proc/self/fd").iterdir()])

    with reader_of(tmp_path / "more", texts(deep, "x")) as reader:
        extract(reader, to, overwrite=True)

    assert len([*Path("/proc/self/fd").iterdir()]) == handles
    assert folder_of(to) == data_of(texts(deep, "x"))


# --- Damage


def damage_first_pack(folder: Path, reader: CopyReader) -> None:
    digest = reader.packs[0].digest.hex()
    path = folder / PACKS / digest[:2] / digest
    path.write_bytes(path.read_bytes()[:-1])


def test_damage_stops_it_and_leaves_nothing_half_written(tmp_path: Path, to: Path) -> None:
    with reader_of(tmp_path / "copies", texts("a", "b", "c"), files_a_pack=1) as reader:
        damage_first_pack(tmp_path / "copies", reader)
        with pytest.raises(CopyDamaged) as refusal:
            extract(reader, to)

    assert refusal.value.detail == "a: A pack does not have its sha256."
    assert folder_of(to) == {}
    assert list(to.iterdir()) == []


def test_damage_can_be_left_out(tmp_path: Path, to: Path) -> None:
    told: dict[str, str] = {}

    with reader_of(tmp_path / "copies", texts("a", "b", "c"), files_a_pack=1) as reader:
        damage_first_pack(tmp_path / "copies", reader)
        done = extract(reader, to, keep_going=True, tell=lambda entry, problem: told.update({entry.path: problem}))

    assert done == Extracted(2, 2, 1)
    assert told == {"a": "A pack does not have its sha256.", "b": "", "c": ""}
    assert folder_of(to) == {"b": b"b", "c": b"c"}


def test_a_damaged_file_does_not_replace_the_one_that_is_there(tmp_path: Path, to: Path) -> None:
    with reader_of(tmp_path / "copies", texts("a")) as reader:
        extract(reader, to)
    with reader_of(tmp_path / "more", texts("a")) as reader:
        damage_first_pack(tmp_path / "more", reader)
        extract(reader, to, overwrite=True, keep_going=True)

    assert folder_of(to) == {"a": b"a"}


# --- Room


class Endless:
    """Says that it has more than any disk."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        yield Entry("large", bytes(32), 1 << 60, "text/plain", 0, ())

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        raise AssertionError("nothing is read")


def test_missing_room_is_said_before_anything_is_made(to: Path) -> None:
    with pytest.raises(CannotExtract) as refusal:
        extract(Endless(), to)

    assert refusal.value.detail.startswith(f"The files need {1 << 60} bytes")
    assert not to.exists()


class FillingUp:
    """The disk has no room for the second of its files, as when others write to it too."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for path in ("first", "second", "third"):
            yield Entry(path, bytes(32), 5, "text/plain", 0, ())

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        for entry in entries:
            yield entry, iter([b"whole"]) if entry.path == "first" else self._no_room()

    @staticmethod
    def _no_room() -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_full_disk_stops_it_and_leaves_whole_files_only(to: Path, keep_going: bool) -> None:
    with pytest.raises(CannotExtract) as refusal:
        extract(FillingUp(), to, keep_going=keep_going)

    assert refusal.value.detail == f"There is no room left in {to}: 1 of 3 files are there."
    assert folder_of(to) == {"first": b"whole"}
    assert [path.name for path in to.iterdir()] == ["first"]


def test_a_run_that_was_killed_leaves_whole_files_and_one_folder_of_its_own(tmp_path: Path, to: Path) -> None:
    script = (
        "import os, pathlib, sys; from tests.snapshots.format.test_extracting import Killed;"
        "from apps.snapshots.format.extracting import extract; extract(Killed(), pathlib.Path(sys.argv[1]))"
    )

    done = subprocess.run([sys.executable, "-c", script, to], cwd=ROOT, check=False)

    assert done.returncode == -signal.SIGKILL
    first, *others = sorted(folder_of(to))
    assert others == ["first"]
    assert first.startswith(PARTS_PREFIX)
    assert (to / "first").read_bytes() == b"whole"


class Killed(FillingUp):
    @staticmethod
    def _no_room() -> Iterator[bytes]:
        yield b"half"
        os.kill(os.getpid(), signal.SIGKILL)
