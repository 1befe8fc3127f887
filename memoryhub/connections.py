"""The TCP connections that this process serves, as the kernel sees them. Linux; elsewhere there are none to see.

A WSGI server tells its application a peer's address and no port, so which connection carries which request is not
known.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from memoryhub.proxies import parsed_address

LAST_DATA_RECEIVED_MS = 52
BYTES_RECEIVED = 128
BYTES_UNSENT = 144
INFO_SIZE = 148
"""Places in `struct tcp_info`. Source: linux/tcp.h; fields are only ever added behind these."""

KEEPALIVE_PROBES = 3


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection at one moment. `key` is its own for as long as it stands."""

    fd: int
    key: int
    peer: str
    silent_s: float
    received_bytes: int
    unsent_bytes: int


def connections(port: int) -> list[Connection]:
    """The connections that came in at `port`."""
    found = []
    for fd in _descriptors():
        with _tcp_socket(fd, port) as sock:
            if sock is not None and (connection := _looked_at(fd, sock)) is not None:
                found.append(connection)
    return found


def cut(connection: Connection, port: int) -> None:
    """End it in both directions; whoever reads from it sees its end. Nothing happens when it is gone already."""
    with _tcp_socket(connection.fd, port) as sock, suppress(OSError):
        # The number may stand for another connection by now.
        if sock is not None and os.fstat(sock.fileno()).st_ino == connection.key:
            sock.shutdown(socket.SHUT_RDWR)


def give_up_after(port: int, seconds: float) -> None:
    """Have the kernel end connections whose peer vanished, or takes nothing of an answer, for that long.

    Those that come later inherit it from the listening socket.
    """
    options = [
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", max(1, round(seconds))),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", max(1, round(seconds / KEEPALIVE_PROBES))),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", KEEPALIVE_PROBES),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", round(seconds * 1000)),
    ]
    for fd in _descriptors():
        with _tcp_socket(fd, port) as sock, suppress(OSError):
            if sock is not None:
                for level, name, value in options:
                    sock.setsockopt(level, getattr(socket, name), value)


def _descriptors() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except OSError:
        return []


@contextmanager
def _tcp_socket(fd: int, port: int) -> Iterator[socket.socket | None]:
    """A second handle on the socket `fd`, or None when it is no TCP socket of that local port."""
    try:
        copy = os.dup(fd)
    except OSError:
        yield None
        return
    try:
        sock = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        yield None
        return
    with sock:
        yield sock if _is_local(sock, port) else None


def _is_local(sock: socket.socket, port: int) -> bool:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        return False
    try:
        return bool(sock.getsockname()[1] == port)
    except OSError:
        return False


def _looked_at(fd: int, sock: socket.socket) -> Connection | None:
    try:
        peer = plain_address(sock.getpeername()[0])
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        key = os.fstat(sock.fileno()).st_ino
    except OSError:
        return None
    if len(info) < INFO_SIZE:
        return None
    [silent_ms] = struct.unpack_from("=I", info, LAST_DATA_RECEIVED_MS)
    [received] = struct.unpack_from("=Q", info, BYTES_RECEIVED)
    [unsent] = struct.unpack_from("=I", info, BYTES_UNSENT)
    return Connection(fd, key, peer, silent_ms / 1000, received, unsent)


@lru_cache(maxsize=4096)
def plain_address(text: str) -> str:
    """One spelling for each address, without the zone of a link-local one."""
    return str(parsed_address(text.partition("%")[0]) or text)
