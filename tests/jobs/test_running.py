"""The runner: what becomes of a job by what its worker does."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from django.db import connection, transaction

from apps.common.errors import Busy, Invalid
from apps.common.http import Permanent, Transient
from apps.jobs import actions, leases, running, runs
from apps.jobs.errors import LeaseLost
from apps.jobs.models import Job
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def run_worker(register):
    """Runs a job with this worker; its outcome and the row."""

    def run(worker, *, now=None, chance=None, **options):
        register("test.work", worker, **options)
        job = actions.enqueue("test.work", "a", request_id="req-1", now=now)
        outcome = running.run_claimed(leases.claim(job.pk, now=now), now=now, chance=chance)
        job.refresh_from_db()
        return outcome, job

    return run


def test_a_worker_that_returns_has_succeeded(run_worker):
    outcome, job = run_worker(lambda run: {"copied": 3, "at": NOON})

    assert outcome == "succeeded"
    assert (job.state, job.result, job.error_code) == ("succeeded", {"copied": 3, "at": "2026-01-05T12:00:00Z"}, "")
    assert job.finished_at is not None


def test_a_worker_may_return_nothing(run_worker):
    assert run_worker(lambda run: None)[1].result is None


def test_a_worker_knows_its_job(run_worker):
    seen = {}

    def worker(run):
        seen.update(
            subject=run.subject,
            kind=run.kind,
            workspace=run.workspace_id,
            attempt=run.attempt,
            request_id=run.request_id,
            last=run.is_last_attempt,
        )

    run_worker(worker, max_attempts=1)

    assert seen == {
        "subject": "a",
        "kind": "test.work",
        "workspace": None,
        "attempt": 1,
        "request_id": "req-1",
        "last": True,
    }


def test_the_request_id_is_bound_while_the_worker_runs(run_worker):
    seen = {}

    _, job = run_worker(lambda run: seen.update(structlog.contextvars.get_contextvars()))

    assert seen["request_id"] == "req-1"
    assert seen["job_id"] == str(job.public_id)
    assert "job_id" not in structlog.contextvars.get_contextvars()


@pytest.mark.parametrize(
    "error,code",
    [
        (Transient("https://other.example did not answer"), "transient"),
        (Busy("Others are writing."), "busy"),
    ],
)
def test_what_may_work_later_waits_and_is_tried_again(run_worker, error, code):
    def worker(run):
        raise error

    outcome, job = run_worker(worker, now=NOON, chance=0.0)

    assert outcome == "retry"
    assert (job.state, job.attempts, job.error_code, job.finished_at) == ("queued", 1, code, None)
    assert job.next_run_at == NOON + timedelta(seconds=2)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_the_worker_is_tried_again(run_worker):
    def worker(run):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    outcome, job = run_worker(worker, now=NOON, chance=0.0)

    assert outcome == "retry"
    assert (job.state, job.error_code, job.next_run_at) == ("queued", "unavailable", NOON + timedelta(seconds=2))


def test_each_attempt_waits_longer_and_the_last_one_fails(run_worker):
    def worker(run):
        raise Transient("away")

    _, job = run_worker(worker, now=NOON, chance=0.0, max_attempts=3)
    times = [job.next_run_at]
    while job.state == "queued":
        running.run_claimed(leases.claim(job.pk, now=job.next_run_at), now=job.next_run_at, chance=0.0)
        job.refresh_from_db()
        times.append(job.next_run_at)

    assert [(at - NOON).total_seconds() for at in times] == [2.0, 6.0, 6.0]
    assert (job.state, job.attempts, job.error_code, job.error_detail) == ("failed", 3, "transient", "away")


def test_the_wait_that_the_other_side_asks_for_is_kept(run_worker):
    def worker(run):
        raise Transient("busy", retry_after_s=90.0)

    _, job = run_worker(worker, now=NOON, chance=0.0)

    assert job.next_run_at == NOON + timedelta(seconds=90)


@pytest.mark.parametrize(
    "error,code,detail",
    [
        (Permanent("https://other.example answered 400"), "permanent", "https://other.example answered 400"),
        (Invalid("Not this way."), "invalid", "Not this way."),
    ],
)
def test_what_cannot_work_later_fails_at_once_with_its_code(run_worker, error, code, detail):
    def worker(run):
        raise error

    outcome, job = run_worker(worker)

    assert outcome == "failed"
    assert (job.state, job.attempts, job.error_code, job.error_detail) == ("failed", 1, code, detail)


def test_a_fault_fails_the_job_and_neither_row_nor_log_repeats_its_message(run_worker, caplog, capfd):
    def worker(run):
        raise RuntimeError("the key is hunter2")

    outcome, job = run_worker(worker)

    assert (outcome, job.state, job.error_code) == ("failed", "failed", "internal_error")
    assert job.error_detail.startswith("RuntimeError in worker, line ")
    said = caplog.text + "".join(capfd.readouterr())
    assert "hunter2" not in said + job.error_detail


def test_secrets_in_a_told_error_are_masked(run_worker):
    def worker(run):
        raise Permanent("refused: Bearer abcdefghijklmnop")

    assert run_worker(worker)[1].error_detail == "refused: Bearer ****"


def test_a_result_that_is_no_json_fails_the_job(run_worker):
    _, job = run_worker(lambda run: {"bad": object()})

    assert (job.state, job.error_code, job.result) == ("failed", "internal_error", None)


def test_progress_is_written_at_most_once_a_second_and_at_the_end(run_worker, django_assert_num_queries):
    def worker(run):
        with django_assert_num_queries(1):
            for number in range(1, 501):
                run.progress(number, 500, f"item {number}")

    _, job = run_worker(worker)

    assert (job.progress_done, job.progress_total, job.progress_note) == (500, 500, "item 500")


def test_stopping_gives_the_job_back_uncounted(run_worker):
    def worker(run):
        runs.stopping.set()
        run.check()
        raise AssertionError("not reached")

    try:
        outcome, job = run_worker(worker)
    finally:
        runs.stopping.clear()

    assert outcome == "released"
    assert (job.state, job.attempts) == ("queued", 0)


def test_a_process_that_ends_gives_the_job_back(run_worker):
    def worker(run):
        raise SystemExit

    with pytest.raises(SystemExit):
        run_worker(worker)

    job = Job.objects.get()
    assert (job.state, job.attempts) == ("queued", 0)


@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_keeps_a_long_run_its_job(run_worker):
    def worker(run):
        for _ in range(15):
            time.sleep(0.1)
            run.check()
            assert leases.reclaim_lost() == 0

    outcome, job = run_worker(worker, lease_s=0.6)

    assert (outcome, job.fence) == ("succeeded", 1)


@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_closes_its_connection(run_worker):
    def connections():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return cursor.fetchone()[0]

    during = []
    # Those of an earlier test's threads may still be closing.
    wait_until(lambda: connections() == 1)

    def worker(run):
        time.sleep(0.5)
        during.append(connections())

    run_worker(worker, lease_s=0.8)

    assert during == [2]
    wait_until(lambda: connections() == 1)


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_run_ends_at_its_next_check(run_worker):
    def worker(run):
        actions.cancel(Job.objects.get())
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            run.check()
            time.sleep(0.02)

    outcome, job = run_worker(worker, lease_s=0.6)

    assert outcome == "cancelled"
    assert (job.state, job.error_code) == ("cancelled", "")


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_job_another_worker_took_stops_and_writes_nothing(run_worker):
    def worker(run):
        far = datetime.now(UTC) + timedelta(minutes=5)
        assert leases.reclaim_lost(now=far) == 1
        leases.claim_next(now=far)
        with pytest.raises(LeaseLost), transaction.atomic():
            run.hold_fence()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            run.check()
            time.sleep(0.02)

    outcome, job = run_worker(worker, lease_s=0.6)

    assert outcome == "lost"
    assert (job.state, job.fence, job.attempts, job.error_code) == ("running", 2, 2, "worker_lost")


def test_a_run_that_could_not_renew_its_lease_stops_by_its_own_clock(run_worker):
    # Inside the test's transaction the heartbeat's own connection cannot see the job, so no lease is ever renewed.
    def worker(run):
        time.sleep(0.4)
        run.check()

    outcome, job = run_worker(worker, lease_s=0.3)

    assert (outcome, job.state) == ("lost", "running")


@pytest.mark.django_db(transaction=True)
def test_a_run_over_its_time_limit_counts_as_a_failed_attempt(run_worker):
    def worker(run):
        while True:
            time.sleep(0.02)
            run.check()

    outcome, job = run_worker(worker, time_limit_s=0.3)

    assert outcome == "retry"
    assert (job.state, job.attempts, job.error_code) == ("queued", 1, "time_limit")


@pytest.mark.django_db(transaction=True)
def test_a_hanging_run_over_its_time_limit_loses_its_lease(run_worker):
    def worker(run):
        time.sleep(1.2)
        assert leases.reclaim_lost() == 1

    outcome, job = run_worker(worker, time_limit_s=0.2, lease_s=0.4)

    assert outcome == "lost"
    assert (job.state, job.error_code) == ("queued", "worker_lost")


def test_due_jobs_run_one_after_another(register):
    ran = []
    register("test.work", lambda run: ran.append(run.subject))
    for name in ("a", "b", "c"):
        actions.enqueue("test.work", name)
    actions.enqueue("test.work", "later", run_at=datetime.now(UTC) + timedelta(hours=1))

    assert running.run_due() == 3

    assert ran == ["a", "b", "c"]
