"""The gate, entered by HTTP."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import ApiToken
from apps.accounts.scopes import ADMIN_SCOPES, EDITOR_SCOPES, VIEWER_SCOPES
from apps.common.errors import ScopeMissing, Unauthorized
from apps.workspaces import access, actions
from tests.factories import ACTOR, bearer, make_member, make_token, make_user, make_workspace
from tests.workspaces.answers import NOT_FOUND, UNAUTHORIZED, read

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_a_token_opens_its_workspace_under_any_spelling_of_the_scheme(client, scheme):
    workspace = make_workspace("mine")
    token = make_token(workspace)

    answer = read(client, "mine", {"Authorization": f"{scheme} {token}"})

    assert answer.status_code == 200
    assert answer.json()["id"] == str(workspace.public_id)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer nonsense",
        "Bearer mh_0123456789ab_" + "x" * 38,
        "Token x",
        "Bearer a b",
        "Bearer " + "x" * 5000,
        "Bearer \u00e9",
    ],
)
def test_without_a_good_token_the_answer_is_always_the_same_401(client, header):
    make_workspace("mine")

    answer = read(client, "mine", {} if header is None else {"Authorization": header})

    assert answer.status_code == 401
    assert answer.json() == UNAUTHORIZED
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"


def test_a_well_formed_unknown_token_is_401_even_for_a_missing_workspace(client):
    unknown = tokens.mint().text

    assert read(client, "missing", bearer(unknown)).json() == UNAUTHORIZED
    assert read(client, "not a slug", bearer(unknown)).json() == UNAUTHORIZED


def test_the_secret_must_be_right_and_not_only_the_id(client):
    token = tokens.parse(make_token(make_workspace("mine")))
    body = f"mh_{token.public_id}_{'y' * 32}"
    forged = body + tokens._check(body)

    assert read(client, "mine", bearer(forged)).status_code == 401


def test_a_strangers_workspace_reads_byte_for_byte_like_a_missing_one(client):
    make_workspace("theirs")
    token = make_token(make_workspace("mine"))

    strangers = read(client, "theirs", bearer(token))
    missing = read(client, "missing", bearer(token))
    malformed = read(client, "UPPER", bearer(token))

    assert strangers.status_code == missing.status_code == malformed.status_code == 404
    assert strangers.content == missing.content == malformed.content
    assert strangers.json() == NOT_FOUND
    assert sorted(strangers.headers.items()) == sorted(missing.headers.items())


def test_a_missing_scope_is_named(client):
    token = make_token(make_workspace("mine"), "files:write")

    answer = read(client, "mine", bearer(token))

    assert answer.status_code == 403
    assert answer.json() == {
        "type": "urn:memoryhub:problem:scope_missing",
        "title": "The token does not allow this",
        "status": 403,
        "detail": "This needs the scope files:read.",
        "code": "scope_missing",
        "scope": "files:read",
    }


def test_an_archived_workspace_is_gone_for_its_own_tokens(client):
    workspace = make_workspace("mine")
    token = make_token(workspace)
    actions.archive_workspace(workspace, actor=ACTOR)

    assert read(client, "mine", bearer(token)).json() == NOT_FOUND


def test_a_revoked_token_is_401(client):
    workspace = make_workspace("mine")
    token = make_token(workspace)
    actions.revoke_workspace_token(workspace, tokens.parse(token).public_id, actor=ACTOR)

    assert read(client, "mine", bearer(token)).json() == UNAUTHORIZED


def test_revoking_reaches_this_process_at_once(client, django_capture_on_commit_callbacks):
    workspace = make_workspace("mine")
    token = make_token(workspace)
    assert read(client, "mine", bearer(token)).status_code == 200

    with django_capture_on_commit_callbacks(execute=True):
        actions.revoke_workspace_token(workspace, tokens.parse(token).public_id, actor=ACTOR)

    assert read(client, "mine", bearer(token)).status_code == 401


def test_another_process_believes_a_revoked_token_until_the_cache_time_is_over(client, settings):
    settings.MEMORYHUB_TOKEN_CACHE_S = 0.4
    token = make_token(make_workspace("mine"))
    assert read(client, "mine", bearer(token)).status_code == 200
    ApiToken.objects.update(revoked_at=timezone.now())

    assert read(client, "mine", bearer(token)).status_code == 200
    time.sleep(0.5)
    assert read(client, "mine", bearer(token)).status_code == 401


def test_an_expired_token_is_401(client):
    token = make_token(make_workspace("mine"))
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert read(client, "mine", bearer(token)).json() == UNAUTHORIZED


def test_a_token_expires_even_while_it_is_cached(client, settings):
    settings.MEMORYHUB_TOKEN_CACHE_S = 60.0
    token = make_token(make_workspace("mine"))
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(seconds=0.5))
    assert read(client, "mine", bearer(token)).status_code == 200

    time.sleep(0.7)

    assert read(client, "mine", bearer(token)).status_code == 401


def test_the_cache_tells_workspaces_apart(client):
    mine, other = make_workspace("mine"), make_workspace("other")
    token = make_token(mine)
    assert read(client, "mine", bearer(token)).status_code == 200

    assert read(client, "other", bearer(token)).status_code == 404
    actions.grant_token(other, ApiToken.objects.get(), actor=ACTOR)
    assert read(client, "other", bearer(token)).json()["slug"] == "other"


def test_a_users_token_can_do_what_token_and_role_both_allow(rf):
    workspace = make_workspace("mine")
    user = make_member(workspace, "viewer")
    token = make_token(workspace, "files:read", "files:write", user=user)
    request = rf.get("/", headers=bearer(token))

    opened = access.open_workspace(request, "mine", "files:read")

    assert opened.scopes == {"files:read"}
    assert opened.acting_role == "viewer"
    assert opened.actor.user_pk == user.pk


def test_a_users_token_without_membership_meets_a_missing_workspace(client):
    workspace = make_workspace("mine")
    user = make_member(workspace, "viewer")
    token = make_token(workspace, "files:read", user=user)
    actions.remove_member(workspace, user.username, actor=ACTOR)

    assert read(client, "mine", bearer(token)).json() == NOT_FOUND


def test_a_token_of_a_disabled_user_is_401(client):
    workspace = make_workspace("mine")
    user = make_member(workspace)
    token = make_token(workspace, user=user)
    user.is_active = False
    user.save(update_fields=["is_active"])

    assert read(client, "mine", bearer(token)).status_code == 401


def test_roles_allow_what_the_design_says():
    assert "audit:read" not in VIEWER_SCOPES
    assert {"files:read", "connectors:read", "restores:read", "federation:pull"} <= VIEWER_SCOPES
    assert not any(scope.endswith(":write") for scope in VIEWER_SCOPES)
    assert {"files:write", "memory:write", "snapshots:write", "federation:push"} <= EDITOR_SCOPES
    assert EDITOR_SCOPES.isdisjoint({"restores:write", "connectors:write", "audit:read", "workspace:admin"})
    assert {"restores:write", "connectors:write", "audit:read", "workspace:admin"} <= ADMIN_SCOPES
    assert "operator:read" not in ADMIN_SCOPES


def test_a_path_token_opens_by_path_only(rf):
    token = make_token(make_workspace("mine"), "federation:push", kind="path")
    by_path = rf.post("/", **{"memoryhub.path_token": token})
    by_header = rf.post("/", headers=bearer(token))

    assert access.open_workspace(by_path, "mine", "federation:push").slug == "mine"
    with pytest.raises(Unauthorized):
        access.open_workspace(by_header, "mine", "federation:push")


def test_an_ordinary_token_does_not_travel_in_a_path(rf):
    token = make_token(make_workspace("mine"))

    with pytest.raises(Unauthorized):
        access.open_workspace(rf.get("/", **{"memoryhub.path_token": token}), "mine", "files:read")


# Operators


def test_the_operator_scope_is_asked_of_a_token(rf):
    workspace = make_workspace("mine")
    plain, operator = make_token(workspace), make_token(workspace, "operator:read")

    assert access.open_operator(rf.get("/", headers=bearer(operator))).kind == "token"
    with pytest.raises(ScopeMissing):
        access.open_operator(rf.get("/", headers=bearer(plain)))


def test_a_users_operator_token_needs_a_superuser(rf):
    workspace = make_workspace("mine")
    user = make_user()
    actions.set_member(workspace, user, "owner", actor=ACTOR)
    request = rf.get("/", headers=bearer(make_token(workspace, "operator:read", user=user)))

    with pytest.raises(ScopeMissing):
        access.open_operator(request)
    user.is_superuser = True
    user.save(update_fields=["is_superuser"])
    assert access.open_operator(request).actor.user_pk == user.pk
