"""Jobs across processes: workers that are killed, two of them at one job, and Celery itself."""

import signal
import time
from pathlib import Path

import pytest
from django.db import connection

from apps.jobs import actions, leases, queries, running, ticking
from apps.jobs.models import Job
from tests.jobs.conftest import steps
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("test_kinds")]

CELERY = (
    "-m",
    "celery",
    "-A",
    "memoryhub.celery",
    "worker",
    "-P",
    "threads",
    "-c",
    "3",
    "--include",
    "tests.jobs.celery_kinds",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
    "-l",
    "warning",
)


@pytest.fixture
def celery(start, redis_url, tmp_path):
    """Starts a real Celery worker, with beat when asked for."""

    def run(*, beat=False):
        extra = ["-B", "-s", str(tmp_path / "beat")] if beat else []
        return start(*CELERY, *extra)

    return run


def state_of(job):
    connection.close()
    return Job.objects.get(pk=job.pk).state


def run_in_process(start, job):
    return start("-m", "tests.jobs.workers", str(job.pk))


def test_two_processes_at_one_job_run_it_once(start, log):
    job = actions.enqueue("test.append", str(log))

    said = [process.communicate(timeout=60)[0].strip() for process in [run_in_process(start, job) for _ in range(2)]]

    assert sorted(said) == ["None", "succeeded"]
    assert steps(log) == ["1 ran"]


def test_a_job_whose_worker_is_killed_between_steps_is_done_by_another(start, log):
    job = actions.enqueue("test.two_steps", str(log))
    process = run_in_process(start, job)
    wait_until(lambda: steps(log) == ["1 first"], timeout_s=60)

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert state_of(job) == "running"
    assert running.run_job(job.pk) is None, "the lease still protects the job"
    wait_until(lambda: leases.reclaim_lost() == 1)
    assert running.run_job(job.pk) == "succeeded"
    assert steps(log) == ["1 first", "2 first", "2 second"]
    job.refresh_from_db()
    assert (job.state, job.fence, job.attempts) == ("succeeded", 2, 2)


def test_a_living_worker_keeps_its_job_beyond_one_lease(start, log):
    job = actions.enqueue("test.patient", str(log))
    process = run_in_process(start, job)
    wait_until(lambda: steps(log) == ["1 started"], timeout_s=60)

    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        assert leases.reclaim_lost() == 0
        time.sleep(0.1)

    actions.cancel(job)
    assert process.communicate(timeout=60)[0].strip() == "cancelled"
    assert state_of(job) == "cancelled"


def test_a_worker_that_was_asleep_finds_its_job_taken_and_writes_nothing(start, log):
    job = actions.enqueue("test.patient", str(log))
    process = run_in_process(start, job)
    wait_until(lambda: steps(log) == ["1 started"], timeout_s=60)
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: leases.reclaim_lost() == 1)
    taken = leases.claim(job.pk)
    before = Job.objects.filter(pk=job.pk).values().get()

    process.send_signal(signal.SIGCONT)

    assert process.communicate(timeout=60)[0].strip() == "lost"
    assert Job.objects.filter(pk=job.pk).values().get() == before
    assert taken.fence == 2


@pytest.mark.slow
def test_celery_runs_a_job_that_the_bell_announces(celery, log):
    job = actions.enqueue("test.append", str(log))
    celery()

    wait_until(lambda: state_of(job) == "succeeded", timeout_s=90)

    assert steps(log) == ["1 ran"]


@pytest.mark.slow
def test_beat_finds_jobs_whose_bell_was_lost_and_runs_periodic_kinds(celery, log, redis_url):
    import redis

    job = actions.enqueue("test.append", str(log))
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    celery(beat=True)

    wait_until(lambda: state_of(job) == "succeeded", timeout_s=90)

    assert queries.last_tick() is not None
    wait_until(lambda: {run.kind: run.last_state for run in queries.periodic_runs()}["jobs.clean"] == "succeeded")


@pytest.mark.slow
def test_a_celery_worker_that_is_asked_to_stop_gives_its_job_back(celery, log):
    job = actions.enqueue("test.patient", str(log))
    process = celery()
    wait_until(lambda: steps(log) == ["1 started"], timeout_s=90)

    process.send_signal(signal.SIGTERM)

    process.communicate(timeout=30)
    assert process.returncode == 0
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("queued", 0)


@pytest.mark.slow
def test_busy_workers_leave_a_thread_for_the_tick(celery, log):
    long = [actions.enqueue("test.patient", f"{log}{number}") for number in range(4)]
    celery(beat=True)
    wait_until(
        lambda: sorted(state_of(job) for job in long) == ["queued", "queued", "running", "running"], timeout_s=90
    )
    seen = queries.last_tick()

    wait_until(lambda: queries.last_tick() not in (None, seen))

    actions.cancel(long[0])
    wait_until(lambda: sorted(state_of(job) for job in long) == ["cancelled", "queued", "running", "running"])
    assert ticking.tick() is not None
    assert steps(Path(f"{log}0")) == ["1 started"]
