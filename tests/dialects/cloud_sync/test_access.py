"""Who may, what is refused, and in which words."""

from typing import Any

import pytest
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator

from apps.accounts import tokens
from apps.accounts.scopes import ADMIN_SCOPES
from apps.snapshots.models import Restore, Snapshot
from tests.dialects.cloud_sync.service import Service, keyed_client
from tests.dialects.memory_proxy.test_access import BUCKET_THAT_IS_AWAY
from tests.factories import make_token, make_workspace

EVERY_CALL = {
    ("GET", "/sync/status"): "snapshots:read",
    ("POST", "/sync/upload"): "snapshots:write",
    ("GET", "/sync/snapshots"): "snapshots:read",
    ("POST", "/sync/download"): "snapshots:read",
    ("POST", "/sync/restore/manual_20260101_000000"): "restores:write",
    ("POST", "/backup"): "snapshots:write",
    ("GET", "/backups"): "snapshots:read",
    ("POST", "/restore"): "restores:write",
    ("GET", "/snapshots"): "snapshots:read",
    ("POST", "/snapshots"): "snapshots:write",
    ("POST", "/snapshots/manual_20260101_000000/restore"): "restores:write",
}
UNAUTHORIZED = (401, {"detail": "Invalid or missing API key"})
ADMIN_REQUIRED = (403, {"detail": "Admin key required"})


def said(answer: Any) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def unchanged() -> bool:
    return not Snapshot.objects.exists() and not Restore.objects.exists()


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
def test_without_a_key_and_with_a_wrong_one_every_call_is_401(service: Service, method: str, path: str) -> None:
    for key in (None, "wrong", "mh_x", tokens.mint().text, tokens.mint("path").text, "two words"):
        answer = service.with_key(key).request(method, path)

        assert said(answer) == UNAUTHORIZED
        assert "WWW-Authenticate" not in answer.headers
    assert unchanged()


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
def test_a_token_without_the_scope_is_told_what_the_original_says(service: Service, method: str, path: str) -> None:
    key = make_token(service.workspace, *(ADMIN_SCOPES - {EVERY_CALL[method, path]}))

    assert said(service.with_key(key).request(method, path)) == ADMIN_REQUIRED
    assert unchanged()


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
def test_a_token_with_that_scope_alone_is_let_in(service: Service, method: str, path: str) -> None:
    key = make_token(service.workspace, EVERY_CALL[method, path])

    assert service.with_key(key).request(method, path).status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
def test_a_strangers_workspace_answers_like_one_that_does_not_exist(service: Service, method: str, path: str) -> None:
    key = make_token(make_workspace(), *ADMIN_SCOPES)
    theirs = service.with_key(key).request(method, path)
    missing = keyed_client("/w/no-such-workspace/cloud-sync", key).request(method, path)

    assert said(theirs) == (404, {"detail": "Not Found"})
    assert theirs.content == missing.content
    assert unchanged()


def test_the_key_may_come_as_bearer_too_and_goes_before_it(service: Service) -> None:
    with service.with_key(None) as http:
        bearer = http.get("/backups", headers={"Authorization": f"Bearer {service.token}"})
        both = http.get("/backups", headers={"Authorization": "Basic YTpi", "X-API-Key": service.token})
        wrong = http.get("/backups", headers={"Authorization": f"Bearer {service.token}", "X-API-Key": "wrong"})

    assert (bearer.status_code, both.status_code) == (200, 200)
    assert said(wrong) == UNAUTHORIZED


def test_elsewhere_x_api_key_still_carries_no_token(service: Service) -> None:
    native = f"http://hub/api/v1/workspaces/{service.workspace.slug}"
    assert service.get("/backups").status_code == 200

    assert service.http.get(native).status_code == 401
    assert service.http.get(f"http://hub/w/{service.workspace.slug}/memory-proxy/sync").status_code == 401


def test_a_revoked_token_is_401(service: Service, settings: Any) -> None:
    from apps.accounts.models import ApiToken

    settings.MEMORYHUB_TOKEN_CACHE_S = 0.0
    assert service.get("/backups").status_code == 200
    ApiToken.objects.all().delete()

    assert said(service.get("/backups")) == UNAUTHORIZED


