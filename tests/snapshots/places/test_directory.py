"""Copies in a directory: only whole objects, whatever is killed, copied on or in the way."""

import errno
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apps.blobs.spooling import SPOOL_PREFIX
from apps.snapshots.places.base import Place
from apps.snapshots.places.directory import LEFT_OVER_AFTER_S
from apps.snapshots.places.errors import DeleteRefused, ObjectExists, ObjectMissing, TargetDenied, TargetUnavailable
from apps.snapshots.places.opening import directory_place
from tests.house.tree import ROOT

KILLS = int(os.environ.get("TEST_KILL_ROUNDS", "20"))
WRITER = """
import hashlib, os, sys
from pathlib import Path
from apps.snapshots.places.opening import directory_place
place = directory_place(Path(sys.argv[1]))
fresh = sys.argv[2] == "fresh"
while True:
    data = os.urandom(4_000_000)
    place.put("packs/" + hashlib.sha256(data).hexdigest(), data, fresh=fresh)
    print("written", flush=True)
"""


def files_of(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "fresh"])
def test_a_writer_that_is_killed_leaves_only_whole_objects_under_their_names(tmp_path: Path, kind: str):
    target = tmp_path / "target"
    acknowledged = 0

    for _ in range(KILLS // 2 or 1):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target), kind], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        time.sleep(random.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        acknowledged += 1 + len(writer.stdout.read().splitlines())
        writer.wait()

    place = directory_place(target)
    names = [entry.name for entry in place.names()]
    hashes = [hashlib.sha256(place.read(name, most_bytes=4_000_000)).hexdigest() for name in names]
    assert [f"packs/{digest}" for digest in hashes] == names
    assert len(names) in range(acknowledged, acknowledged + KILLS + 1)
    # Outside of the folder for what is being written, there is nothing else that rsync could carry on.
    assert [name for name in files_of(target) if not name.startswith(".spool/")] == names


def test_of_many_fresh_writers_one_is_not_told_that_it_came_too_late(directory: Place):
    def write(number: int) -> bool:
        try:
            directory.put("lock", b"%d" % number, fresh=True)
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(write, range(32)))

    assert outcomes.count(True) == 1
    assert directory.read("lock", most_bytes=100) == b"%d" % outcomes.index(True)


@pytest.mark.parametrize("fresh", [False, True])
def test_nobody_else_may_read_and_nothing_else_is_left(directory: Place, tmp_path: Path, fresh: bool):
    directory.put("a/b/one", b"one", fresh=fresh)

    target = tmp_path / "target"
    assert files_of(target) == ["a/b/one"]
    modes = {path.relative_to(target).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*")}
    assert modes == {".spool": 0o700, "a": 0o700, "a/b": 0o700, "a/b/one": 0o600}


def test_a_refused_fresh_write_leaves_nothing(directory: Place, tmp_path: Path):
    directory.put("one", b"the first", fresh=True)

    with pytest.raises(ObjectExists):
        directory.put("one", b"the second", fresh=True)

    assert files_of(tmp_path / "target") == ["one"]


def test_a_file_system_without_hard_links_replaces(directory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "as on exFAT")

    monkeypatch.setattr(os, "link", no_links)
    directory.put("one", b"the first", fresh=True)
    directory.put("one", b"the second", fresh=True)

    assert directory.read("one", most_bytes=100) == b"the second"
    assert files_of(tmp_path / "target") == ["one"]


def test_what_killed_writers_left_goes_after_a_day(directory: Place, tmp_path: Path):
    spool = tmp_path / "target" / ".spool"
    spool.mkdir(parents=True)
    old, young = spool / f"{SPOOL_PREFIX}old", spool / f"{SPOOL_PREFIX}young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, times=(time.time() - LEFT_OVER_AFTER_S - 60,) * 2)

    directory.put("one", b"one")

    assert files_of(tmp_path / "target") == [f".spool/{SPOOL_PREFIX}young", "one"]
    assert [entry.name for entry in directory.names()] == ["one"]


def test_files_that_are_being_written_are_no_objects(directory: Place, tmp_path: Path):
    for name in (".spool/one", f"a/{SPOOL_PREFIX}one"):
        with pytest.raises(ValueError):
            directory.put(name, b"data")
        with pytest.raises(ValueError):
            directory.stat(name)

    (tmp_path / "target/a").mkdir(parents=True)
    (tmp_path / f"target/a/{SPOOL_PREFIX}one").write_bytes(b"half")
    assert list(directory.names()) == []
    assert list(directory.folders()) == []


def test_links_lead_nowhere(directory: Place, tmp_path: Path):
    directory.put("folder/one", b"one")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "target/folder/link").symlink_to(secret)
    (tmp_path / "target/linked").symlink_to(tmp_path)

    assert [entry.name for entry in directory.names()] == ["folder/one"]
    assert list(directory.folders()) == ["folder"]
    assert directory.stat("folder/link") is None
    with pytest.raises(ObjectMissing):
        directory.read("folder/link", most_bytes=100)


