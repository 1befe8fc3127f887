"""Claiming, keeping and ending jobs. Every write is conditional on the fence: a worker that lost it writes nothing."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from apps.jobs import actions, registry, sql
from apps.jobs.errors import LeaseLost
from apps.jobs.models import Job, JobState


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in the hands of one worker, as it was when claimed. `attempt` counts from 1."""

    job_id: int
    public_id: UUID
    kind: str
    subject: str
    workspace_id: int | None
    fence: int
    attempt: int
    max_attempts: int
    actor: str
    request_id: str

    @property
    def lease_s(self) -> float:
        return registry.resolve(self.kind).lease_s


def claim(job_id: int, *, now: datetime | None = None) -> Claim | None:
    """Take the job, if it is queued, due and of a known kind. Of any number of callers at once, one gets it."""
    row = sql.one(sql.CLAIM, id=job_id, leases=_leases(), now=now)
    return Claim(*row) if row else None


def claim_next(*, now: datetime | None = None) -> Claim | None:
    """Take the job that has been due for longest, passing by those that others are just taking."""
    row = sql.one(sql.CLAIM_NEXT, leases=_leases(), now=now)
    return Claim(*row) if row else None


def renew(held: Claim, *, now: datetime | None = None) -> bool:
    """Keep the job for another lease. True when somebody asked to cancel it. Raises LeaseLost."""
    return _kept(sql.one(sql.RENEW, **_mine(held, now), lease_s=held.lease_s))


def report_progress(held: Claim, done: int, total: int | None, note: str, *, now: datetime | None = None) -> bool:
    """Write progress and renew the lease. True when somebody asked to cancel the job. Raises LeaseLost."""
    values = _mine(held, now) | {"lease_s": held.lease_s, "done": done, "total": total, "note": note[:200]}
    return _kept(sql.one(sql.PROGRESS, **values))


def hold_fence(held: Claim) -> None:
    """Keep everybody else from taking the job until the transaction ends. Raises LeaseLost.

    Call inside a transaction.
    """
    _kept(sql.one(sql.HOLD_FENCE, **_mine(held, None)))


def finish(
    held: Claim,
    state: JobState,
    *,
    result: dict[str, Any] | None = None,
    code: str = "",
    detail: str = "",
    now: datetime | None = None,
) -> None:
    """End the job. Raises LeaseLost, and then nothing is written.

    What was asked for while it ran is queued as a job of its own; a failure is told to the workspace's webhooks.
    """
    encoded = None if result is None else json.dumps(result, cls=DjangoJSONEncoder)
    with transaction.atomic():
        _kept(sql.one(sql.FINISH, **_mine(held, now), state=str(state), result=encoded, code=code, detail=detail))
        after_end(Job.objects.get(pk=held.job_id), now=now)


def put_back(held: Claim, *, delay_s: float, code: str, detail: str, now: datetime | None = None) -> None:
    """Queue the job for a later attempt, or end it where somebody asked to cancel it. Raises LeaseLost."""
    values = _mine(held, now) | {"delay_s": delay_s, "code": code, "detail": detail, "uncounted": 0}
    if sql.one(sql.PUT_BACK, **values) is None:
        finish(held, JobState.CANCELLED, now=now)


def release(held: Claim, *, now: datetime | None = None) -> None:
    """Give the job back at once, as if it had not been tried: the worker, not the work, is at its end.

    Raises LeaseLost.
    """
    values = _mine(held, now) | {"delay_s": 0.0, "code": "", "detail": "", "uncounted": 1}
    if sql.one(sql.PUT_BACK, **values) is None:
        finish(held, JobState.CANCELLED, now=now)
    else:
        actions.ring_on_commit(held.job_id)


def reclaim_lost(*, now: datetime | None = None) -> int:
    """Take at most 200 jobs from workers that fell silent, and say how many. Safe beside itself."""
    with transaction.atomic():
        lost = [row[0] for row in sql.many(sql.RECLAIM, now=now)]
        for job in Job.objects.filter(pk__in=lost).exclude(state=JobState.QUEUED).order_by("pk"):
            after_end(job, now=now)
    return len(lost)


def after_end(job: Job, *, now: datetime | None = None) -> None:
    """What follows the end of a job, whoever ended it. Call inside the transaction that ended it."""
    if job.rerun_at is not None:
        actions.enqueue(
            job.kind,
            job.subject,
            workspace_id=job.workspace_id,
            run_at=job.rerun_at,
            actor=job.rerun_actor,
            request_id=job.rerun_request_id,
            now=now,
        )
    if job.state == JobState.FAILED and job.workspace_id is not None:
        actions.emit_job_failed(job)


def _mine(held: Claim, now: datetime | None) -> dict[str, Any]:
    return {"id": held.job_id, "fence": held.fence, "now": now}


def _kept(row: tuple[Any, ...] | None) -> bool:
    if row is None:
        raise LeaseLost
    return bool(row[0])


def _leases() -> str:
    return sql.as_json({kind.name: kind.lease_s for kind in registry.kinds()})
