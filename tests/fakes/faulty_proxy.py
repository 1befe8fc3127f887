"""A proxy in front of a server, of objects or a hub, that fails as networks and servers do when it is told to."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.server import FakeServer

RST = struct.pack("ii", 1, 0)
"""SO_LINGER with no time left: closing the socket resets the connection."""
HOP_BY_HOP = frozenset({"connection", "keep-alive", "server", "date", "transfer-encoding", "content-length"})


class Fault(StrEnum):
    HANG = "hang"
    """No answer until the proxy ends."""
    STATUS_500 = "500"
    STATUS_503 = "503"
    RESET = "reset"
    """The connection is reset before the server sees the request."""
    RESET_AFTER = "reset after"
    """The server does what it is asked, and the connection is reset instead of its answer."""
    BREAK_OFF = "break off"
    """The connection ends in the middle of the announced body."""
    RESET_MIDWAY = "reset midway"
    """The same, by a reset."""
    SHORTEN = "shorten"
    """An answer in order, with half of the body."""
    DAMAGE = "damage"
    """An answer in order, with one bit of the last byte turned."""


class FaultyProxy(FakeServer):
    """Forwards to the server at `target`. `seen` are the requests, as `PUT /path`."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname, address.port)
        self._fault: Fault | None = None
        self._methods: frozenset[str] = frozenset()
        self._left: int | None = None
        self.meanwhile: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self.ended = threading.Event()
        self.seen: list[str] = []
        super().__init__(type("Handler", (_Handler,), {"proxy": self}))

    def __exit__(self, *failure: object) -> None:
        self.ended.set()
        super().__exit__(*failure)

    @contextmanager
    def failing(
        self,
        fault: Fault,
        *methods: str,
        times: int | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Iterator[None]:
        """Inside, requests of these methods (all without any) meet the fault: each, or only the first `times`.

        `meanwhile` is called when the server has done what it was asked, and its answer is not yet lost.
        """
        with self._lock:
            self._fault, self._methods, self._left = fault, frozenset(methods), times
            self.meanwhile = meanwhile
        try:
            yield
        finally:
            with self._lock:
                self._fault = None

    def fault_of(self, method: str) -> Fault | None:
        """What this request meets."""
        with self._lock:
            is_meant = not self._methods or method in self._methods
            if self._fault is None or not is_meant or self._left == 0:
                return None
            if self._left is not None:
                self._left -= 1
            return self._fault

    def forwarded(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self._target, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in ("expect", "connection")}
            connection.request(method, path, body, kept)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        fault = self.proxy.fault_of(self.command)
        self.proxy.seen.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault is Fault.HANG:
            self.proxy.ended.wait(60)
        if fault in (Fault.HANG, Fault.RESET):
            return self._reset()
        if fault in (Fault.STATUS_500, Fault.STATUS_503):
            return self._refuse(int(fault))
        status, headers, content = self.proxy.forwarded(self.command, self.path, body, self.headers)
        if fault is not None:
            self.proxy.meanwhile()
        if fault is Fault.RESET_AFTER:
            return self._reset()
        return self._answer(fault, status, headers, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names that the class looks for

    def _answer(self, fault: Fault | None, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(content)))
        if fault is Fault.SHORTEN:
            content = content[: len(content) // 2]
            length = str(len(content))
        if fault is Fault.DAMAGE and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if fault in (Fault.BREAK_OFF, Fault.RESET_MIDWAY):
            self.wfile.write(content[: len(content) * 3 // 4])
            return self._reset() if fault is Fault.RESET_MIDWAY else self._close()
        if self.command != "HEAD":
            self.wfile.write(content)
        return None

    def _refuse(self, status: int) -> None:
        code = {500: "InternalError", 503: "SlowDown"}[status]
        content = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        self._close()

    def _close(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def log_message(self, *arguments: Any) -> None:
        """Silence."""
