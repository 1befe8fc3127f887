"""Webhooks: what is sent, when it is tried again, and when the hub gives up."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from werkzeug import Response

from apps.accounts.actors import Actor
from apps.accounts.models import AuditEvent
from apps.common import webhooks
from apps.common.errors import Invalid, UrlBlocked
from apps.jobs import actions, endpoints, leases, running
from apps.jobs.models import Job, JobState, WebhookDelivery, WebhookEndpoint
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db

ACTOR = Actor("token:abc")


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.MEMORYHUB_OUTBOUND_ALLOW = ("127.0.0.1", "localhost")


@pytest.fixture
def workspace():
    return make_workspace("mine")


@pytest.fixture
def hook(workspace, httpserver):
    """An endpoint at the test's own receiver, and its secret."""
    return endpoints.create_endpoint(
        workspace.pk, url=httpserver.url_for("/hook?key=s3cret"), events=actions.EVENTS, actor=ACTOR
    )


def emit(workspace, event="files.changed", **data):
    with transaction.atomic():
        return actions.emit(workspace.pk, event, data)


def deliver_once(*, at=None):
    """Runs the one waiting delivery; the runner's word and the delivery."""
    job = Job.objects.get(kind="webhooks.deliver", state=JobState.QUEUED)
    word = running.run_claimed(leases.claim(job.pk, now=job.next_run_at), now=at, chance=0.0)
    return word, WebhookDelivery.objects.get(public_id=job.subject)


def test_an_event_arrives_signed_with_its_workspace_and_data(workspace, hook, httpserver):
    _, secret = hook
    httpserver.expect_oneshot_request("/hook", method="POST").respond_with_data("", status=204)

    assert emit(workspace, sequence=7) == 1
    word, delivery = deliver_once()

    request, _ = httpserver.log[0]
    body = request.get_data()
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert webhooks.verify([secret], headers, body, now=datetime.now(UTC)) == f"msg_{delivery.public_id.hex}"
    said = json.loads(body)
    assert (said["type"], said["data"]) == ("files.changed", {"workspace": "mine", "sequence": 7})
    assert (word, delivery.state, delivery.attempts, delivery.status_code) == ("succeeded", "delivered", 1, 204)


def test_only_active_endpoints_of_this_workspace_that_listen_hear_it(workspace, hook):
    def add(workspace, events, *, active=True):
        endpoints.create_endpoint(workspace.pk, url="http://127.0.0.1:9/", events=events, active=active, actor=ACTOR)

    add(workspace, ["job.failed"])
    add(workspace, ["files.changed"], active=False)
    add(make_workspace(), ["files.changed"])

    assert emit(workspace) == 1

    assert [delivery.endpoint for delivery in WebhookDelivery.objects.all()] == [hook[0]]


@pytest.mark.parametrize("status", [500, 429, 404, 301])
def test_any_answer_but_a_success_is_tried_again(workspace, hook, httpserver, status):
    httpserver.expect_request("/hook").respond_with_data("", status=status)
    emit(workspace)

    word, delivery = deliver_once()

    assert word == "retry"
    assert (delivery.state, delivery.attempts, delivery.status_code) == ("pending", 1, status)
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.active
    assert endpoint.failing_since is not None
    assert endpoint.last_error == f"http://localhost:{httpserver.port} answered {status}"


def test_every_attempt_carries_the_same_id_and_a_success_clears_the_failure(workspace, hook, httpserver):
    httpserver.expect_ordered_request("/hook").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/hook").respond_with_data("", status=200)
    emit(workspace)

    assert [deliver_once()[0] for _ in range(2)] == ["retry", "succeeded"]

    ids = [request.headers["webhook-id"] for request, _ in httpserver.log]
    assert ids[0] == ids[1]
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.failing_since, endpoint.last_error) == (None, "")
    assert endpoint.last_success_at is not None


def test_a_receiver_that_asks_for_time_gets_it(workspace, hook, httpserver):
    httpserver.expect_request("/hook").respond_with_response(Response(status=429, headers={"Retry-After": "600"}))
    emit(workspace)
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)

    deliver_once(at=now)

    assert Job.objects.get().next_run_at == now + timedelta(seconds=600)


def test_the_last_attempt_ends_the_delivery(workspace, hook, httpserver):
    httpserver.expect_request("/hook").respond_with_data("", status=500)
    emit(workspace)
    Job.objects.update(attempts=19)

    word, delivery = deliver_once()

    assert (word, delivery.state) == ("failed", "failed")
    assert delivery.finished_at is not None
    assert Job.objects.get().state == "failed"


def test_after_three_days_of_failures_the_endpoint_is_switched_off_and_audited(workspace, hook, httpserver):
    httpserver.expect_request("/hook").respond_with_data("", status=500)
    WebhookEndpoint.objects.update(failing_since=datetime.now(UTC) - timedelta(days=3, minutes=1))
    emit(workspace)

    deliver_once()

    endpoint = WebhookEndpoint.objects.get()
    assert not endpoint.active
    assert endpoint.disabled_at is not None
    event = AuditEvent.objects.get(action="webhook.disabled")
    assert (event.actor, event.workspace_id, event.subject) == ("system", workspace.pk, str(endpoint.public_id))


