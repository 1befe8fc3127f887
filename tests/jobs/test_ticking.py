"""The tick: periodic kinds, dead workers, lost bells, and what happens when a service is away."""

import base64
import json
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.common.errors import NotFound
from apps.common.ids import uuid7
from apps.jobs import actions, cleaning, leases, queries, registry, running, sql, ticking
from apps.jobs.models import DeliveryState, Job, JobState, WebhookDelivery, WebhookEndpoint
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def kinds(register):
    register("test.work", lambda run: None)
    register("test.hourly", lambda run: None, every_s=3600)


@pytest.fixture
def broker(redis_url):
    """A client of the broker, which is empty."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        yield client


def at(**delta):
    return NOON + timedelta(**delta)


def run_hourly(*, now):
    """The waiting job of the periodic kind, run to its end."""
    job = Job.objects.get(kind="test.hourly", state=JobState.QUEUED)
    leases.finish(leases.claim(job.pk, now=now), JobState.SUCCEEDED, now=now)


def hourly_states():
    return list(Job.objects.filter(kind="test.hourly").order_by("pk").values_list("state", flat=True))


def test_the_first_tick_queues_every_periodic_kind():
    assert ticking.enqueue_periodic(now=NOON) == [kind.name for kind in registry.periodic_kinds()]

    job = Job.objects.get(kind="test.hourly")
    assert (job.subject, job.workspace_id, job.actor, job.next_run_at) == ("", None, "system", NOON)


def test_a_periodic_kind_comes_back_after_its_period_and_not_before():
    ticking.enqueue_periodic(now=NOON)
    run_hourly(now=at(minutes=1))

    assert "test.hourly" not in ticking.enqueue_periodic(now=at(minutes=59))
    assert "test.hourly" in ticking.enqueue_periodic(now=at(minutes=60))


def test_a_periodic_kind_that_still_waits_or_runs_is_left_alone():
    ticking.enqueue_periodic(now=NOON)
    assert "test.hourly" not in ticking.enqueue_periodic(now=at(hours=5))

    leases.claim(Job.objects.get(kind="test.hourly").pk, now=at(hours=5))

    assert "test.hourly" not in ticking.enqueue_periodic(now=at(hours=9))
    assert Job.objects.get(kind="test.hourly").rerun_at is None


def test_after_a_long_pause_a_periodic_kind_runs_once():
    ticking.enqueue_periodic(now=NOON)
    run_hourly(now=NOON)

    ticking.enqueue_periodic(now=at(days=3))
    run_hourly(now=at(days=3))

    assert "test.hourly" not in ticking.enqueue_periodic(now=at(days=3, minutes=1))
    assert hourly_states() == ["succeeded", "succeeded"]


def test_a_failed_periodic_run_does_not_end_the_series():
    ticking.enqueue_periodic(now=NOON)
    job = Job.objects.get(kind="test.hourly")
    leases.finish(leases.claim(job.pk, now=NOON), JobState.FAILED, now=NOON)

    ticking.enqueue_periodic(now=at(hours=1))

    assert hourly_states() == ["failed", "queued"]


@pytest.mark.django_db(transaction=True)
def test_many_ticks_at_once_queue_a_periodic_kind_once_even_when_it_ends_between_them():
    queued = []

    def tick_and_work():
        try:
            if "test.hourly" in ticking.enqueue_periodic(now=NOON):
                queued.append(1)
                run_hourly(now=NOON)
        finally:
            connection.close()

    threads = [threading.Thread(target=tick_and_work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert queued == [1]
    assert hourly_states() == ["succeeded"]


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_reclaim_a_lost_job_once(broker):
    job = actions.enqueue("test.work", "a", now=NOON)
    leases.claim(job.pk, now=NOON)
    counts = []

    def tick():
        try:
            counts.append(leases.reclaim_lost(now=at(minutes=5)))
        finally:
            connection.close()

    threads = [threading.Thread(target=tick) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(counts) == [0, 0, 0, 0, 0, 1]
    job.refresh_from_db()
    assert (job.state, job.fence) == ("queued", 1)


def test_the_tick_is_remembered_as_a_sign_of_life():
    assert queries.last_tick() is None

    ticking.tick(now=NOON)
    ticking.tick(now=at(seconds=3))
    ticking.tick(now=at(seconds=1))

    assert queries.last_tick() == at(seconds=3)


def test_periodic_kinds_are_listed_with_their_last_run():
    ticking.enqueue_periodic(now=NOON)
    run_hourly(now=at(minutes=1))

    listed = {run.kind: run for run in queries.periodic_runs()}

    assert listed["test.hourly"] == queries.PeriodicRun(
        "test.hourly", 3600, "succeeded", at(minutes=1), at(minutes=1), at(hours=1)
    )
    assert listed["jobs.clean"] == queries.PeriodicRun("jobs.clean", 3600.0, "queued", None, None, NOON)


def test_a_failed_periodic_run_leaves_the_time_of_the_last_success():
    ticking.enqueue_periodic(now=NOON)
    run_hourly(now=at(minutes=1))
    ticking.enqueue_periodic(now=at(hours=1))
    job = Job.objects.get(kind="test.hourly", state=JobState.QUEUED)
    leases.finish(leases.claim(job.pk, now=at(hours=2)), JobState.FAILED, now=at(hours=2))

    run = next(run for run in queries.periodic_runs() if run.kind == "test.hourly")

    assert (run.last_state, run.last_started_at, run.last_success_at) == ("failed", at(hours=2), at(minutes=1))


def test_due_jobs_are_rung_for_again(broker):
    due = actions.enqueue("test.work", "a", now=NOON)
    actions.enqueue("test.work", "b", run_at=at(hours=1), now=NOON)
    running = actions.enqueue("test.work", "c", now=NOON)
    leases.claim(running.pk, now=NOON)

    assert ticking.ring_due(now=NOON) == 1

    assert broker.llen("memoryhub") == 1
    assert f"[{due.pk}]".encode() in _body(broker.lindex("memoryhub", 0))


def test_bells_do_not_pile_up_behind_busy_workers(broker):
    for number in range(ticking.MOST_WAITING + 50):
        Job.objects.create(kind="test.work", subject=str(number), next_run_at=NOON)

    rung = [ticking.ring_due(now=NOON) for _ in range(3)]

    assert rung == [200, 0, 0]
    assert broker.llen("memoryhub") == 200


def test_without_a_broker_the_tick_still_does_the_rest(settings):
    settings.CELERY_BROKER_URL = "redis+socket:///nonexistent/broker.sock?virtual_host=0"
    job = actions.enqueue("test.work", "a", now=NOON)
    leases.claim(job.pk, now=NOON)

    ticked = ticking.tick(now=at(minutes=5))

    assert ticked == ticking.Ticked(1, [kind.name for kind in registry.periodic_kinds()], None)


@pytest.mark.django_db(transaction=True)
def test_without_a_database_the_tick_says_so_and_lives_on():
    real = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nonexistent"
    try:
        assert ticking.tick(now=NOON) is None
    finally:
        connection.settings_dict["HOST"] = real
        connection.close()

    assert ticking.tick(now=NOON) is not None


@pytest.mark.parametrize("statement", ["DUE_KINDS", "DUE_JOBS", "RECLAIM", "CLAIM_NEXT"])
def test_a_tick_reads_no_more_of_a_long_history_than_of_a_short_one(statement):
    Job.objects.bulk_create(
        Job(kind="test.hourly", subject="", state=JobState.SUCCEEDED, next_run_at=NOON, finished_at=NOON)
        for _ in range(5000)
    )
    Job.objects.bulk_create(
        Job(kind="test.work", subject=str(number), next_run_at=at(days=9)) for number in range(5000)
    )
    values = {
        "periods": '{"test.hourly": 1, "test.never_ran": 1}',
        "leases": '{"test.work": 60}',
        "limit": 200,
        "now": NOON,
    }

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + getattr(sql, statement), values)
        plan = json.dumps(cursor.fetchone()[0])

    assert '"Seq Scan"' not in plan
    assert all(int(count) < 10 for count in re.findall(r'"Rows Removed by Filter": (\d+)', plan))


def test_old_jobs_are_removed_by_how_they_ended():
    def ended(state, kind, *, days):
        Job.objects.create(
            kind=kind, subject=f"{state} {days}", state=state, next_run_at=NOON, finished_at=at(days=-days)
        )

    for days in (6, 8):
        ended(JobState.SUCCEEDED, "test.work", days=days)
        ended(JobState.CANCELLED, "test.work", days=days)
    for days in (29, 31):
        ended(JobState.FAILED, "test.work", days=days)
    Job.objects.create(kind="test.work", subject="waits", next_run_at=at(days=-90))

    assert cleaning.remove_jobs(now=NOON) == 3

    assert sorted(Job.objects.values_list("subject", flat=True)) == [
        "cancelled 6",
        "failed 29",
        "succeeded 6",
        "waits",
    ]
    assert cleaning.remove_jobs(now=NOON) == 0


def test_the_newest_run_of_a_periodic_kind_stays_and_older_ones_go_after_a_day():
    for days in (40, 3, 2):
        Job.objects.create(
            kind="test.hourly", subject="", state=JobState.SUCCEEDED, next_run_at=NOON, finished_at=at(days=-days)
        )

    assert cleaning.remove_jobs(now=NOON) == 2

    assert [job.finished_at for job in Job.objects.all()] == [at(days=-2)]


def test_the_newest_success_of_a_periodic_kind_that_fails_since_stays():
    for state, days in (("succeeded", 40), ("succeeded", 39), ("failed", 38), ("failed", 2)):
        Job.objects.create(kind="test.hourly", subject="", state=state, next_run_at=NOON, finished_at=at(days=-days))

    assert cleaning.remove_jobs(now=NOON) == 2

    assert [job.finished_at for job in Job.objects.order_by("pk")] == [at(days=-39), at(days=-2)]


def test_old_deliveries_are_removed():
    endpoint = WebhookEndpoint.objects.create(workspace=make_workspace(), url="https://a.example", secret="", events=[])
    for days in (6, 8):
        WebhookDelivery.objects.create(
            endpoint=endpoint, event="e", payload={}, state=DeliveryState.FAILED, finished_at=at(days=-days)
        )
    WebhookDelivery.objects.create(endpoint=endpoint, event="e", payload={})

    assert cleaning.remove_deliveries(now=NOON) == 1

    assert sorted(WebhookDelivery.objects.values_list("state", flat=True)) == ["failed", "pending"]


def test_a_delivery_that_waits_for_a_day_without_a_job_has_failed():
    endpoint = WebhookEndpoint.objects.create(workspace=make_workspace(), url="https://a.example", secret="", events=[])
    kept, fresh, lost = (WebhookDelivery.objects.create(endpoint=endpoint, event="e", payload={}) for _ in range(3))
    WebhookDelivery.objects.update(created_at=at(hours=-25))
    WebhookDelivery.objects.filter(pk=fresh.pk).update(created_at=at(hours=-23))
    actions.enqueue(actions.DELIVER, str(kept.public_id))
    for delivery in (fresh, lost):
        actions.cancel(actions.enqueue(actions.DELIVER, str(delivery.public_id)))

    assert cleaning.settle_deliveries(now=NOON) == 1

    lost.refresh_from_db()
    assert (lost.state, lost.finished_at, lost.last_error) == ("failed", NOON, "its job ended without a result")
    assert set(WebhookDelivery.objects.filter(state="pending")) == {kept, fresh}
    assert cleaning.settle_deliveries(now=NOON) == 0


def test_the_clean_up_settles_deliveries_too():
    endpoint = WebhookEndpoint.objects.create(workspace=make_workspace(), url="https://a.example", secret="", events=[])
    WebhookDelivery.objects.create(endpoint=endpoint, event="e", payload={})
    WebhookDelivery.objects.update(created_at=NOON)
    job = actions.enqueue(cleaning.KIND, "")

    assert running.run_job(job.pk) == "succeeded"

    job.refresh_from_db()
    assert job.result == {"jobs": 0, "deliveries": 0, "settled": 1}


def test_stuck_jobs_are_those_that_nobody_looks_after():
    waits = actions.enqueue("test.work", "due", now=NOON)
    runs = actions.enqueue("test.work", "lost", now=NOON)
    leases.claim(runs.pk, now=NOON)
    actions.enqueue("test.work", "later", run_at=at(hours=3), now=NOON)

    assert list(queries.stuck_jobs(now=at(minutes=14))) == []
    assert list(queries.stuck_jobs(now=at(minutes=17))) == [waits, runs]


def test_the_counts_name_what_waits_runs_and_failed():
    actions.enqueue("test.work", "due", now=NOON)
    actions.enqueue("test.work", "later", run_at=at(hours=3), now=NOON)
    leases.claim(actions.enqueue("test.work", "runs", now=NOON).pk, now=NOON)
    for state in (JobState.SUCCEEDED, JobState.FAILED):
        job = actions.enqueue("test.work", state, now=NOON)
        leases.finish(leases.claim(job.pk, now=NOON), state, now=NOON)

    assert queries.counts(now=NOON) == {"queued": 2, "due": 1, "running": 1, "failed": 1}


def test_jobs_of_all_workspaces_are_listed_newest_first_and_found_by_id():
    first = actions.enqueue("test.work", "a", workspace_id=make_workspace().pk)
    second = actions.cancel(actions.enqueue("test.work", "b"))

    assert list(queries.every_job()) == [second, first]
    assert list(queries.every_job(state="queued")) == [first]
    assert queries.job_by_id(first.public_id) == first
    with pytest.raises(NotFound):
        queries.job_by_id(uuid7())


def test_the_longest_due_job_is_told_by_its_time():
    assert queries.oldest_due(now=NOON) is None
    actions.enqueue("test.work", "later", run_at=at(hours=1), now=NOON)
    actions.enqueue("test.work", "due", run_at=at(hours=-1), now=NOON)
    actions.enqueue("test.work", "due now", now=NOON)

    assert queries.oldest_due(now=NOON) == at(hours=-1)


def test_workspaces_that_listen_have_an_active_webhook_for_the_event(django_assert_num_queries):
    hears = make_workspace()
    for workspace, events, active in [
        (hears, ["files.changed"], True),
        (hears, ["files.changed", "job.failed"], True),
        (make_workspace(), ["files.changed"], False),
        (make_workspace(), ["job.failed"], True),
    ]:
        WebhookEndpoint.objects.create(
            workspace=workspace, url="https://a.example", secret="", events=events, active=active
        )

    with django_assert_num_queries(1):
        assert queries.workspaces_that_listen("files.changed") == {hears.pk}


def _body(message):
    return base64.b64decode(json.loads(message)["body"])
