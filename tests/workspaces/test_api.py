"""Who calls, and the workspaces, by HTTP."""

import json

import pytest

from apps.accounts import tokens
from apps.accounts.models import ApiToken
from apps.accounts.scopes import ADMIN_SCOPES
from apps.workspaces import actions
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, bearer, make_member, make_token, make_workspace
from tests.workspaces.trail import audit_lines

pytestmark = pytest.mark.django_db

MINE = "/api/v1/workspaces/mine"
JSON = "application/json"


# Who am I


def test_me_names_the_token_and_where_it_leads(client, mine):
    text = make_token(mine, "files:read", name="laptop")
    actions.grant_token(make_workspace("also"), ApiToken.objects.get(), actor=ACTOR)

    body = client.get("/api/v1/me", headers=bearer(text)).json()

    public_id = tokens.parse(text).public_id
    assert body["actor"] == f"token:{public_id}"
    assert (body["kind"], body["user"], body["scopes"]) == ("token", None, ["files:read"])
    assert (body["token"]["id"], body["token"]["name"], body["token"]["revoked_at"]) == (public_id, "laptop", None)
    assert body["workspaces"] == [
        {"slug": "also", "name": "", "role": None, "scopes": ["files:read"]},
        {"slug": "mine", "name": "", "role": None, "scopes": ["files:read"]},
    ]
    assert text not in json.dumps(body)


def test_a_users_token_shows_the_role_and_leaves_out_workspaces_without_membership(client, mine):
    user = make_member(mine, "viewer", "ada")
    text = make_token(mine, "files:read", "files:write", user=user)
    also = make_workspace("also")
    actions.set_member(also, user, "editor", actor=ACTOR)
    actions.grant_token(also, ApiToken.objects.get(), actor=ACTOR)
    actions.remove_member(also, "ada", actor=ACTOR)

    body = client.get("/api/v1/me", headers=bearer(text)).json()

    assert body["user"] == "ada"
    assert body["workspaces"] == [{"slug": "mine", "name": "", "role": "viewer", "scopes": ["files:read"]}]