def test_a_receiver_that_is_gone_is_switched_off_at_once(workspace, hook, httpserver):
    httpserver.expect_request("/hook").respond_with_data("", status=410)
    emit(workspace)

    word, delivery = deliver_once()

    assert (word, delivery.state) == ("failed", "failed")
    assert not WebhookEndpoint.objects.get().active


def test_what_waits_for_a_switched_off_endpoint_is_not_sent(workspace, hook, httpserver):
    emit(workspace)
    endpoints.change_endpoint(hook[0], active=False, actor=ACTOR)

    word, delivery = deliver_once()

    assert (word, delivery.state, delivery.last_error) == ("succeeded", "failed", "the webhook is switched off")
    assert httpserver.log == []


def test_a_delivery_of_a_deleted_endpoint_ends_quietly(workspace, hook):
    emit(workspace)
    endpoints.delete_endpoint(hook[0], actor=ACTOR)

    job = Job.objects.get()

    assert running.run_job(job.pk) == "succeeded"
    job.refresh_from_db()
    assert job.result == {"outcome": "gone"}


def test_a_delivery_that_arrived_is_not_sent_twice(workspace, hook, httpserver):
    httpserver.expect_oneshot_request("/hook").respond_with_data("")
    emit(workspace)
    _, delivery = deliver_once()

    actions.enqueue("webhooks.deliver", str(delivery.public_id), workspace_id=workspace.pk)
    word, _ = deliver_once()

    assert word == "succeeded"
    assert len(httpserver.log) == 1


def test_a_network_that_may_not_be_called_fails_the_delivery(workspace, hook, httpserver, settings):
    settings.MEMORYHUB_OUTBOUND_ALLOW = ()
    emit(workspace)

    word, delivery = deliver_once()

    assert (word, delivery.state) == ("failed", "failed")
    assert Job.objects.get().error_code == "url_blocked"
    assert httpserver.log == []


def test_a_failed_job_is_told_to_the_workspace(workspace, hook, httpserver, register):
    def worker(run):
        raise Invalid("Not this way.")

    register("test.work", worker)
    job = actions.enqueue("test.work", "a", workspace_id=workspace.pk)
    httpserver.expect_oneshot_request("/hook").respond_with_data("")

    running.run_job(job.pk)
    deliver_once()

    said = json.loads(httpserver.log[0][0].get_data())
    assert said["type"] == "job.failed"
    assert said["data"] == {
        "workspace": "mine",
        "job": str(job.public_id),
        "kind": "test.work",
        "attempts": 1,
        "error": {"code": "invalid", "detail": "Not this way."},
    }


def test_a_failed_delivery_is_not_told_to_anybody(workspace, hook, httpserver):
    httpserver.expect_request("/hook").respond_with_data("", status=410)
    emit(workspace)

    deliver_once()

    assert WebhookDelivery.objects.count() == 1


def test_a_job_without_a_workspace_fails_in_silence(hook, register):
    def worker(run):
        raise Invalid("no")

    register("test.work", worker)

    assert running.run_job(actions.enqueue("test.work", "a").pk) == "failed"
    assert not WebhookDelivery.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_told(workspace, hook):
    with transaction.atomic():
        actions.emit(workspace.pk, "files.changed", {})
        transaction.set_rollback(True)

    assert not WebhookDelivery.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "http://",
        "http://user:pw@a.example/",
        "https://[::1/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "https://a.example/" + "x" * 2000,
        "javascript:alert(1)",
    ],
)
def test_an_address_that_could_never_be_called_is_refused(workspace, url):
    with pytest.raises(UrlBlocked):
        endpoints.create_endpoint(workspace.pk, url=url, events=["job.failed"], actor=ACTOR)

    assert not WebhookEndpoint.objects.exists()
    assert not AuditEvent.objects.filter(action="webhook.created").exists()


def test_the_secret_is_kept_encrypted_and_the_audit_names_no_path(hook):
    endpoint, secret = hook

    assert secret not in endpoint.secret
    assert endpoints.secret_of(endpoint) == secret
    event = AuditEvent.objects.get(action="webhook.created")
    assert event.details == {"origin": endpoints.origin_of(endpoint), "events": ["files.changed", "job.failed"]}
    assert "s3cret" not in str(event.details)


def test_a_workspace_has_at_most_fifty_webhooks(workspace):
    WebhookEndpoint.objects.bulk_create(
        WebhookEndpoint(workspace=workspace, url="https://a.example", secret="", events=[]) for _ in range(50)
    )

    with pytest.raises(Invalid):
        endpoints.create_endpoint(workspace.pk, url="https://a.example", events=["job.failed"], actor=ACTOR)

    assert WebhookEndpoint.objects.count() == 50
