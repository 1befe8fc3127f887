"""Relays in front of servers that kill who talks through them at a chosen step.

A step is something that the victim sends, over whichever of the relays: a statement, a request, a part of a body. So it
can be killed before any of them, or when it was done and the answer is on its way.
"""

import os
import signal
import socket
import threading
from contextlib import suppress
from typing import Self

CHUNK_BYTES = 256 * 1024
VICTIM_TIMEOUT_S = 30.0


class Assassin:
    """Counts steps, and kills its victim at one. The relays ask it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = threading.Event()
        self._victim = 0
        self._fatal = 0
        self._before = True
        self.steps = 0

    def aim(self, step: int, *, before: bool) -> None:
        """At the step of this number from now on, before it is done or after; at none for 0."""
        with self._lock:
            self.steps, self._fatal, self._before = 0, step, before
            self._known.clear()

    def name(self, victim: int) -> None:
        """The pid. A step waits until it is known."""
        self._victim = victim
        self._known.set()

    def judge(self) -> str:
        """What becomes of one more step: `go`, `before` or `after`."""
        with self._lock:
            self.steps += 1
            if self.steps != self._fatal:
                return "go"
            return "before" if self._before else "after"

    def kill(self) -> None:
        assert self._known.wait(VICTIM_TIMEOUT_S), "nobody said whom to kill"
        with suppress(ProcessLookupError):
            os.kill(self._victim, signal.SIGKILL)


class StepRelay:
    """Passes bytes on to the server at `address`, the path of a socket or host and port, between `with` and its end."""

    def __init__(self, address: str | tuple[str, int], assassin: Assassin) -> None:
        self._address = address
        self._assassin = assassin
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=_Line(client, self._address, self._assassin).run, daemon=True).start()


class _Line:
    """One connection, and the one behind it."""

    def __init__(self, client: socket.socket, address: str | tuple[str, int], assassin: Assassin) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._client = client
        self._server = socket.socket(family)
        self._server.connect(address)
        for end in (client, self._server):
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._assassin = assassin
        self._is_doomed = False

    def run(self) -> None:
        threading.Thread(target=self._answer, daemon=True).start()
        with suppress(OSError):
            while chunk := self._client.recv(CHUNK_BYTES):
                verdict = "go" if self._is_doomed else self._assassin.judge()
                if verdict == "before":
                    self._assassin.kill()
                    break
                self._is_doomed |= verdict == "after"
                self._server.sendall(chunk)
        self._hang_up()

    def _answer(self) -> None:
        with suppress(OSError):
            while chunk := self._server.recv(CHUNK_BYTES):
                if self._is_doomed:
                    self._assassin.kill()
                    break
                self._client.sendall(chunk)
        self._hang_up()

    def _hang_up(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
