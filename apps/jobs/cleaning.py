"""Worker: removes jobs and webhook deliveries that ended long ago, and ends deliveries that nobody brings any more."""

from datetime import datetime
from typing import Any

from apps.jobs import registry, sql
from apps.jobs.actions import DELIVER
from apps.jobs.runs import JobRun

KIND = "jobs.clean"
EVERY_S = 3600.0
DAY_S = 86_400
FINISHED_S = 7 * DAY_S
FAILED_S = 30 * DAY_S
PERIODIC_S = 1 * DAY_S
"""Succeeded runs of periodic kinds: there are many, and each is like the others."""
SETTLE_S = 1 * DAY_S
"""A delivery that waits for longer and has no job is lost. One that a receiver asked to wait still has its job."""
BATCH = 1000


def clean(run: JobRun) -> dict[str, Any]:
    """Everything that is too old, a thousand rows a transaction."""
    jobs = deliveries = settled = 0
    while ended := settle_deliveries():
        settled += ended
        run.check()
    while removed := remove_jobs():
        jobs += removed
        run.progress(jobs + deliveries)
    while removed := remove_deliveries():
        deliveries += removed
        run.progress(jobs + deliveries)
    return {"jobs": jobs, "deliveries": deliveries, "settled": settled}


def remove_jobs(*, now: datetime | None = None) -> int:
    """At most a thousand jobs that ended 7 days ago; failed ones stay 30 days, periodic ones that succeeded one day."""
    periods = sql.as_json({kind.name: kind.every_s for kind in registry.periodic_kinds()})
    return sql.changed(
        sql.DELETE_FINISHED,
        periods=periods,
        failed_s=FAILED_S,
        periodic_s=PERIODIC_S,
        finished_s=FINISHED_S,
        limit=BATCH,
        now=now,
    )


def remove_deliveries(*, now: datetime | None = None) -> int:
    """At most a thousand webhook deliveries that ended 7 days ago."""
    return sql.changed(sql.DELETE_DELIVERIES, age_s=FINISHED_S, limit=BATCH, now=now)


def settle_deliveries(*, now: datetime | None = None) -> int:
    """End at most a thousand webhook deliveries that have waited for a day and have no job any more: they failed."""
    return sql.changed(
        sql.SETTLE_DELIVERIES,
        kind=DELIVER,
        age_s=SETTLE_S,
        limit=BATCH,
        now=now,
        error="its job ended without a result",
    )
