"""Leases and fences: one worker has a job, and one that lost it writes nothing."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import DatabaseError, connection, transaction

from apps.jobs import actions, leases
from apps.jobs.errors import LeaseLost
from apps.jobs.models import Job, JobState

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
AFTER = NOON + timedelta(seconds=61)


@pytest.fixture(autouse=True)
def kind(register):
    register("test.work", lambda run: None, max_attempts=2, lease_s=60)


def enqueue(subject="a", **options):
    return actions.enqueue("test.work", subject, **options)


def in_threads(count, action):
    """What `action` gave in `count` threads at once, each on its own connection."""
    gate, answers = threading.Barrier(count), []

    def call():
        try:
            gate.wait()
            answers.append(action())
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_claim_takes_the_lease_and_raises_the_fence():
    job = enqueue(now=NOON)

    held = leases.claim(job.pk, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.fence, job.attempts, job.started_at) == ("running", 1, 1, NOON)
    assert job.lease_until == NOON + timedelta(seconds=60)
    assert (held.fence, held.attempt, held.public_id) == (1, 1, job.public_id)


def test_a_job_is_not_claimed_before_its_time():
    job = enqueue(run_at=AFTER, now=NOON)

    assert leases.claim(job.pk, now=NOON) is None
    assert leases.claim_next(now=NOON) is None
    assert leases.claim(job.pk, now=AFTER) is not None


def test_a_claimed_job_is_not_claimed_again_even_when_its_lease_is_over():
    job = enqueue(now=NOON)
    leases.claim(job.pk, now=NOON)

    assert leases.claim(job.pk, now=NOON) is None
    assert leases.claim(job.pk, now=AFTER) is None
    assert leases.claim_next(now=AFTER) is None


def test_the_job_that_is_due_for_longest_comes_first():
    enqueue("second", run_at=NOON, now=NOON)
    enqueue("first", run_at=NOON - timedelta(seconds=1), now=NOON)

    assert [leases.claim_next(now=NOON).subject for _ in range(2)] == ["first", "second"]
    assert leases.claim_next(now=NOON) is None


def test_kinds_that_this_process_does_not_know_are_left_alone():
    Job.objects.create(kind="test.of_a_newer_release", subject="", next_run_at=NOON)

    assert leases.claim_next(now=NOON) is None


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_one_gets_the_job():
    job = enqueue()

    claims = in_threads(8, lambda: leases.claim(job.pk))

    assert [held.fence for held in claims if held is not None] == [1]
    job.refresh_from_db()
    assert (job.fence, job.attempts) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_many_workers_share_the_due_jobs_without_overlap():
    wanted = {enqueue(str(number)).pk for number in range(6)}

    claims = in_threads(6, leases.claim_next)
    rest = [leases.claim_next() for _ in range(6)]

    taken = [held.job_id for held in [*claims, *rest] if held is not None]
    assert sorted(taken) == sorted(wanted)


@pytest.mark.django_db(transaction=True)
def test_many_requests_at_once_make_one_job():
    jobs = in_threads(8, enqueue)

    assert len({job.pk for job in jobs}) == 1
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_requests_that_race_with_the_end_of_a_run_are_never_lost():
    for _ in range(20):
        Job.objects.all().delete()
        job = enqueue()
        held = leases.claim(job.pk)
        steps = iter([partial(leases.finish, held, JobState.SUCCEEDED), enqueue])
        take = threading.Lock()

        def next_step(steps=steps, take=take):
            with take:
                step = next(steps)
            return step()

        in_threads(2, next_step)

        assert [row.state for row in Job.objects.order_by("pk")] == ["succeeded", "queued"]


def test_renewing_moves_the_end_of_the_lease():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)

    assert leases.renew(held, now=NOON + timedelta(seconds=50)) is False

    job.refresh_from_db()
    assert job.lease_until == NOON + timedelta(seconds=110)


def test_progress_is_written_and_keeps_the_lease():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)

    leases.report_progress(held, 3, 10, "n" * 300, now=NOON + timedelta(seconds=50))

    job.refresh_from_db()
    assert (job.progress_done, job.progress_total, job.progress_note) == (3, 10, "n" * 200)
    assert job.lease_until == NOON + timedelta(seconds=110)


def test_a_worker_with_an_older_fence_writes_nothing():
    job = enqueue(now=NOON)
    old = leases.claim(job.pk, now=NOON)
    leases.reclaim_lost(now=AFTER)
    current = leases.claim(job.pk, now=AFTER)
    before = Job.objects.filter(pk=job.pk).values().get()

    writes = [
        lambda: leases.renew(old),
        lambda: leases.report_progress(old, 1, None, ""),
        lambda: leases.finish(old, JobState.SUCCEEDED, result={"wrong": True}),
        lambda: leases.put_back(old, delay_s=0, code="transient", detail=""),
        lambda: leases.release(old),
    ]
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    with pytest.raises(LeaseLost), transaction.atomic():
        leases.hold_fence(old)

    assert Job.objects.filter(pk=job.pk).values().get() == before
    leases.finish(current, JobState.SUCCEEDED, now=AFTER)


@pytest.mark.django_db(transaction=True)
def test_while_the_fence_is_held_nobody_takes_the_job():
    job = enqueue(now=NOON)
    held = leases.claim(job.pk, now=NOON)

    with transaction.atomic():
        leases.hold_fence(held)
        # The lease is long over, but the row is locked: the other side passes by.
        assert in_threads(1, lambda: leases.reclaim_lost(now=AFTER)) == [0]

    assert leases.reclaim_lost(now=AFTER) == 1


def test_a_released_job_is_due_at_once_and_its_attempt_does_not_count():
    job = enqueue(now=NOON)

    leases.release(leases.claim(job.pk, now=NOON), now=NOON)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.next_run_at, job.lease_until) == ("queued", 0, NOON, None)


def test_a_lost_job_is_queued_again_at_once_and_later_after_a_second_loss(register):
    register("test.fragile", lambda run: None, max_attempts=4, lease_s=60)
    job = actions.enqueue("test.fragile", "a", now=NOON)
    delays = []

    for _ in range(3):
        leases.claim(job.pk, now=job.next_run_at)
        assert leases.reclaim_lost(now=job.next_run_at + timedelta(seconds=60)) == 0
        over = job.next_run_at + timedelta(seconds=61)
        assert leases.reclaim_lost(now=over) == 1
        job.refresh_from_db()
        delays.append((job.next_run_at - over).total_seconds())

    assert (job.state, job.error_code) == ("queued", "worker_lost")
    assert delays == [0.0, 4.0, 8.0]


def test_a_job_that_loses_its_last_worker_has_failed():
    job = enqueue(now=NOON)
    leases.claim(job.pk, now=NOON)
    leases.reclaim_lost(now=AFTER)
    leases.claim(job.pk, now=AFTER)

    leases.reclaim_lost(now=AFTER + timedelta(seconds=61))

    job.refresh_from_db()
    assert (job.state, job.error_code, job.attempts) == ("failed", "worker_lost", 2)
    assert job.finished_at == AFTER + timedelta(seconds=61)


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled():
    job = enqueue(now=NOON)
    leases.claim(job.pk, now=NOON)
    actions.cancel(job, now=NOON)

    leases.reclaim_lost(now=AFTER)

    job.refresh_from_db()
    assert (job.state, job.error_code) == ("cancelled", "")


def test_what_was_asked_for_during_a_lost_last_run_is_queued_anew():
    job = enqueue(now=NOON)
    leases.claim(job.pk, now=NOON)
    leases.reclaim_lost(now=AFTER)
    leases.claim(job.pk, now=AFTER)
    enqueue(now=AFTER)

    leases.reclaim_lost(now=AFTER + timedelta(seconds=61))

    assert [row.state for row in Job.objects.order_by("pk")] == ["failed", "queued"]


def test_the_database_itself_refuses_a_second_open_job():
    enqueue(now=NOON)

    with pytest.raises(DatabaseError, match="job_one_open_per_subject"):
        Job.objects.create(kind="test.work", subject="a", next_run_at=NOON)
