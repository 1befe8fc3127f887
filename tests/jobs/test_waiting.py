"""Waiting inside a request: for a worker elsewhere, with a hand of one's own, and not for ever."""

import threading
import time
from typing import Any

import pytest
from django.db import connections

from apps.common.errors import Invalid
from apps.common.http import Transient
from apps.jobs import waiting
from apps.jobs.actions import enqueue
from apps.jobs.models import Job, JobState
from apps.jobs.running import run_job
from apps.jobs.waiting import HELP_AFTER_S, MOST_WAITING, awaited, has_stopped

pytestmark = pytest.mark.django_db(transaction=True)
KIND = "test.awaited"


def asked(register: Any, worker: Any, **options: Any) -> Job:
    register(KIND, worker, **options)
    return enqueue(KIND, "subject")


def test_a_job_that_no_worker_takes_is_run_here(register: Any) -> None:
    asked(register, lambda run: {"done": 1})
    began = time.monotonic()

    job = awaited(KIND, "subject", within_s=20)

    assert job is not None and has_stopped(job)
    assert (job.state, job.result) == (JobState.SUCCEEDED, {"done": 1})
    assert time.monotonic() - began >= HELP_AFTER_S


def test_a_job_that_a_worker_has_taken_is_only_watched(register: Any) -> None:
    runs: list[int] = []
    going_on = threading.Event()

    def work(run: Any) -> dict[str, int]:
        runs.append(run.attempt)
        going_on.wait(20)
        return {"done": 1}

    job = asked(register, work)

    def elsewhere() -> None:
        run_job(job.pk)
        connections.close_all()

    worker = threading.Thread(target=elsewhere)
    worker.start()
    threading.Timer(HELP_AFTER_S + 0.5, going_on.set).start()

    seen = awaited(KIND, "subject", within_s=20)
    worker.join()

    assert seen is not None and seen.state == JobState.SUCCEEDED
    assert runs == [1]


@pytest.mark.parametrize(
    ("failure", "state"), [(Transient("Away."), JobState.QUEUED), (Invalid("Never."), JobState.FAILED)]
)
def test_a_failure_is_told_at_once_also_where_it_is_tried_again(
    register: Any, failure: Exception, state: JobState
) -> None:
    def work(run: Any) -> None:
        raise failure

    asked(register, work, max_attempts=3)

    job = awaited(KIND, "subject", within_s=20)

    assert job is not None and has_stopped(job)
    assert (job.state, job.error_detail) == (state, str(failure.args[0]))


def test_when_the_time_is_over_the_job_goes_on(register: Any) -> None:
    going_on, done = threading.Event(), threading.Event()

    def work(run: Any) -> dict[str, int]:
        going_on.wait(20)
        done.set()
        return {"done": 1}

    asked(register, work)

    job = awaited(KIND, "subject", within_s=HELP_AFTER_S + 0.5)
    assert job is not None and not has_stopped(job)
    going_on.set()

    assert done.wait(20)
    assert awaited(KIND, "subject", within_s=20).state == JobState.SUCCEEDED  # type: ignore[union-attr]


def test_when_too_many_wait_nobody_waits_more(register: Any) -> None:
    asked(register, lambda run: None)
    for _ in range(MOST_WAITING):
        assert waiting._places.acquire(blocking=False)
    began = time.monotonic()
    try:
        job = awaited(KIND, "subject", within_s=20)
    finally:
        for _ in range(MOST_WAITING):
            waiting._places.release()

    assert job is not None and job.state == JobState.QUEUED
    assert time.monotonic() - began < HELP_AFTER_S


def test_what_nobody_asked_for_is_none() -> None:
    assert awaited(KIND, "nothing", within_s=5) is None
