"""Asking for work: one open job for one subject, and nothing asked for is lost."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog
from django.db import transaction

from apps.jobs import actions, leases
from apps.jobs.errors import JobFinished, JobNotRetryable, RunInProgress
from apps.jobs.models import Job, JobState
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)


@pytest.fixture(autouse=True)
def kind(register):
    register("test.work", lambda run: None, max_attempts=3)
    register("test.other", lambda run: None)


def enqueue(subject="a", **options):
    return actions.enqueue("test.work", subject, **options)


def test_a_new_job_waits_and_names_who_asked():
    workspace = make_workspace()

    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        job = enqueue(workspace_id=workspace.pk, actor="token:abc", now=NOON)

    assert (job.kind, job.subject, job.state, job.workspace_id) == ("test.work", "a", "queued", workspace.pk)
    assert (job.next_run_at, job.created_at, job.attempts, job.max_attempts, job.fence) == (NOON, NOON, 0, 3, 0)
    assert (job.actor, job.request_id) == ("token:abc", "req-1")


def test_asking_twice_while_it_waits_is_one_job():
    first = enqueue(now=NOON)

    second = enqueue(now=LATER)

    assert second.pk == first.pk
    assert second.next_run_at == NOON
    assert Job.objects.count() == 1


def test_other_subjects_and_other_kinds_are_other_jobs():
    assert len({enqueue("a").pk, enqueue("b").pk, actions.enqueue("test.other", "a").pk}) == 3


def test_an_earlier_time_brings_a_waiting_job_forward_and_a_later_one_does_not():
    job = enqueue(run_at=LATER, now=NOON)

    assert enqueue(run_at=LATER + timedelta(hours=1), now=NOON).next_run_at == LATER
    assert enqueue(run_at=NOON, now=NOON).next_run_at == NOON
    assert Job.objects.get() == job


def test_a_job_that_waits_because_it_failed_is_not_brought_forward():
    enqueue(now=NOON)
    held = leases.claim_next(now=NOON)
    leases.put_back(held, delay_s=600, code="transient", detail="", now=NOON)

    job = enqueue(now=NOON)

    assert job.next_run_at == LATER


def test_work_asked_for_during_a_run_is_done_again_when_the_run_ends():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)

    again = enqueue(actor="token:second", request_id="req-2", now=NOON)
    leases.finish(held, JobState.SUCCEEDED, now=NOON)

    assert again.pk == job.pk
    ended, following = Job.objects.order_by("pk")
    assert (ended.pk, ended.state) == (job.pk, "succeeded")
    assert (following.state, following.kind, following.subject) == ("queued", "test.work", "a")
    assert (following.actor, following.request_id, following.next_run_at) == ("token:second", "req-2", NOON)


def test_a_run_that_starts_after_the_second_request_serves_it_too():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)
    enqueue(now=NOON)
    leases.put_back(held, delay_s=0, code="transient", detail="", now=NOON)

    leases.finish(leases.claim(job.pk, now=NOON), JobState.SUCCEEDED, now=NOON)

    assert [row.state for row in Job.objects.all()] == ["succeeded"]


def test_a_request_for_later_survives_a_retry_before_that_time():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)
    enqueue(run_at=LATER, now=NOON)
    leases.put_back(held, delay_s=0, code="transient", detail="", now=NOON)

    leases.finish(leases.claim(job.pk, now=NOON), JobState.SUCCEEDED, now=NOON)

    assert [(row.state, row.next_run_at) for row in Job.objects.order_by("pk")] == [
        ("succeeded", NOON),
        ("queued", LATER),
    ]


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_after_the_end_the_same_work_is_a_new_job(state):
    job = enqueue(now=NOON)
    leases.finish(leases.claim(job.pk, now=NOON), state, now=NOON)

    assert enqueue(now=NOON).pk != job.pk


def test_a_kind_that_nobody_registered_is_refused_and_writes_nothing():
    with pytest.raises(LookupError):
        actions.enqueue("test.nobody", "a")

    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_transaction_leaves_no_job():
    with transaction.atomic():
        enqueue()
        transaction.set_rollback(True)

    assert not Job.objects.exists()


def test_cancelling_a_waiting_job_ends_it():
    job = actions.cancel(enqueue(now=NOON), now=NOON)

    assert (job.state, job.finished_at, job.cancel_requested_at) == ("cancelled", NOON, NOON)
    assert leases.claim(job.pk, now=LATER) is None


def test_cancelling_a_running_job_asks_its_worker():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)

    job = actions.cancel(job, now=NOON)

    assert (job.state, job.cancel_requested_at) == ("running", NOON)
    assert leases.renew(held, now=NOON) is True


def test_a_cancelled_run_does_not_wait_for_another_attempt():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)
    actions.cancel(job, now=NOON)

    leases.put_back(held, delay_s=5, code="transient", detail="", now=NOON)

    job.refresh_from_db()
    assert job.state == "cancelled"


def test_cancelling_takes_back_the_second_request_but_not_a_third_after_it():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)
    enqueue(now=NOON)
    actions.cancel(job, now=NOON)
    enqueue(now=LATER)

    leases.finish(held, JobState.CANCELLED, now=LATER)

    assert [(row.state, row.next_run_at) for row in Job.objects.order_by("pk")] == [
        ("cancelled", NOON),
        ("queued", LATER),
    ]


def test_cancelling_twice_is_once():
    job = actions.cancel(enqueue(now=NOON), now=NOON)

    assert actions.cancel(job, now=LATER).finished_at == NOON


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_what_has_ended_cannot_be_cancelled(state):
    job = enqueue(now=NOON)
    leases.finish(leases.claim(job.pk, now=NOON), state, now=NOON)

    with pytest.raises(JobFinished) as refusal:
        actions.cancel(job)

    job.refresh_from_db()
    assert (job.state, refusal.value.fields) == (state, {"state": state})


def test_a_failed_job_can_be_tried_again_with_all_its_attempts():
    job = enqueue(now=NOON)
    leases.finish(leases.claim(job.pk, now=NOON), JobState.FAILED, code="transient", detail="away", now=NOON)

    job = actions.retry(job, now=LATER)

    assert (job.state, job.attempts, job.next_run_at, job.finished_at) == ("queued", 0, LATER, None)
    assert (job.error_code, job.error_detail, job.cancel_requested_at) == ("", "", None)
    assert leases.claim(job.pk, now=LATER).fence == 2


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
def test_only_failed_and_cancelled_jobs_are_tried_again(state):
    job = enqueue(now=NOON)
    if state != JobState.QUEUED:
        held = leases.claim(job.pk, now=NOON)
    if state == JobState.SUCCEEDED:
        leases.finish(held, state, now=NOON)

    with pytest.raises(JobNotRetryable) as refusal:
        actions.retry(job)

    job.refresh_from_db()
    assert (job.state, refusal.value.fields) == (state, {"state": state})


def test_a_failed_job_is_not_tried_again_beside_a_newer_one():
    job = enqueue(now=NOON)
    leases.finish(leases.claim(job.pk, now=NOON), JobState.FAILED, now=NOON)
    enqueue(now=NOON)

    with pytest.raises(RunInProgress):
        actions.retry(job)

    assert [row.state for row in Job.objects.order_by("pk")] == ["failed", "queued"]