def test_the_static_key_is_an_editor_who_restores_nothing(service: Service, settings: Any) -> None:
    settings.API_KEY, settings.API_KEY_WORKSPACE = "static-key", service.workspace.slug
    http = service.with_key("static-key")
    made = http.post("/backup").json()

    assert http.get("/backups").json()["count"] == 1
    assert said(http.post("/restore", json={"backup_name": made["name"]})) == ADMIN_REQUIRED
    assert said(http.post(f"/sync/restore/{made['name']}", params={"confirm": "true"})) == ADMIN_REQUIRED


def test_who_asks_too_often_waits(service: Service, settings: Any, redis_url: str) -> None:
    settings.MEMORYHUB_RATE_LIMIT_TOKEN = "2/m"

    answers = [service.get("/backups") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"detail": "Too many requests"}
    assert int(answers[2].headers["Retry-After"]) in range(1, 121)


def test_a_right_key_is_never_refused_for_wrong_ones(service: Service, settings: Any, redis_url: str) -> None:
    """The original locked the whole address out."""
    settings.MEMORYHUB_RATE_LIMIT_ADDRESS = "2/m"
    with service.with_key("wrong") as http:
        wrong = [http.get("/backups").status_code for _ in range(4)]

    assert wrong == [401, 401, 429, 429]
    assert service.get("/backups").status_code == 200


@pytest.mark.parametrize("path", ["/export", "/import", "/", "/sync", "/sync/other", "/ui", "/memories", "/stats"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_other_address_is_404_in_its_own_shape_with_and_without_a_key(
    service: Service, method: str, path: str
) -> None:
    for key in (service.token, None):
        assert said(service.with_key(key).request(method, path)) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/sync/status", "GET, HEAD"),
        ("GET", "/sync/upload", "POST"),
        ("DELETE", "/snapshots", "GET, HEAD, POST"),
        ("GET", "/restore", "POST"),
        ("PUT", "/health", "GET, HEAD"),
    ],
)
def test_other_methods_are_405(service: Service, method: str, path: str, allowed: str) -> None:
    answer = service.call(method, path)

    assert said(answer) == (405, {"detail": "Method Not Allowed"})
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_health_is_open_and_the_same_for_every_slug(service: Service, path: str) -> None:
    here, nowhere = (
        keyed_client(f"/w/{slug}/cloud-sync", None).get(path) for slug in (service.workspace.slug, "nowhere")
    )

    assert here.status_code == 200
    assert here.json()["status"] == {"/health": "ok", "/health/ready": "ready"}[path]
    assert here.content == nowhere.content


def test_health_is_503_while_storage_is_away(service: Service) -> None:
    from apps.operations import probes

    with override_settings(STORAGES=BUCKET_THAT_IS_AWAY):
        for probe in {*probes.HEALTH, *probes.READINESS}:
            probe.forget()
        answers = [service.get("/health"), service.get("/health/ready")]

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(503, "error"), (503, "not_ready")]


def test_at_a_root_the_dialect_answers_its_paths_and_the_hub_keeps_its_own(service: Service) -> None:
    with keyed_client("", service.token, root_dialect=f"cloud-sync:{service.workspace.slug}") as http:
        made = http.post("/backup")
        listed, off, gone = http.get("/backups"), http.get("/sync/status"), http.get("/export")
        health, ready = http.get("/health"), http.get("/health/ready")

    assert (made.status_code, listed.json()["count"], off.json()["enabled"]) == (200, 1, False)
    assert said(gone) == (404, {"detail": "Not Found"})
    assert list(health.json()) == ["status", "timestamp", "version"]
    assert ready.json()["status"] == "ready"


def test_the_dialect_is_not_in_the_description_of_the_hubs_own_api() -> None:
    description = SchemaGenerator().get_schema(request=None, public=True)

    assert [path for path in description["paths"] if path.startswith("/w/")] == []
