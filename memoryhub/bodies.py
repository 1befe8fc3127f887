"""Request bodies that arrive in time, from no more clients at once than there are threads for.

The time is looked at between reads. One read waits for a silent client for as long as its connection stands (granian,
measured), and leaving it to another thread and going on freezes the whole process (measured too). So a `Watch` ends
the connection, and the read with it.
"""

import time
from collections.abc import Iterator
from typing import Any

from django.http import UnreadablePostError

from memoryhub.transfers import Flight, Gate

SLOWEST_BYTES_PER_S = 64 * 1024
"""A body may take the request time-out, and this much longer for its size."""
PIECE_BYTES = 64 * 1024
"""So little at once that the time is looked at again soon."""


class TimedBody:
    """`wsgi.input` with a deadline; reading past it raises UnreadablePostError, and so does a body that broke off.

    `size_bytes` is the announced length. Reading enters `gate`, which may raise Busy, and leaves it at the end of the
    body or with `close`.
    """

    def __init__(self, stream: Any, flight: Flight, gate: Gate, *, size_bytes: int, timeout_s: float) -> None:
        self._stream = stream
        self._flight = flight
        self._gate = gate
        self._is_inside = False
        self._left = size_bytes
        self._deadline = time.monotonic() + timeout_s + size_bytes / SLOWEST_BYTES_PER_S

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, or all that are left where these are fewer or no size is given."""
        wanted = self._left if size < 0 else min(size, self._left)
        first = self._piece("read", min(wanted, PIECE_BYTES))
        if len(first) == wanted:
            return first
        pieces, wanted = [first], wanted - len(first)
        while wanted:
            piece = self._piece("read", min(wanted, PIECE_BYTES))
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def readline(self, size: int = -1) -> bytes:
        """One line, or its first `size` bytes."""
        return self._piece("readline", self._left if size < 0 else size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """All lines that are left."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def enter(self) -> None:
        """Enter the gate now. Raises Busy."""
        if not self._is_inside:
            self._gate.enter()
            self._is_inside = True

    @property
    def is_unread(self) -> bool:
        """Whether a part is left: the server then ends the connection, which cannot carry another request."""
        return self._left > 0

    def close(self) -> None:
        """Nobody will read on."""
        if self._is_inside:
            self._is_inside = False
            self._gate.leave()

    def _piece(self, method: str, size: int) -> bytes:
        if time.monotonic() > self._deadline:
            raise UnreadablePostError("the body did not arrive in time")
        if not self._left or not size:
            return b""
        self.enter()
        flight = self._flight
        flight.reading_since = time.monotonic()
        try:
            piece = bytes(getattr(self._stream, method)(size))
        finally:
            flight.reading_since = None
            flight.heard = time.monotonic()
        if not piece:
            # Half a form must not pass for a whole one.
            raise UnreadablePostError("the body ended early")
        self._left -= len(piece)
        if not self._left:
            self.close()
        return piece
