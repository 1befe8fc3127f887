"""Slow clients: how many of them may hold threads, and how long a silent one is waited for.

A server thread stands still while its client sends a body or takes an answer. Two things keep that from stopping the
hub: a `Gate` leaves threads free for everybody else, and a `Watch` cuts clients that have fallen silent.
"""

import threading
import time
from dataclasses import dataclass, field

import structlog

from apps.common.errors import Busy
from memoryhub.connections import Connection, connections, cut, give_up_after

logger = structlog.get_logger(__name__)

LONGEST_SILENCE_S = 30.0
SLOWEST_BYTES_PER_S = 256
"""Fewer is silence."""
EARLIER_S, LATER_S = 5.0, 1.0
"""Between a request's last byte in the kernel and in Python there may lie this much, either way."""


class Gate:
    """So many transfers at once, and a short wait for the next."""

    def __init__(self, places: int, *, wait_s: float) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._wait_s = wait_s

    def enter(self) -> None:
        """Take a place. Raises Busy."""
        if not self._places.acquire(timeout=self._wait_s):
            raise Busy("Too many others are sending or receiving; try again.")

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()


@dataclass(slots=True, eq=False)
class Flight:
    """A request between its start and its answer. Times are of `time.monotonic`."""

    peer: str
    started: float = field(default_factory=time.monotonic)
    heard: float = 0.0
    """When its body was last read from."""
    reading_since: float | None = None
    """Since when it has been waiting for more of its body; None while it does not."""

    def __post_init__(self) -> None:
        self.heard = self.started

    def may_have_heard(self, at: float, now: float) -> bool:
        """Whether bytes that arrived `at` that time can be its own."""
        until = now if self.reading_since is not None else self.heard + LATER_S
        return self.started - EARLIER_S <= at <= until


@dataclass(frozen=True, slots=True)
class Mark:
    """How much a connection had received when it was last on time."""

    at: float
    received_bytes: int


class Watch:
    """Cuts connections that keep a body waiting.

    Which connection a waiting body belongs to is not known, so it cuts the silent ones of the same peer that no other
    request of that peer can be on.
    """

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._flights: dict[int, Flight] = {}
        self._marks: dict[int, Mark] = {}
        self._starting = threading.Lock()
        self._port: int | None = None

    def begin(self, peer: str, port: str) -> Flight:
        """A request of `peer` begins, on a server that listens at `port`; on a unix socket there is neither."""
        if self._port is None and peer and port.isdecimal():
            self._start(int(port))
        flight = Flight(peer)
        self._flights[id(flight)] = flight
        return flight

    def end(self, flight: Flight) -> None:
        """Its answer is there."""
        self._flights.pop(id(flight), None)

    def _start(self, port: int) -> None:
        """Not before the first request: a thread does not outlive the fork that makes a worker."""
        with self._starting:
            if self._port is None:
                give_up_after(port, self._silence_s)
                self._port = port
                threading.Thread(target=self._watch, args=(port,), name="slow-clients", daemon=True).start()

    def _watch(self, port: int) -> None:
        pause_s = min(2.0, self._silence_s / 10)
        while True:
            time.sleep(pause_s)
            try:
                self._look(port, pause_s)
            except Exception:
                # Without this thread silent clients would hold theirs for good.
                logger.exception("slow_clients_watch_failed")

    def _look(self, port: int, pause_s: float) -> None:
        now = time.monotonic()
        flights = list(self._flights.values())
        waits = {flight: now - flight.reading_since for flight in flights if flight.reading_since is not None}
        peers = {flight.peer for flight, wait_s in waits.items() if wait_s >= pause_s}
        if not peers:
            self._marks = {}
            return
        present = [connection for connection in connections(port) if connection.peer in peers]
        self._marks = {connection.key: self._mark(connection, now) for connection in present}
        stuck = {flight for flight, wait_s in waits.items() if wait_s >= self._silence_s}
        stuck_peers = {flight.peer for flight in stuck}
        others = [flight for flight in flights if flight not in stuck]
        for connection in present:
            if connection.peer in stuck_peers and self._is_silent(connection, now, others):
                logger.warning("slow_client_cut", peer=connection.peer, silent_s=round(connection.silent_s))
                cut(connection, port)

    def _mark(self, connection: Connection, now: float) -> Mark:
        mark = self._marks.get(connection.key)
        if mark is None:
            return Mark(now - connection.silent_s, connection.received_bytes)
        expected = (now - mark.at) * SLOWEST_BYTES_PER_S
        is_on_time = connection.received_bytes - mark.received_bytes >= expected
        return Mark(now, connection.received_bytes) if is_on_time else mark

    def _is_silent(self, connection: Connection, now: float, others: list[Flight]) -> bool:
        if connection.unsent_bytes or now - self._marks[connection.key].at < self._silence_s:
            return False
        heard = now - connection.silent_s
        return not any(other.peer == connection.peer and other.may_have_heard(heard, now) for other in others)
