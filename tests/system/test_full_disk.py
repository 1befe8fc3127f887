"""A hub whose disk fills up: it refuses in words, loses nothing, and goes on when there is room again.

The disk is a small tmpfs that is mounted for the test, which takes root.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.hubs import Hub
from tests.system.ledger import Ledger, contradictions
from tests.system.processes import kill, processes_of
from tests.system.writers import Writer

pytestmark = pytest.mark.system

DISK = "320m"
BALLAST_BYTES = 48 * 1024 * 1024
FILL_TIMEOUT_S = 90.0
RECOVERY_TIMEOUT_S = 90.0


class Filler(Writer):
    """New files of one size."""

    failures = {503, 507}

    def __init__(self, hub: Hub, *, size_bytes: int) -> None:
        super().__init__("filler", hub.workspace(), Ledger())
        self._size_bytes = size_bytes

    def step(self) -> bool:
        data = self.content((self._size_bytes, self._size_bytes))
        return self.put(f"{self.name}/{self.number()}.bin", data, headers={"If-None-Match": "*"}) is not None


@pytest.fixture
def small_disk(hub_place: Path) -> Iterator[Path]:
    """A disk of its own that holds little more than an empty hub and a ballast."""
    disk = hub_place / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0711", "tmpfs", disk], check=True)
    yield disk
    kill(*processes_of(disk))
    _unmount(disk)


@pytest.fixture
def free_space(small_disk: Path) -> Callable[[], None]:
    """Takes up room on the disk, and gives it back when called."""
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
    return ballast.unlink


@pytest.fixture
def hub(small_disk: Path) -> Iterator[Hub]:
    hub = Hub(small_disk / "data", outputs=small_disk.parent)
    hub.start("--log-level", "warning")
    yield hub
    hub.stop()


@pytest.mark.parametrize("size_bytes", [1024 * 1024, 60 * 1024], ids=["large files", "small files"])
def test_files_are_refused_and_all_others_can_be_read(
    hub: Hub, free_space: Callable[[], None], size_bytes: int
) -> None:
    filler = Filler(hub, size_bytes=size_bytes)

    with filler.connected():
        _fill(filler, times=40)
        broken_while_full = contradictions(filler.ledger, filler.client)
        probes = {name: filler.client.get(f"{hub.url}/{name}").status_code for name in ("healthz", "health", "readyz")}
        free_space()
        goes_on = _goes_on(filler)
        broken = contradictions(filler.ledger, filler.client)

    assert set(filler.ledger.answers) == {"201", "507 storage_full"}
    assert (broken_while_full, broken) == ([], [])
    assert probes == {"healthz": 200, "health": 200, "readyz": 200}
    assert goes_on
    _assert_sound(hub)


def test_where_the_disk_is_full_to_the_last_byte_no_file_is_lost(
    small_disk: Path, hub: Hub, free_space: Callable[[], None]
) -> None:
    """Without a reserve the database meets the full disk itself: it stops where it cannot write its log."""
    hub.interrupt()
    hub.environment["MEMORYHUB_DISK_RESERVE"] = "0"
    hub.start("--log-level", "warning")
    filler = Filler(hub, size_bytes=60 * 1024)

    with filler.connected():
        _fill(filler, times=40)
        free_space()
        goes_on = _goes_on(filler)
        broken = contradictions(filler.ledger, filler.client)

    assert set(filler.ledger.answers) <= {"201", "507 storage_full", "503 unavailable"}
    assert broken == []
    assert goes_on, hub.said()[-3000:]
    _assert_sound(hub)


def _fill(filler: Writer, *, times: int) -> None:
    """Writes until the hub has refused so often."""
    deadline = time.monotonic() + FILL_TIMEOUT_S
    while filler.ledger.answers["507 storage_full"] + filler.ledger.answers["503 unavailable"] < times:
        assert time.monotonic() < deadline, f"the disk is not full yet: {filler.ledger.answers}"
        filler.step()
    print(f"full: {dict(filler.ledger.answers)}")


def _goes_on(filler: Writer) -> bool:
    """Whether the hub takes files again, without being started anew."""
    began = time.monotonic()
    while time.monotonic() - began < RECOVERY_TIMEOUT_S:
        if filler.step():
            print(f"writes go on after {time.monotonic() - began:.1f} s")
            return True
        time.sleep(0.2)
    return False


def _assert_sound(hub: Hub) -> None:
    ready = httpx.get(f"{hub.url}/readyz", trust_env=False)
    check = hub.command("fsck", "--read-data")
    exit_code = hub.interrupt()
    assert (check.returncode, check.stderr) == (0, ""), check.stdout
    assert ready.status_code == 200, ready.text
    assert exit_code == 0
    assert hub.left_running() == {}


def _unmount(disk: Path) -> None:
    """A process that was just killed may hold it for a moment."""
    for _ in range(50):
        if subprocess.run(["umount", disk], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", disk], check=True)
