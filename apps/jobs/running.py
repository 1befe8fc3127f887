"""Runs jobs: claim, call the worker, write down how it ended. May be killed anywhere; `tick` then takes over."""

import json
import logging
import random
import traceback
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError, connection
from structlog.contextvars import bound_contextvars

from apps.common.errors import DomainError, Unavailable
from apps.common.http import Permanent, Transient
from apps.common.secrets import scrubbed
from apps.jobs import leases, registry
from apps.jobs.backoff import backoff_s
from apps.jobs.errors import Cancelled, LeaseLost, Stopping, TimeLimitReached
from apps.jobs.leases import Claim
from apps.jobs.models import JobState
from apps.jobs.runs import JobRun, stopping

logger = structlog.get_logger(__name__)

MOST_IN_A_ROW = 1000
LONGEST_DETAIL = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `word` is succeeded, failed, cancelled, retry, released or lost."""

    word: str
    result: dict[str, Any] | None = None
    code: str = ""
    detail: str = ""
    asked_s: float = 0.0

    @property
    def is_idle(self) -> bool:
        """It went well and there was nothing to do: all that the worker counted is zero."""
        return self.word == "succeeded" and not any((self.result or {}).values())


def run_job(job_id: int) -> str | None:
    """Run the job if it can be claimed; the outcome's word, or None when there was nothing to do."""
    claim = leases.claim(job_id)
    return None if claim is None else run_claimed(claim)


def run_due() -> int:
    """Run due jobs one after another until none waits, at most a thousand, and say how many."""
    for count in range(MOST_IN_A_ROW):
        claim = None if stopping.is_set() else leases.claim_next()
        if claim is None:
            return count
        run_claimed(claim)
    return MOST_IN_A_ROW


def run_claimed(claim: Claim, *, now: datetime | None = None, chance: float | None = None) -> str:
    """Call the worker and write down the outcome, unless the lease was lost. The outcome's word.

    `now` and `chance` are for tests of the waiting times.
    """
    run = JobRun(claim)
    with bound_contextvars(job_id=str(claim.public_id), job_kind=claim.kind, request_id=claim.request_id):
        is_periodic = registry.resolve(claim.kind).every_s is not None and claim.subject == ""
        logger.log(logging.DEBUG if is_periodic else logging.INFO, "job_started", attempt=claim.attempt)
        with run.heartbeat():
            outcome = _called(run)
            try:
                outcome = _written(claim, outcome, now=now, chance=random.random() if chance is None else chance)  # noqa: S311
            except LeaseLost:
                outcome = Outcome("lost")
            except DatabaseFailure as error:
                # The lease runs out and the work is done again: it is made for that.
                logger.warning("job_not_recorded", outcome=outcome.word, error=type(error).__name__)
                outcome = Outcome("lost")
                connection.close_if_unusable_or_obsolete()
        # Planners that found nothing to plan come many times a minute, and would hide all other lines.
        level = logging.DEBUG if is_periodic and outcome.is_idle else logging.INFO
        logger.log(level, "job_ended", outcome=outcome.word, code=outcome.code)
    return outcome.word


def _called(run: JobRun) -> Outcome:
    """The worker's outcome. What it raises stops here, except what ends the process: then the job is released."""
    try:
        result = registry.resolve(run.kind).worker(run)
        json.dumps(result, cls=DjangoJSONEncoder)
        run.flush_progress()
        outcome = Outcome("succeeded", result=result)
    except LeaseLost:
        outcome = Outcome("lost")
    except Cancelled:
        outcome = Outcome("cancelled")
    except Stopping:
        outcome = Outcome("released")
    except TimeLimitReached:
        outcome = Outcome("retry", code="time_limit", detail="The run took longer than its kind allows.")
    except Transient as error:
        outcome = Outcome("retry", code="transient", detail=error.detail, asked_s=error.retry_after_s or 0.0)
    except Permanent as error:
        outcome = Outcome("failed", code="permanent", detail=error.detail)
    except Unavailable as error:
        outcome = Outcome("retry", code=error.code, detail=error.detail or error.title)
    except DomainError as error:
        outcome = Outcome("failed", code=error.code, detail=error.detail or error.title)
    except (OperationalError, InterfaceError) as error:
        connection.close_if_unusable_or_obsolete()
        outcome = Outcome("retry", code="unavailable", detail=f"The database did not answer ({type(error).__name__}).")
    except Exception as error:  # noqa: BLE001 - whatever a worker raises is the end of this job, not of the process
        outcome = _of_a_fault(error)
    except BaseException:
        with suppress(LeaseLost, DatabaseFailure):
            leases.release(run.claim)
        raise
    return outcome


def _of_a_fault(error: Exception) -> Outcome:
    """A fault of ours. Its message may hold anything, so neither the job nor the log repeats it: the place must do."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    logger.error("job_broke", error=type(error).__name__, where=where)
    place = f"{frames[-1].name}, line {frames[-1].lineno}" if frames else "an unknown place"
    return Outcome("failed", code="internal_error", detail=f"{type(error).__name__} in {place}")


def _written(claim: Claim, outcome: Outcome, *, now: datetime | None, chance: float) -> Outcome:
    """The outcome as it was written into the job; a retry beyond the last attempt became a failure."""
    detail = scrubbed(outcome.detail)[:LONGEST_DETAIL]
    if outcome.word == "retry" and claim.attempt >= claim.max_attempts:
        outcome = Outcome("failed", code=outcome.code, detail=outcome.detail)
    match outcome.word:
        case "succeeded":
            leases.finish(claim, JobState.SUCCEEDED, result=outcome.result, now=now)
        case "failed":
            leases.finish(claim, JobState.FAILED, code=outcome.code, detail=detail, now=now)
        case "cancelled":
            leases.finish(claim, JobState.CANCELLED, now=now)
        case "released":
            leases.release(claim, now=now)
        case "retry":
            delay_s = backoff_s(claim.attempt, chance=chance, asked_s=outcome.asked_s)
            leases.put_back(claim, delay_s=delay_s, code=outcome.code, detail=detail, now=now)
    return outcome
