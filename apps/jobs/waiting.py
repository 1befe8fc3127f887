"""Waiting inside a request for work that was just asked for. Bounded: a request is no place for long work."""

import threading
import time

import structlog
from django.db import connections

from apps.jobs.models import OPEN_STATES, Job, JobState
from apps.jobs.queries import open_job
from apps.jobs.running import run_job

MOST_WAITING = 6
"""Callers at once in this process, so that most of its threads stay free for those who do not wait."""
HELP_AFTER_S = 1.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.25

logger = structlog.get_logger(__name__)
_places = threading.BoundedSemaphore(MOST_WAITING)


def awaited(kind: str, subject: str, *, within_s: float) -> Job | None:
    """The newest job of this work when it has ended, was put back after a failure, or the time is over.

    Where no worker has taken it within a second, a thread of this process does, and goes on with it after the time is
    over. When too many wait already it is the job as it is. None where nobody ever asked. Not inside a transaction.
    """
    deadline = time.monotonic() + within_s
    job = open_job(kind, subject) or _newest(kind, subject)
    if job is None or not _places.acquire(blocking=False):
        return job
    try:
        return _watched(job, deadline)
    finally:
        _places.release()


def has_stopped(job: Job) -> bool:
    """Whether nobody works on it: it ended, or waits after a failure."""
    return job.state not in OPEN_STATES or _was_put_back(job)


def _was_put_back(job: Job) -> bool:
    return job.state == JobState.QUEUED and bool(job.error_code)


def _watched(job: Job, deadline: float) -> Job:
    pause_s, help_at = SHORTEST_PAUSE_S, time.monotonic() + HELP_AFTER_S
    while True:
        now = time.monotonic()
        if has_stopped(job) or now >= deadline:
            return job
        if now >= help_at:
            if job.state == JobState.QUEUED:
                threading.Thread(target=_help, args=[job.pk], name=f"job {job.public_id}", daemon=True).start()
            help_at = deadline
        time.sleep(min(pause_s, max(deadline - now, 0.0)))
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
        job.refresh_from_db()


def _newest(kind: str, subject: str) -> Job | None:
    """Read from the end of the table, which is where work of this moment lies."""
    return Job.objects.filter(kind=kind, subject=subject).order_by("-id").first()


def _help(job_id: int) -> None:
    """Runs the job, unless a worker has taken it meanwhile. Killed with the process, its lease runs out."""
    try:
        run_job(job_id)
    except Exception as error:  # noqa: BLE001 - the end of a thread that nobody joins; the job's lease runs out
        logger.warning("job_help_ended", job=job_id, error=type(error).__name__)
    finally:
        connections.close_all()
