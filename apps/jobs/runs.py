"""One run of a job, as its worker sees it: what to do, whether to go on, and how far it got."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog
from django.db import Error as DatabaseFailure
from django.db import connection

from apps.jobs import leases, registry
from apps.jobs.errors import Cancelled, LeaseLost, Stopping, TimeLimitReached
from apps.jobs.leases import Claim

logger = structlog.get_logger(__name__)

LONGEST_BEAT_S = 5.0
"""How late a run hears of its cancellation at most, and how often it renews its lease at least."""
PROGRESS_EVERY_S = 1.0

stopping = threading.Event()
"""Set when this process is asked to end; runs then give their jobs back."""


@dataclass(slots=True)
class Standing:
    """What the run knows of its own right to go on; written by the heartbeat, read by the worker's thread."""

    lease_ends: float
    """On this machine's monotonic clock, counted from before the database was asked: never too late."""
    is_lost: bool = False
    is_cancelled: bool = False


class JobRun:
    """A claimed job in its worker's hands. Not for sharing between threads, but for `check`."""

    def __init__(self, claim: Claim) -> None:
        started = time.monotonic()
        self.claim = claim
        self._kind = registry.resolve(claim.kind)
        self._standing = Standing(lease_ends=started + self._kind.lease_s)
        self._time_is_up = started + self._kind.time_limit_s
        self._progress_written = float("-inf")
        self._progress: tuple[int, int | None, str] = (0, None, "")
        self._waiting_progress = False

    @property
    def public_id(self) -> UUID:
        return self.claim.public_id

    @property
    def kind(self) -> str:
        return self.claim.kind

    @property
    def subject(self) -> str:
        return self.claim.subject

    @property
    def workspace_id(self) -> int | None:
        return self.claim.workspace_id

    @property
    def actor(self) -> str:
        return self.claim.actor

    @property
    def request_id(self) -> str:
        return self.claim.request_id

    @property
    def attempt(self) -> int:
        """From 1."""
        return self.claim.attempt

    @property
    def is_last_attempt(self) -> bool:
        return self.claim.attempt >= self.claim.max_attempts

    def check(self) -> None:
        """Go on only past this line: call it between steps. Costs nothing; the heartbeat asks the database.

        Raises LeaseLost, Cancelled, TimeLimitReached or Stopping, which the worker lets pass.
        """
        if self._standing.is_lost or time.monotonic() >= self._standing.lease_ends:
            raise LeaseLost
        if self._standing.is_cancelled:
            raise Cancelled
        if time.monotonic() >= self._time_is_up:
            raise TimeLimitReached
        if stopping.is_set():
            raise Stopping

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the run is, and `check`. At most one statement a second, so call it as often as you like.

        Call outside a transaction: inside one nobody would see it.
        """
        self._progress, self._waiting_progress = (done, total, note), True
        if time.monotonic() - self._progress_written >= PROGRESS_EVERY_S:
            self.flush_progress()
        self.check()

    def flush_progress(self) -> None:
        """Write what `progress` last said, if that waits. Raises LeaseLost."""
        if self._waiting_progress:
            asked = time.monotonic()
            is_cancelled = leases.report_progress(self.claim, *self._progress)
            self._progress_written, self._waiting_progress = asked, False
            self._kept(asked, is_cancelled=is_cancelled)

    def hold_fence(self) -> None:
        """From here to the end of the transaction nobody else can take the job. Raises LeaseLost.

        Call inside a transaction, first thing: what it writes then happens once, even if this process was asleep for
        an hour before.
        """
        leases.hold_fence(self.claim)

    def renew(self) -> None:
        """Keep the lease and hear of a cancellation; the heartbeat's work. Raises LeaseLost."""
        asked = time.monotonic()
        self._kept(asked, is_cancelled=leases.renew(self.claim))

    def _kept(self, asked: float, *, is_cancelled: bool) -> None:
        self._standing.lease_ends = asked + self._kind.lease_s
        self._standing.is_cancelled |= is_cancelled

    def heartbeat(self) -> "Heartbeat":
        """A context in which the lease is renewed until the time limit."""
        return Heartbeat(
            self, self._standing, pause_s=min(self._kind.lease_s / 4, LONGEST_BEAT_S), ends=self._time_is_up
        )


class Heartbeat:
    """Renews a run's lease from a thread of its own, on a database connection of its own."""

    def __init__(self, run: JobRun, standing: Standing, *, pause_s: float, ends: float) -> None:
        self._run = run
        self._standing = standing
        self._pause_s = pause_s
        self._ends = ends
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease {run.public_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        # A beat that hangs in the database must not hold up the worker; its fence makes it harmless.
        self._thread.join(timeout=self._pause_s)

    def _beat(self) -> None:
        try:
            # Past the time limit the lease is left to run out: a worker that hangs must lose its job.
            while not self._done.wait(self._pause_s) and time.monotonic() < self._ends:
                try:
                    self._run.renew()
                except LeaseLost:
                    self._standing.is_lost = not self._done.is_set()
                    return
                except DatabaseFailure as error:
                    logger.warning("lease_not_renewed", job_id=str(self._run.public_id), error=type(error).__name__)
                    connection.close()
        finally:
            connection.close()
