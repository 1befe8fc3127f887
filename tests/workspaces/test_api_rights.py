"""Who may enter a workspace: tokens, members, identities and the audit trail, by HTTP."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import ApiToken, AuditEvent
from apps.accounts.scopes import ADMIN_SCOPES, ALL_SCOPES, EDITOR_SCOPES
from apps.common.times import rfc3339, rfc3339_or_none
from apps.workspaces import actions
from apps.workspaces.models import ExternalIdentity, Membership, TokenGrant
from tests.factories import ACTOR, bearer, make_member, make_token, make_user, make_workspace
from tests.workspaces.trail import audit_lines

pytestmark = pytest.mark.django_db

MINE = "/api/v1/workspaces/mine"
JSON = "application/json"


# Tokens


def test_an_issued_token_works_and_is_shown_once(client, mine, admin):
    wish = {"name": "laptop", "scopes": ["files:read"], "expires_days": 30}

    answer = client.post(f"{MINE}/tokens", wish, JSON, headers=admin)
    text = answer.json()["token"]
    listed = client.get(f"{MINE}/tokens", headers=admin)

    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    assert (answer.json()["name"], answer.json()["scopes"], answer.json()["kind"]) == ("laptop", ["files:read"], "api")
    assert client.get(MINE, headers=bearer(text)).status_code == 200
    assert [each["name"] for each in listed.json()["items"]] == ["laptop", ""]
    assert text[-38:] not in listed.content.decode()
    assert audit_lines()[-1] == (
        "token.issued",
        answer.json()["id"],
        {
            "name": "laptop",
            "kind": "api",
            "scopes": ["files:read"],
            "expires_at": answer.json()["expires_at"],
            "user": None,
            "is_operator_issued": False,
        },
    )


def test_without_wishes_a_token_is_an_editors_for_90_days(client, mine, admin):
    body = client.post(f"{MINE}/tokens", {}, JSON, headers=admin).json()

    assert body["scopes"] == sorted(EDITOR_SCOPES)
    issuer, token = ApiToken.objects.order_by("id")
    assert token.expires_at == issuer.expires_at
    assert timedelta(days=90) - timedelta(minutes=5) < token.expires_at - timezone.now() < timedelta(days=90)
    assert body["expires_at"] == rfc3339(token.expires_at)


def test_a_path_token_has_its_own_prefix(client, admin):
    body = client.post(f"{MINE}/tokens", {"kind": "path"}, JSON, headers=admin).json()

    assert body["token"].startswith("mhp_")


@pytest.mark.parametrize(
    ("issuer_days", "wanted_days", "days"),
    [
        (7, None, 7),
        (7, 90, 7),
        (7, 7, 7),
        (7, 3, 3),
        (None, None, None),
        (None, 90, 90),
    ],
)
def test_a_token_lives_no_longer_than_the_one_that_issues_it(client, mine, issuer_days, wanted_days, days):
    headers = bearer(make_token(mine, *ADMIN_SCOPES, expires_days=issuer_days))

    answer = client.post(f"{MINE}/tokens", {"expires_days": wanted_days}, JSON, headers=headers)

    issuer, issued = ApiToken.objects.order_by("id")
    assert answer.json()["expires_at"] == rfc3339_or_none(issued.expires_at)
    assert audit_lines()[-1][2]["expires_at"] == rfc3339_or_none(issued.expires_at)
    if days is None:
        assert issued.expires_at is None
    elif days == issuer_days:
        assert issued.expires_at == issuer.expires_at
    else:
        assert days * 24 * 3600 - 60 < (issued.expires_at - timezone.now()).total_seconds() < days * 24 * 3600


def test_a_revoked_token_issues_none_even_while_it_is_still_believed(client, mine, admin):
    assert client.get(MINE, headers=admin).status_code == 200
    ApiToken.objects.update(revoked_at=timezone.now())

    answer = client.post(f"{MINE}/tokens", {}, JSON, headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert ApiToken.objects.count() == 1


def test_a_token_that_lost_its_grant_issues_none_even_while_it_is_still_believed(client, mine, admin):
    assert client.get(MINE, headers=admin).status_code == 200
    TokenGrant.objects.all().delete()

    answer = client.post(f"{MINE}/tokens", {}, JSON, headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["files:read", "no:such"]}, "scopes"),
        ({"scopes": "files:read"}, "scopes"),
        ({"expires_days": 0}, "expires_days"),
        ({"expires_days": 3651}, "expires_days"),
        ({"expires_days": 10**30}, "expires_days"),
        ({"name": "x" * 201}, "name"),
        ({"kind": "cookie"}, "kind"),
        ({"user": "ada"}, ""),
    ],
)
def test_a_wrong_wish_issues_nothing(client, admin, wish, field):
    answer = client.post(f"{MINE}/tokens", wish, JSON, headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["field"].partition(".")[0] == field
    assert ApiToken.objects.count() == 1


def test_an_unknown_scope_lists_the_known_ones(client, admin):
    answer = client.post(f"{MINE}/tokens", {"scopes": ["no:such"]}, JSON, headers=admin)

    detail = answer.json()["errors"][0]["detail"]
    assert detail == f"No such scope: no:such. Known are: {' '.join(sorted(ALL_SCOPES))}"


def test_nobody_hands_on_a_scope_that_they_lack(client, mine):
    headers = bearer(make_token(mine, "files:read", "workspace:admin"))

    for scope in ("files:write", "operator:read"):
        answer = client.post(f"{MINE}/tokens", {"scopes": ["files:read", scope]}, JSON, headers=headers)
        assert (answer.status_code, answer.json()["code"], answer.json()["scope"]) == (403, "scope_missing", scope)
    assert ApiToken.objects.count() == 1


def test_a_token_issued_with_a_users_token_ends_with_the_users_membership(client, mine):
    user = make_member(mine, "admin")
    headers = bearer(make_token(mine, *ADMIN_SCOPES, user=user))
    text = client.post(f"{MINE}/tokens", {"scopes": ["files:read"]}, JSON, headers=headers).json()["token"]
    assert client.get(MINE, headers=bearer(text)).status_code == 200

    actions.remove_member(mine, user.username, actor=ACTOR)

    assert client.get(MINE, headers=bearer(text)).status_code in (200, 404)  # Cached here until the commit.
    assert client.get("/api/v1/me", headers=bearer(text)).json()["workspaces"] == []


def test_revoking_ends_the_token(client, mine, admin):
    text = make_token(mine)
    public_id = tokens.parse(text).public_id

    assert client.delete(f"{MINE}/tokens/{public_id}", headers=admin).status_code == 204
    assert client.delete(f"{MINE}/tokens/{public_id}", headers=admin).status_code == 204
    assert client.get(MINE, headers=bearer(text)).status_code == 401
    assert [line[:2] for line in audit_lines()].count(("token.revoked", public_id)) == 1


def test_a_token_of_two_workspaces_loses_only_the_one_that_revokes_it(client, mine, admin):
    other = make_workspace("other")
    text = make_token(other)
    public_id = tokens.parse(text).public_id
    actions.grant_token(mine, ApiToken.objects.get(public_id=public_id), actor=ACTOR)

    assert client.delete(f"{MINE}/tokens/{public_id}", headers=admin).status_code == 204

    assert client.get(MINE, headers=bearer(text)).status_code == 404
    assert client.get("/api/v1/workspaces/other", headers=bearer(text)).status_code == 200


def test_a_strangers_token_cannot_be_revoked_or_seen(client, admin):
    text = make_token(make_workspace("other"))
    public_id = tokens.parse(text).public_id

    answer = client.delete(f"{MINE}/tokens/{public_id}", headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert public_id not in client.get(f"{MINE}/tokens", headers=admin).content.decode()
    assert client.get("/api/v1/workspaces/other", headers=bearer(text)).status_code == 200


# Members


def test_members_are_set_listed_and_removed(client, mine, admin):
    make_user("ada")

    assert client.put(f"{MINE}/members/ada", {"role": "editor"}, JSON, headers=admin).json()["role"] == "editor"
    assert client.put(f"{MINE}/members/ada", {"role": "viewer"}, JSON, headers=admin).json()["role"] == "viewer"
    listed = client.get(f"{MINE}/members", headers=admin).json()["items"]
    assert [(each["username"], each["role"]) for each in listed] == [("ada", "viewer")]
    assert client.delete(f"{MINE}/members/ada", headers=admin).status_code == 204
    assert client.delete(f"{MINE}/members/ada", headers=admin).status_code == 404
    assert [line for line in audit_lines() if line[0].startswith("member.")] == [
        ("member.set", "ada", {"from": None, "to": "editor"}),
        ("member.set", "ada", {"from": "editor", "to": "viewer"}),
        ("member.removed", "ada", {"from": "viewer"}),
    ]


@pytest.mark.parametrize(
    ("username", "body", "field"),
    [
        ("nobody", {"role": "editor"}, "username"),
        ("ada", {"role": "king"}, "role"),
        ("ada", {}, "role"),
        ("ada", {"role": "editor", "since": 1}, ""),
    ],
)
def test_a_wrong_member_is_invalid(client, admin, username, body, field):
    make_user("ada")

    answer = client.put(f"{MINE}/members/{username}", body, JSON, headers=admin)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert Membership.objects.count() == 0


def test_the_last_owner_stays(client, mine, admin):
    make_member(mine, "owner", "ada")

    for answer in (
        client.delete(f"{MINE}/members/ada", headers=admin),
        client.put(f"{MINE}/members/ada", {"role": "admin"}, JSON, headers=admin),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "last_owner")
    make_member(mine, "owner", "bob")
    assert client.delete(f"{MINE}/members/ada", headers=admin).status_code == 204


def test_an_admin_neither_makes_nor_changes_owners(client, mine):
    make_member(mine, "owner", "ada")
    make_member(mine, "owner", "bob")
    headers = bearer(make_token(mine, *ADMIN_SCOPES, user=make_member(mine, "admin", "eve")))

    answers = [
        client.put(f"{MINE}/members/eve", {"role": "owner"}, JSON, headers=headers),
        client.put(f"{MINE}/members/ada", {"role": "viewer"}, JSON, headers=headers),
        client.delete(f"{MINE}/members/ada", headers=headers),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "scope_missing")] * 3
    assert dict(Membership.objects.values_list("user__username", "role")) == {
        "ada": "owner",
        "bob": "owner",
        "eve": "admin",
    }


# Outside identities


def test_identities_are_added_listed_and_removed(client, admin):
    wish = {"provider": "heare", "subject": "key/with slash", "scopes": ["files:read"], "user_folder": "people/ada"}

    added = client.post(f"{MINE}/identities", wish, JSON, headers=admin)
    again = client.post(f"{MINE}/identities", wish, JSON, headers=admin)
    listed = client.get(f"{MINE}/identities", headers=admin).json()["items"]

    assert (added.status_code, again.status_code, again.json()["code"]) == (201, 409, "already_exists")
    assert listed == [added.json()]
    assert {**wish, "created_at": listed[0]["created_at"]} == listed[0]
    assert client.delete(f"{MINE}/identities/heare/key%2Fwith%20slash", headers=admin).status_code == 204
    assert client.delete(f"{MINE}/identities/heare/key%2Fwith%20slash", headers=admin).status_code == 404
    assert [line[:2] for line in audit_lines()][-2:] == [
        ("identity.added", "heare:key/with slash"),
        ("identity.removed", "heare:key/with slash"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "google"},
        {"subject": ""},
        {"subject": "x" * 201},
        {"scopes": ["no:such"]},
        {"user_folder": "../up"},
        {"user_folder": "/abs"},
        {"user_folder": "a//b"},
        {"user_folder": ".memoryhub/x"},
        {"extra": 1},
    ],
)
def test_a_wrong_identity_is_invalid(client, admin, change):
    wish = {"provider": "heare", "subject": "key_a", "scopes": ["files:read"]} | change

    assert client.post(f"{MINE}/identities", wish, JSON, headers=admin).json()["code"] == "invalid"
    assert ExternalIdentity.objects.count() == 0


def test_an_identity_gets_no_scope_that_the_asking_token_lacks(client, mine):
    headers = bearer(make_token(mine, "workspace:admin"))
    wish = {"provider": "heare", "subject": "key_a", "scopes": ["files:write"]}

    assert client.post(f"{MINE}/identities", wish, JSON, headers=headers).json()["code"] == "scope_missing"
    assert ExternalIdentity.objects.count() == 0


# Audit


def test_the_audit_trail_is_of_one_workspace_newest_first_by_page_and_action(client, mine, admin):
    make_token(make_workspace("other"))
    for name in ("a", "b", "c"):
        client.patch(MINE, {"name": name}, JSON, headers=admin)

    first = client.get(f"{MINE}/audit?limit=2", headers=admin).json()
    second = client.get(f"{MINE}/audit?limit=2&cursor={first['next_cursor']}", headers=admin).json()
    issued = client.get(f"{MINE}/audit?action=token.issued", headers=admin).json()

    assert [each["details"]["name"]["to"] for each in first["items"]] == ["c", "b"]
    assert [each["action"] for each in second["items"]] == ["workspace.updated", "token.issued"]
    assert [each["action"] for each in issued["items"]] == ["token.issued"]
    assert set(first["items"][0]) == {"at", "actor", "action", "subject", "details", "request_id"}


def test_an_action_that_never_was_finds_nothing(client, admin):
    assert client.get(f"{MINE}/audit?action=never.was", headers=admin).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", f"{MINE}/audit?action=%00"),
        ("DELETE", f"{MINE}/tokens/%00"),
        ("PUT", f"{MINE}/members/%00"),
        ("DELETE", f"{MINE}/identities/heare/%00"),
    ],
)
def test_a_nul_in_an_address_is_invalid(client, admin, method, address):
    answer = client.generic(method, address, b'{"role": "editor"}', JSON, headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "operation",
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", "?confirm=mine"),
        ("GET", "/tokens"),
        ("POST", "/tokens"),
        ("DELETE", "/tokens/0123456789ab"),
        ("GET", "/members"),
        ("PUT", "/members/ada"),
        ("DELETE", "/members/ada"),
        ("GET", "/identities"),
        ("POST", "/identities"),
        ("DELETE", "/identities/heare/x"),
        ("GET", "/audit"),
    ],
)
def test_every_operation_is_closed_to_strangers_and_to_tokens_without_the_scope(client, mine, operation):
    method, rest = operation
    strangers = bearer(make_token(make_workspace("other"), *ADMIN_SCOPES))
    scopeless = bearer(make_token(mine, "jobs:read"))
    before = list(AuditEvent.objects.values_list("id"))

    stranger = client.generic(method, MINE + rest, b"{}", JSON, headers=strangers)
    missing = client.generic(method, "/api/v1/workspaces/missing" + rest, b"{}", JSON, headers=strangers)
    refused = client.generic(method, MINE + rest, b"{}", JSON, headers=scopeless)

    assert (stranger.status_code, missing.status_code, refused.status_code) == (404, 404, 403)
    assert stranger.content == missing.content
    assert set(refused.json()) == {"type", "title", "status", "detail", "code", "scope"}
    assert list(AuditEvent.objects.values_list("id")) == before


@pytest.mark.parametrize(("address", "queries"), [("/tokens", 1), ("/members", 1), ("/identities", 1), ("/audit", 1)])
def test_lists_cost_the_same_for_one_row_and_for_many(client, mine, admin, django_assert_num_queries, address, queries):
    for number in range(20):
        make_token(mine, user=make_member(mine, "viewer", f"u{number}"))
        actions.add_identity(mine, provider="heare", subject=f"key_{number}", actor=ACTOR)
    client.get(MINE, headers=admin)

    with django_assert_num_queries(queries):
        answer = client.get(MINE + address, headers=admin)

    assert len(answer.json()["items"]) >= 20
