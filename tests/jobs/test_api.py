"""Jobs and webhooks over HTTP."""

import uuid

import pytest

from apps.accounts.models import AuditEvent
from apps.jobs import actions, leases
from apps.jobs.api import schemas
from apps.jobs.models import Job, JobState, WebhookDelivery, WebhookEndpoint
from tests.factories import bearer, make_token, make_workspace

NO_ID = "00000000-0000-7000-8000-000000000000"

pytestmark = pytest.mark.django_db

AREA = {"url": "https://hooks.example.org/memory", "events": ["files.changed", "job.failed"]}


@pytest.fixture(autouse=True)
def kind(register):
    register("test.work", lambda run: None, max_attempts=20)
    register("test.other", lambda run: None)


@pytest.fixture
def workspace():
    return make_workspace("mine")


@pytest.fixture
def call(client, workspace):
    """One call to the workspace's API, with a token of these scopes."""

    def send(method, path, body=None, *, scopes=("jobs:read", "jobs:write", "workspace:admin"), slug="mine"):
        token = make_token(workspace, *scopes)
        address = f"/api/v1/workspaces/{slug}/{path}"
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(client, method.lower())(address, headers=bearer(token), **content)

    return send


def make_job(workspace, subject="a", kind="test.work", **options):
    return actions.enqueue(kind, subject, workspace_id=workspace.pk, actor="system", request_id="req-1", **options)


def failed(job):
    leases.finish(leases.claim(job.pk), JobState.FAILED, code="transient", detail="away")
    return job


def test_a_job_is_shown_as_its_example_says(call, workspace):
    job = make_job(workspace)

    answer = call("GET", f"jobs/{job.public_id}")

    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == schemas.JOB_EXAMPLE.keys()
    shown = {
        name: value
        for name, value in body.items()
        if name not in ("id", "created_at", "next_run_at", "kind", "request_id")
    }
    assert shown == {name: schemas.JOB_EXAMPLE[name] for name in shown}
    assert (body["id"], body["kind"], body["request_id"]) == (str(job.public_id), "test.work", "req-1")


def test_a_failed_job_shows_why(call, workspace):
    body = call("GET", f"jobs/{failed(make_job(workspace)).public_id}").json()

    assert (body["state"], body["error"]) == ("failed", {"code": "transient", "detail": "away"})
    assert (body["next_run_at"], body["attempts"]) == (None, 1)


def test_jobs_are_listed_newest_first_in_pages(call, workspace):
    jobs = [str(make_job(workspace, str(number)).public_id) for number in range(3)]

    first = call("GET", "jobs?limit=2").json()
    second = call("GET", f"jobs?limit=2&cursor={first['next_cursor']}").json()

    assert [item["id"] for item in first["items"]] == [jobs[2], jobs[1]]
    assert [item["id"] for item in second["items"]] == [jobs[0]]
    assert second["next_cursor"] is None


def test_jobs_are_filtered_by_state_and_kind(call, workspace):
    waits = make_job(workspace, "waits")
    broken = failed(make_job(workspace, "broken"))
    other = make_job(workspace, kind="test.other")

    def ids(query):
        return {item["id"] for item in call("GET", f"jobs?{query}").json()["items"]}

    assert ids("state=failed") == {str(broken.public_id)}
    assert ids("kind=test.work") == {str(waits.public_id), str(broken.public_id)}
    assert ids("kind=test.other&state=queued") == {str(other.public_id)}
    assert ids("kind=test.unknown") == set()


@pytest.mark.parametrize("query", ["state=lost", "kind=A", "kind=%00", "limit=0"])
def test_a_filter_that_cannot_be_is_422(call, query):
    answer = call("GET", f"jobs?{query}")

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"


def test_a_cursor_of_nowhere_is_400(call):
    answer = call("GET", "jobs?cursor=nonsense")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("count", [1, 50])
def test_the_list_costs_the_same_for_one_job_and_for_fifty(client, workspace, django_assert_num_queries, count):
    for number in range(count):
        make_job(workspace, str(number))
    headers = bearer(make_token(workspace, "jobs:read"))
    client.get("/api/v1/workspaces/mine/jobs", headers=headers)

    with django_assert_num_queries(1):
        assert len(client.get("/api/v1/workspaces/mine/jobs", headers=headers).json()["items"]) == count


def test_a_failed_job_is_tried_again(call, workspace):
    job = failed(make_job(workspace))

    answer = call("POST", f"jobs/{job.public_id}:retry")

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["attempts"], answer.json()["error"]) == ("queued", 0, None)


def test_a_waiting_job_is_not_tried_again(call, workspace):
    job = make_job(workspace)

    answer = call("POST", f"jobs/{job.public_id}:retry")

    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "job_not_retryable", "queued")


def test_a_failed_job_beside_a_newer_one_is_409(call, workspace):
    job = failed(make_job(workspace))
    make_job(workspace)

    answer = call("POST", f"jobs/{job.public_id}:retry")

    assert (answer.status_code, answer.json()["code"]) == (409, "run_in_progress")
    job.refresh_from_db()
    assert job.state == "failed"


def test_a_waiting_job_is_cancelled(call, workspace):
    job = make_job(workspace)

    answer = call("POST", f"jobs/{job.public_id}:cancel")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["state"], body["cancel_requested"], body["next_run_at"]) == ("cancelled", True, None)


def test_a_running_job_is_asked_to_stop(call, workspace):
    job = make_job(workspace)
    leases.claim(job.pk)

    body = call("POST", f"jobs/{job.public_id}:cancel").json()

    assert (body["state"], body["cancel_requested"]) == ("running", True)


