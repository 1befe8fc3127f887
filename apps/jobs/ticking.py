"""What the scheduler does every few seconds. Two at once, or none for an hour, lose nothing and start nothing twice."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import Error as DatabaseFailure
from django.db import connection, transaction

from apps.jobs import actions, bell, leases, registry, sql

logger = structlog.get_logger(__name__)

MOST_WAITING = 200
"""Bells that may wait in the broker. Ringing goes on while jobs wait, and must not fill it up behind busy workers."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one tick did; `rung` is None when the broker is away."""

    reclaimed: int
    enqueued: list[str]
    rung: int | None


def tick(*, now: datetime | None = None) -> Ticked | None:
    """Take jobs from dead workers, queue periodic kinds, ring for what is due. None when the database is away."""
    try:
        enqueued = enqueue_periodic(now=now)
        reclaimed = leases.reclaim_lost(now=now)
        rung = ring_due(now=now)
    except DatabaseFailure as error:
        logger.warning("tick_failed", error=type(error).__name__)
        connection.close_if_unusable_or_obsolete()
        return None
    if reclaimed:
        logger.warning("jobs_reclaimed", count=reclaimed)
    return Ticked(reclaimed, enqueued, rung)


def enqueue_periodic(*, now: datetime | None = None) -> list[str]:
    """Queue the periodic kinds whose time has come, each at most once however many ticks run; their names.

    A kind whose last job still waits or runs is left alone; after a pause of any length it runs once.
    """
    periods = sql.as_json({kind.name: kind.every_s for kind in registry.periodic_kinds()})
    with transaction.atomic():
        # Its row lock makes a second tick wait here and then see the jobs that this one made.
        sql.changed(sql.RECORD_TICK, now=now)
        due = [row[0] for row in sql.many(sql.DUE_KINDS, periods=periods, now=now)]
        for kind in due:
            actions.enqueue(kind, "", actor="system", request_id="", now=now)
    return due


def ring_due(*, now: datetime | None = None) -> int | None:
    """Ring for the jobs that are due and not claimed, as far as the broker is not full of bells; how many.

    None when the broker is away.
    """
    waiting = bell.waiting()
    if waiting is None:
        return None
    room = max(0, MOST_WAITING - waiting)
    due = sql.many(sql.DUE_JOBS, limit=room, now=now) if room else []
    rung = 0
    for (job_id,) in due:
        if not bell.ring(job_id):
            return None
        rung += 1
    return rung
