"""Retries of creating requests, on a real view."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts import actions, idempotency
from apps.accounts.models import ApiToken, AuditEvent, IdempotencyKey
from apps.accounts.sql import Claim
from apps.common.errors import Busy, IdempotencyInUse, IdempotencyMismatch
from apps.jobs.models import WebhookEndpoint
from apps.workspaces.models import ExternalIdentity
from tests.factories import bearer, make_token, make_workspace

pytestmark = pytest.mark.django_db

WISH = {"provider": "heare", "subject": "key_ada", "scopes": ["files:read"]}


@pytest.fixture
def admin():
    """Headers of an administrator of `mine`."""
    return bearer(make_token(make_workspace("mine"), "files:read", "workspace:admin"))


def add(client, headers, key="k1", slug="mine", **changes):
    extra = {} if key is None else {"Idempotency-Key": key}
    return client.post(
        f"/api/v1/workspaces/{slug}/identities", WISH | changes, "application/json", headers=headers | extra
    )


def test_a_retry_gets_the_same_bytes_and_creates_nothing(client, admin):
    first = add(client, admin)
    again = add(client, admin)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first["Content-Type"] == again["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert ExternalIdentity.objects.count() == 1
    assert AuditEvent.objects.filter(action="identity.added").count() == 1


def test_without_the_header_a_repetition_is_an_ordinary_request(client, admin):
    add(client, admin, key=None)

    assert add(client, admin, key=None).json()["code"] == "already_exists"
    assert IdempotencyKey.objects.count() == 0


def test_another_body_under_the_same_key_is_refused_and_does_nothing(client, admin):
    add(client, admin)

    answer = add(client, admin, subject="key_bob")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert ExternalIdentity.objects.count() == 1


def test_keys_belong_to_their_token(client, admin):
    other = bearer(make_token(make_workspace("other"), "files:read", "workspace:admin"))
    add(client, admin)

    assert add(client, other, slug="other").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\t", "\u00e9"])
def test_a_malformed_key_is_refused_and_nothing_is_created(client, admin, key):
    answer = add(client, admin, key=key)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert ExternalIdentity.objects.count() == 0


def test_while_the_first_request_runs_a_second_is_told_so(client, admin):
    add(client, admin)
    IdempotencyKey.objects.update(status=None, body=None)

    answer = add(client, admin)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_use")


def test_a_request_that_died_is_taken_over_after_its_lease(client, admin, settings):
    add(client, admin)
    ExternalIdentity.objects.all().delete()
    lease = timedelta(seconds=settings.MEMORYHUB_REQUEST_TIMEOUT_S + idempotency.GRACE_S)
    IdempotencyKey.objects.update(status=None, body=None, created_at=timezone.now() - lease)

    assert add(client, admin).status_code == 201
    assert ExternalIdentity.objects.count() == 1
    assert IdempotencyKey.objects.get().status == 201


def test_a_final_refusal_is_replayed(client, admin):
    first = add(client, admin, scopes=["no:such"])
    again = add(client, admin, scopes=["no:such"])

    assert first.status_code == again.status_code == 422
    assert first.content == again.content
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"


def test_a_conflict_is_judged_anew(client, admin):
    add(client, admin, key=None)
    assert add(client, admin).status_code == 409
    ExternalIdentity.objects.all().delete()

    assert add(client, admin).status_code == 201


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("tokens", {"scopes": ["files:read"]}),
        ("webhooks", {"url": "https://hooks.example.org/x", "events": ["files.changed"]}),
    ],
)
def test_where_the_answer_holds_a_secret_a_key_is_refused_and_nothing_is_made(client, admin, what, body):
    before = (ApiToken.objects.count(), AuditEvent.objects.count())

    answer = client.post(
        f"/api/v1/workspaces/mine/{what}", body, "application/json", headers=admin | {"Idempotency-Key": "once"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [("Idempotency-Key", "not_taken")]
    assert (ApiToken.objects.count(), AuditEvent.objects.count()) == before
    assert (WebhookEndpoint.objects.count(), IdempotencyKey.objects.count()) == (0, 0)
    assert client.post(f"/api/v1/workspaces/mine/{what}", body, "application/json", headers=admin).status_code == 201


class Request:
    """As much of a request as the decorator reads."""

    method, path, body = "POST", "/x", b""

    def __init__(self, actor):
        self.META = {"HTTP_IDEMPOTENCY_KEY": "k1"}
        self.actor = actor


@pytest.mark.parametrize("failure", [Busy(), RuntimeError("bug")])
def test_a_failure_of_ours_gives_the_key_back(failure):
    @idempotency.idempotent
    def failing(view, request):
        raise failure

    with pytest.raises(type(failure)):
        failing(None, Request(actions.Actor("token:a")))

    assert IdempotencyKey.objects.count() == 0


def test_a_late_first_request_cannot_overwrite_the_one_that_took_over():
    late = actions.claim_idempotency_key("a", "k", fingerprint=b"f", lease_s=0)
    taken_over = actions.claim_idempotency_key("a", "k", fingerprint=b"f", lease_s=0)
    assert isinstance(taken_over, Claim)

    actions.keep_answer(late, actions.KeptAnswer(201, "late", {}))
    actions.release_idempotency_key(late)

    assert IdempotencyKey.objects.get().status is None
    actions.keep_answer(taken_over, actions.KeptAnswer(201, "kept", {}))
    assert actions.claim_idempotency_key("a", "k", fingerprint=b"f", lease_s=0).text == "kept"


def test_keys_are_kept_for_24_hours():
    claim = actions.claim_idempotency_key("a", "k", fingerprint=b"f", lease_s=60)
    actions.keep_answer(claim, actions.KeptAnswer(201, "first", {}))
    now = timezone.now()
    IdempotencyKey.objects.update(created_at=now - timedelta(hours=24, seconds=1))

    assert isinstance(actions.claim_idempotency_key("a", "k", fingerprint=b"other", lease_s=60), Claim)
    IdempotencyKey.objects.update(created_at=now - timedelta(hours=24, seconds=1))
    assert actions.forget_kept_answers(now=now) == 1
    assert actions.forget_kept_answers(now=now) == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_equal_requests_one_gets_the_claim():
    outcomes = []

    def claim():
        try:
            outcomes.append(actions.claim_idempotency_key("a", "k", fingerprint=b"f", lease_s=60))
        except IdempotencyInUse:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 12
    assert sum(isinstance(outcome, Claim) for outcome in outcomes) == 1


def test_a_mismatch_is_told_even_while_the_first_runs():
    actions.claim_idempotency_key("a", "k", fingerprint=b"f", lease_s=60)

    with pytest.raises(IdempotencyMismatch):
        actions.claim_idempotency_key("a", "k", fingerprint=b"g", lease_s=60)