def test_a_job_that_has_ended_is_not_cancelled(call, workspace):
    job = failed(make_job(workspace))

    answer = call("POST", f"jobs/{job.public_id}:cancel")

    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "job_finished", "failed")


@pytest.mark.parametrize(
    "method,path",
    [
        ("GET", "jobs/{id}"),
        ("POST", "jobs/{id}:retry"),
        ("POST", "jobs/{id}:cancel"),
        ("GET", "webhooks/{hook}"),
        ("PATCH", "webhooks/{hook}"),
        ("DELETE", "webhooks/{hook}"),
        ("POST", "webhooks/{hook}:test"),
        ("GET", "webhooks/{hook}/deliveries"),
    ],
)
def test_what_belongs_to_another_workspace_is_404_like_what_does_not_exist(call, method, path):
    other = make_workspace("other")
    job = failed(make_job(other))
    hook = WebhookEndpoint.objects.create(workspace=other, url="https://a.example", secret="", events=["job.failed"])
    before = (Job.objects.values().get(), WebhookEndpoint.objects.values().get())

    def send(job_id, hook_id):
        return call(method, path.format(id=job_id, hook=hook_id), {} if method == "PATCH" else None)

    foreign, missing = send(job.public_id, hook.public_id), send(uuid.uuid4(), uuid.uuid4())

    assert foreign.status_code == 404
    assert foreign.content == missing.content
    assert (Job.objects.values().get(), WebhookEndpoint.objects.values().get()) == before


def test_jobs_of_other_workspaces_and_of_the_hub_are_not_listed(call):
    make_job(make_workspace("other"))
    actions.enqueue("test.work", "of the hub")

    assert call("GET", "jobs").json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "method,path,needed",
    [
        ("GET", "jobs", "jobs:read"),
        ("POST", f"jobs/{NO_ID}:retry", "jobs:write"),
        ("POST", f"jobs/{NO_ID}:cancel", "jobs:write"),
        ("GET", "webhooks", "workspace:admin"),
        ("POST", "webhooks", "workspace:admin"),
        ("POST", f"webhooks/{NO_ID}:test", "workspace:admin"),
    ],
)
def test_each_operation_needs_its_scope(call, method, path, needed):
    answer = call(method, path, scopes=["files:read"])

    assert (answer.status_code, answer.json()["code"], answer.json()["scope"]) == (403, "scope_missing", needed)


def test_a_webhook_is_added_and_its_secret_shown_once(call):
    answer = call("POST", "webhooks", AREA)

    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    assert body == schemas.WEBHOOK_EXAMPLE | {"id": body["id"], "created_at": body["created_at"]}
    again = call("GET", f"webhooks/{body['id']}")
    assert again.json() == body
    assert secret not in again.content.decode() + call("GET", "webhooks").content.decode()


@pytest.mark.parametrize(
    "body,status,code",
    [
        ({"url": "https://a.example"}, 422, "invalid"),
        (AREA | {"events": []}, 422, "invalid"),
        (AREA | {"events": ["files.deleted"]}, 422, "invalid"),
        (AREA | {"secret": "mine"}, 422, "invalid"),
        (AREA | {"url": "http://127.0.0.1/"}, 422, "url_blocked"),
        (AREA | {"url": "gopher://a.example/"}, 422, "url_blocked"),
        ([1], 422, "invalid"),
        ("nonsense", 400, "bad_json"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_and_nothing_is_written(call, body, status, code):
    answer = call("POST", "webhooks", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not WebhookEndpoint.objects.exists()


def test_a_webhook_is_changed_and_audited(call):
    hook = call("POST", "webhooks", AREA).json()
    WebhookEndpoint.objects.update(active=False, disabled_at="2026-01-05T09:30:00Z")

    body = call("PATCH", f"webhooks/{hook['id']}", {"events": ["job.failed"], "active": True}).json()

    assert (body["events"], body["active"], body["url"], body["disabled_at"]) == (
        ["job.failed"],
        True,
        AREA["url"],
        None,
    )
    event = AuditEvent.objects.get(action="webhook.changed")
    assert "events" in event.details["fields"]


def test_naming_nothing_changes_nothing(call):
    hook = call("POST", "webhooks", AREA).json()
    WebhookEndpoint.objects.update(active=False)

    body = call("PATCH", f"webhooks/{hook['id']}", {}).json()

    assert body["active"] is False
    assert not AuditEvent.objects.filter(action="webhook.changed").exists()


def test_a_webhook_is_deleted_with_what_waits_for_it(call):
    hook = call("POST", "webhooks", AREA).json()
    call("POST", f"webhooks/{hook['id']}:test")

    answer = call("DELETE", f"webhooks/{hook['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert AuditEvent.objects.filter(action="webhook.deleted", subject=hook["id"]).count() == 1
    assert call("DELETE", f"webhooks/{hook['id']}").status_code == 404


def test_a_test_event_is_on_its_way(call):
    hook = call("POST", "webhooks", AREA).json()

    answer = call("POST", f"webhooks/{hook['id']}:test")

    assert answer.status_code == 202
    body = answer.json()
    assert body == schemas.DELIVERY_EXAMPLE | {"id": body["id"], "created_at": body["created_at"]}
    assert call("GET", f"webhooks/{hook['id']}/deliveries").json() == {"items": [body], "next_cursor": None}
    job = Job.objects.get(kind="webhooks.deliver")
    assert job.subject == body["id"]


def test_a_webhook_that_is_off_is_not_tested(call):
    hook = call("POST", "webhooks", AREA | {"active": False}).json()

    answer = call("POST", f"webhooks/{hook['id']}:test")

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "inactive")
    assert not Job.objects.exists()