def test_files_without_a_proper_name_are_passed_over(directory: Place, tmp_path: Path):
    directory.put("one", b"one")
    (tmp_path / os.fsdecode(b"target/\xff\xfe")).write_bytes(b"not UTF-8")
    (tmp_path / "target/back\\slash").write_bytes(b"no name here")
    os.mkfifo(tmp_path / "target/pipe")

    assert [entry.name for entry in directory.names()] == ["one"]
    with pytest.raises(ObjectMissing):
        directory.read("pipe", most_bytes=100)


def test_a_folder_is_no_object(directory: Place):
    directory.put("folder/one", b"one")

    assert directory.stat("folder") is None
    with pytest.raises(ObjectMissing):
        directory.read("folder", most_bytes=100)
    directory.delete("folder")
    assert [entry.name for entry in directory.names()] == ["folder/one"]


@pytest.mark.parametrize("fresh", [False, True])
def test_a_name_that_is_a_folder_of_others_is_refused(directory: Place, fresh: bool):
    directory.put("folder/one", b"one")

    for name in ("folder", "folder/one/two"):
        with pytest.raises((TargetDenied, ObjectExists)):
            directory.put(name, b"data", fresh=fresh)

    assert [entry.name for entry in directory.names()] == ["folder/one"]


def test_a_disk_that_is_not_mounted_is_away_and_not_an_empty_target(tmp_path: Path):
    place = directory_place(tmp_path / "not mounted" / "target")

    with pytest.raises(TargetUnavailable):
        list(place.names())
    with pytest.raises(TargetUnavailable):
        place.stat("one")
    with pytest.raises(TargetUnavailable):
        place.put("one", b"data")
    assert not (tmp_path / "not mounted").exists()


def test_a_target_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "target").write_bytes(b"a file")
    place = directory_place(tmp_path / "target")

    with pytest.raises(TargetDenied):
        list(place.names())
    with pytest.raises(TargetDenied):
        place.put("one", b"data")
    assert (tmp_path / "target").read_bytes() == b"a file"


def test_a_directory_that_refuses_writes_is_told_as_refusal():
    # Not even root makes a folder or removes a file there.
    with pytest.raises(TargetDenied, match="The target lets nobody write there"):
        directory_place(Path("/sys/kernel")).put("one", b"data")
    with pytest.raises(DeleteRefused, match="The target lets nobody delete there"):
        directory_place(Path("/proc")).delete("version")


def test_a_full_disk_is_told_as_that(directory: Place, monkeypatch: pytest.MonkeyPatch):
    from apps.snapshots.places.errors import TargetFull

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(TargetFull):
            directory.put("one", b"data")

    assert list(directory.names()) == []


def test_an_object_that_is_replaced_while_it_is_read_is_read_to_its_own_end(directory: Place):
    first, second = os.urandom(1_000_000), os.urandom(10)
    directory.put("one", first)

    class Interrupting:
        """Takes the bytes, and replaces the object after the first of them."""

        def __init__(self) -> None:
            self.taken = b""

        def write(self, chunk: bytes) -> int:
            if not self.taken:
                directory.put("one", second)
            self.taken += chunk
            return len(chunk)

    reader = Interrupting()
    assert directory.fetch("one", reader, most_bytes=1_000_000) == 1_000_000
    assert reader.taken == first
    assert directory.read("one", most_bytes=100) == second