def test_the_list_of_workspaces_is_paged_and_holds_no_archived_one(client, mine):
    text = make_token(mine, "files:read")
    token = ApiToken.objects.get()
    for slug in ("b", "c", "gone"):
        actions.grant_token(make_workspace(slug), token, actor=ACTOR)
    actions.archive_workspace(Workspace.objects.get(slug="gone"), actor=ACTOR)

    first = client.get("/api/v1/workspaces?limit=2", headers=bearer(text)).json()
    second = client.get(f"/api/v1/workspaces?limit=2&cursor={first['next_cursor']}", headers=bearer(text)).json()

    assert [each["slug"] for each in first["items"]] == ["b", "c"]
    assert [each["slug"] for each in second["items"]] == ["mine"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x"])
def test_a_bad_limit_is_invalid(client, admin, query):
    assert client.get(f"/api/v1/workspaces?{query}", headers=admin).json()["code"] == "invalid"


def test_a_cursor_of_another_list_is_refused(client, admin, mine):
    make_token(mine)
    cursor = client.get(f"{MINE}/tokens?limit=1", headers=admin).json()["next_cursor"]

    for address in (f"{MINE}/audit", f"{MINE}/members", "/api/v1/workspaces"):
        answer = client.get(f"{address}?cursor={cursor}x", headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")
    assert client.get(f"/api/v1/workspaces?cursor={cursor}", headers=admin).json()["code"] == "bad_cursor"


@pytest.mark.parametrize("address", ["/api/v1/me", "/api/v1/workspaces", MINE])
def test_nothing_is_told_without_a_token(client, address):
    answer = client.get(address)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


# One workspace


def test_reading_a_workspace(client, mine):
    body = client.get(MINE, headers=bearer(make_token(mine, "files:read"))).json()

    assert body == {
        "id": str(mine.public_id),
        "slug": "mine",
        "created_at": body["created_at"],
        "name": "",
        "quota_files": None,
        "quota_live_bytes": None,
        "quota_stored_bytes": None,
        "history_days": None,
        "tombstone_days": None,
        "portable_names": False,
        "cors_origins": [],
        "usage": {"live_files": 0, "live_bytes": 0, "stored_bytes": 0},
    }
    assert body["created_at"].endswith("Z")


def test_changing_options_is_audited_with_old_and_new(client, mine, admin):
    answer = client.patch(MINE, {"name": "Mine", "history_days": 30, "quota_files": None}, JSON, headers=admin)

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["history_days"]) == ("Mine", 30)
    assert audit_lines()[-1] == (
        "workspace.updated",
        "mine",
        {"name": {"from": "", "to": "Mine"}, "history_days": {"from": None, "to": 30}},
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slug": "other"}, ""),
        ({"epoch": None}, ""),
        ({"name": 7}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"history_days": 0}, "history_days"),
        ({"history_days": True}, "history_days"),
        ({"quota_files": -1}, "quota_files"),
        ({"quota_live_bytes": 2**63}, "quota_live_bytes"),
        ({"quota_live_bytes": 1.5}, "quota_live_bytes"),
        ({"portable_names": "yes"}, "portable_names"),
        ({"cors_origins": ["javascript:x"]}, "cors_origins"),
        ({"cors_origins": "*"}, "cors_origins"),
        ({"cors_origins": ["https://a.example/"]}, "cors_origins"),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
)
def test_a_wrong_option_is_invalid_and_changes_nothing(client, mine, admin, body, field):
    before = Workspace.objects.values().get()

    answer = client.patch(MINE, json.dumps(body), JSON, headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert Workspace.objects.values().get() == before


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"\\udfff": 1}',
        b"1" * 5000,
    ],
)
def test_a_body_that_is_not_json_is_bad_json(client, mine, admin, content):
    answer = client.generic("PATCH", MINE, content or b" ", JSON, headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")
    assert Workspace.objects.get().name == ""


def test_another_media_type_is_refused(client, mine, admin):
    answer = client.generic("PATCH", MINE, b"name=x", "application/x-www-form-urlencoded", headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


def test_a_body_over_a_mebibyte_is_too_large(client, mine, admin):
    answer = client.patch(MINE, {"name": "x" * 2**20}, JSON, headers=admin)

    assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (413, "too_large", 2**20)


@pytest.mark.parametrize(
    ("method", "address", "allow"),
    [
        ("POST", MINE, "GET, HEAD, PATCH, DELETE"),
        ("OPTIONS", MINE, "GET, HEAD, PATCH, DELETE"),
        ("TRACE", MINE, "GET, HEAD, PATCH, DELETE"),
        ("PUT", "/api/v1/me", "GET, HEAD"),
        ("PUT", f"{MINE}/tokens", "GET, HEAD, POST"),
        ("GET", f"{MINE}/tokens/x", "DELETE"),
    ],
)
def test_a_wrong_method_is_405_with_those_that_are_taken(client, admin, method, address, allow):
    answer = client.generic(method, address, headers=admin)

    assert (answer.status_code, answer.json()["code"], answer["Allow"]) == (405, "method_not_allowed", allow)


def test_accept_is_not_argued_about(client, admin):
    answer = client.get(MINE, headers=admin | {"Accept": "text/html"})

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


def test_head_is_get_without_a_body(client, admin):
    assert client.head(MINE, headers=admin).status_code == 200


def test_archiving_wants_the_slug_again(client, mine, admin):
    for query in ("", "?confirm=", "?confirm=other"):
        answer = client.delete(MINE + query, headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (400, "confirm_required")
    assert Workspace.objects.get().archived_at is None

    assert client.delete(f"{MINE}?confirm=mine", headers=admin).status_code == 204
    assert Workspace.objects.get().archived_at is not None
    assert audit_lines()[-1] == ("workspace.archived", "mine", {})


@pytest.mark.parametrize(("role", "status"), [("admin", 403), ("owner", 204)])
def test_of_users_only_an_owner_archives(client, mine, role, status):
    headers = bearer(make_token(mine, *ADMIN_SCOPES, user=make_member(mine, role)))

    assert client.delete(f"{MINE}?confirm=mine", headers=headers).status_code == status
    assert (Workspace.objects.get().archived_at is not None) == (status == 204)
