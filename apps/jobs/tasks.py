"""The only two Celery tasks. A message says no more than "look": what to do stands in the database."""

import threading
from typing import Any

import structlog
from celery import shared_task
from celery.signals import celeryd_after_setup, worker_shutting_down
from django.db import Error as DatabaseFailure
from django.db import connection

from apps.common.memory import return_large_blocks
from apps.jobs import running, runs, ticking

logger = structlog.get_logger(__name__)


class Slots:
    """How many jobs this process runs at once: one fewer than it has threads, so that `tick` always finds one."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)

    def take(self) -> bool:
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()


_slots = Slots(1)


@shared_task(name="apps.jobs.tasks.run_job", ignore_result=True, acks_late=True)
def run_job(job_id: int) -> None:
    """Run this job, then whatever else is due. With all slots taken it ends at once: who holds one looks again."""
    slots = _slots
    if not slots.take():
        return
    try:
        running.run_job(job_id)
        running.run_due()
    except DatabaseFailure as error:
        # Nothing was claimed, or the lease will run out; the next tick rings again.
        logger.warning("jobs_not_run", error=type(error).__name__)
        connection.close_if_unusable_or_obsolete()
    finally:
        slots.give_back()


@shared_task(name="apps.jobs.tasks.tick", ignore_result=True, acks_late=True)
def tick() -> None:
    """Look after jobs that nobody looks after."""
    ticking.tick()


@celeryd_after_setup.connect
def keep_small(**_: Any) -> None:
    """Before the worker starts: what its jobs have used, they give back."""
    return_large_blocks()


@celeryd_after_setup.connect
def size_slots(instance: Any, **_: Any) -> None:
    """Before the worker starts: as many slots as its pool has threads, less one."""
    global _slots  # noqa: PLW0603 - one pool for the process
    _slots = Slots(max(1, int(instance.concurrency) - 1))


@worker_shutting_down.connect
def stop_runs(**_: Any) -> None:
    """At SIGTERM: running jobs give themselves back at their next check, so that the process can end soon.

    With the prefork pool this reaches the parent only; there a job that outlives the grace time loses its lease.
    """
    runs.stopping.set()
