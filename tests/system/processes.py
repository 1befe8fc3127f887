"""The processes of a hub, as the kernel lists them. Linux only."""

import os
import signal
import time
from pathlib import Path


def processes_of(data: Path) -> dict[int, str]:
    """Every process that belongs to the hub on `data`, by pid: the supervisor, what it started, and what that started.

    A process belongs to it when its working directory, command line or environment names the data directory or the
    place outside it where its cluster lies: PostgreSQL's backends show only the first.
    """
    places = [os.fsencode(data)]
    record = data / "pg.location"
    if record.is_file():
        places.append(os.fsencode(record.read_text().strip()))
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        pid = int(directory.name)
        if pid != os.getpid() and any(_mentions(text, place) for text in _traces(directory) for place in places):
            found[pid] = " ".join(command_of(pid)).strip()[:200]
    return found


def children_of(pid: int) -> list[int]:
    """The running children of a process, oldest first. Zombies are not among them."""
    children = []
    for directory in Path("/proc").glob("[0-9]*"):
        fields = _read(directory / "stat").rpartition(b") ")[2].split()
        if len(fields) > 1 and int(fields[1]) == pid and fields[0] not in (b"Z", b"X"):
            children.append(int(directory.name))
    return sorted(children)


def command_of(pid: int) -> list[str]:
    """The command line of a process, empty text for one that has ended."""
    return _read(Path(f"/proc/{pid}/cmdline")).decode(errors="replace").split("\0")


def backends_of(postmaster: int) -> list[int]:
    """The PostgreSQL processes that serve a connection."""
    return [pid for pid in children_of(postmaster) if "[local]" in command_of(pid)[0]]


def kill(*pids: int) -> None:
    """SIGKILL; a process that has just ended is no error."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_until_gone(data: Path, *, timeout_s: float) -> dict[int, str]:
    """What is left of the hub's processes when the time is over: nothing, if they end by themselves."""
    deadline = time.monotonic() + timeout_s
    while (left := processes_of(data)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _traces(directory: Path) -> list[bytes]:
    try:
        where = os.fsencode((directory / "cwd").readlink())
    except OSError:
        where = b""
    return [where, *_read(directory / "cmdline").split(b"\0"), *_read(directory / "environ").split(b"\0")]


def _mentions(text: bytes, place: bytes) -> bool:
    """True for the place itself and for paths in it; another hub's directory may begin with the same letters."""
    _before, found, after = text.partition(place)
    return bool(found) and after[:1] in (b"", b"/", b" ", b"?", b"&")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
