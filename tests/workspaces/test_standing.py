"""Nobody climbs: what an owner may do stays with owners and the operator, whatever way somebody comes in by."""

import pytest
from django.db import IntegrityError

from apps.accounts import tokens
from apps.accounts.models import ApiToken, AuditEvent
from apps.accounts.scopes import ADMIN_SCOPES, OPERATOR_READ
from apps.common.errors import Invalid, ScopeMissing
from apps.files.models import FileVersion
from apps.workspaces import access, actions
from apps.workspaces.models import ExternalIdentity, Membership, TokenGrant, Workspace
from tests.factories import ACTOR, bearer, make_member, make_token, make_user, make_workspace
from tests.fakes.heare_auth import FakeHeareAuth

pytestmark = pytest.mark.django_db

MINE = "/api/v1/workspaces/mine"
JSON = "application/json"
SECRET = "sec_0123456789abcdef"


@pytest.fixture
def mine():
    """A workspace of the owner ada with the admin eve."""
    workspace = make_workspace("mine")
    make_member(workspace, "owner", "ada")
    make_member(workspace, "admin", "eve")
    return workspace


@pytest.fixture
def checker(settings):
    with FakeHeareAuth() as fake:
        fake.keys[SECRET] = "key_eve"
        settings.HEARE_AUTH_URL = fake.url
        settings.MEMORYHUB_TOKEN_CACHE_S = 0.0
        yield fake


def members_token(workspace, username):
    member = Membership.objects.get(workspace=workspace, user__username=username)
    return bearer(make_token(workspace, *ADMIN_SCOPES, user=member.user))


def handed_on(client, issuer):
    """Headers of a token that was asked for with another."""
    answer = client.post(f"{MINE}/tokens", {"scopes": sorted(ADMIN_SCOPES)}, JSON, headers=issuer)
    assert answer.status_code == 201, answer.content
    return bearer(answer.json()["token"])


def an_admins_token(client, workspace, checker):
    return members_token(workspace, "eve")


def a_token_of_an_admins_token(client, workspace, checker):
    return handed_on(client, members_token(workspace, "eve"))


def a_token_of_the_operators_token(client, workspace, checker):
    return handed_on(client, bearer(make_token(workspace, *ADMIN_SCOPES)))


def a_token_of_such_a_token(client, workspace, checker):
    return handed_on(client, a_token_of_the_operators_token(client, workspace, checker))


def an_identity_that_an_admin_listed(client, workspace, checker):
    wish = {"provider": "heare", "subject": "key_eve", "scopes": sorted(ADMIN_SCOPES)}
    assert client.post(f"{MINE}/identities", wish, JSON, headers=members_token(workspace, "eve")).status_code == 201
    return bearer(SECRET)


def an_identity_that_the_operator_listed(client, workspace, checker):
    actions.add_identity(workspace, provider="heare", subject="key_eve", scopes=ADMIN_SCOPES, actor=ACTOR)
    return bearer(SECRET)


ADMINS = [
    an_admins_token,
    a_token_of_an_admins_token,
    a_token_of_the_operators_token,
    a_token_of_such_a_token,
    an_identity_that_an_admin_listed,
    an_identity_that_the_operator_listed,
]


@pytest.mark.parametrize("caller", ADMINS)
def test_whoever_is_an_admin_at_most_does_nothing_of_an_owners(client, mine, checker, caller):
    make_user("bob")
    headers = caller(client, mine, checker)
    before = list(AuditEvent.objects.values_list("id"))

    answers = [
        client.put(f"{MINE}/members/eve", {"role": "owner"}, JSON, headers=headers),
        client.put(f"{MINE}/members/bob", {"role": "owner"}, JSON, headers=headers),
        client.put(f"{MINE}/members/ada", {"role": "viewer"}, JSON, headers=headers),
        client.delete(f"{MINE}/members/ada", headers=headers),
        client.delete(f"{MINE}?confirm=mine", headers=headers),
        client.post(f"{MINE}/files:purge", {"path": "a", "confirm": "a"}, JSON, headers=headers),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "scope_missing")] * 6
    assert {answer.json()["role"] for answer in answers} == {"owner"}
    assert dict(Membership.objects.values_list("user__username", "role")) == {"ada": "owner", "eve": "admin"}
    assert Workspace.objects.get().archived_at is None
    assert list(AuditEvent.objects.values_list("id")) == before


@pytest.mark.parametrize("caller", ADMINS)
def test_whoever_is_an_admin_does_what_admins_do(client, mine, checker, caller):
    make_user("bob")
    headers = caller(client, mine, checker)

    assert client.put(f"{MINE}/members/bob", {"role": "admin"}, JSON, headers=headers).status_code == 200
    assert client.delete(f"{MINE}/members/bob", headers=headers).status_code == 204


@pytest.mark.parametrize("by_operator", [True, False])
def test_an_owner_and_the_operator_do_what_owners_do(client, mine, by_operator):
    make_user("bob")
    headers = bearer(make_token(mine, *ADMIN_SCOPES)) if by_operator else members_token(mine, "ada")

    assert client.put(f"{MINE}/members/bob", {"role": "owner"}, JSON, headers=headers).status_code == 200
    assert client.delete(f"{MINE}/members/bob", headers=headers).status_code == 204
    assert client.delete(f"{MINE}?confirm=mine", headers=headers).status_code == 204


@pytest.mark.parametrize(("role", "status"), [("admin", 403), ("owner", 200)])
def test_of_members_only_an_owner_purges(client, mine, role, status):
    user = make_member(mine, role, "bob")
    headers = bearer(make_token(mine, *ADMIN_SCOPES, user=user))
    for text in (b"one", b"two"):
        client.generic("PUT", f"{MINE}/files/a?overwrite=true", text, "text/plain", headers=headers)

    answer = client.post(f"{MINE}/files:purge", {"path": "a", "confirm": "a"}, JSON, headers=headers)

    assert answer.status_code == status
    assert FileVersion.objects.count() == (1 if status == 200 else 2)
    assert AuditEvent.objects.filter(action="files.purged").count() == (1 if status == 200 else 0)


def test_the_operators_token_purges_only_with_the_admins_scope(client, mine):
    headers = bearer(make_token(mine, "files:read", "files:write"))
    client.generic("PUT", f"{MINE}/files/a?overwrite=true", b"x", "text/plain", headers=headers)

    answer = client.post(f"{MINE}/files:purge", {"path": "a", "confirm": "a"}, JSON, headers=headers)

    assert (answer.status_code, answer.json()["scope"]) == (403, "workspace:admin")


def test_no_standing_passes_that_nobody_gave(mine):
    for standing in (None, "", "viewer", "editor", "admin", "king"):
        with pytest.raises(ScopeMissing):
            actions.archive_workspace(mine, actor=ACTOR, acting_role=standing)
    assert Workspace.objects.get().archived_at is None


# Handing on


@pytest.mark.parametrize("caller", [an_identity_that_an_admin_listed, an_identity_that_the_operator_listed])
def test_an_identity_issues_no_token_that_would_outlive_it(client, mine, checker, caller):
    headers = caller(client, mine, checker)
    before = ApiToken.objects.count()

    answer = client.post(f"{MINE}/tokens", {"scopes": ["files:read"]}, JSON, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert answer.json()["detail"] == "Outside identities issue no tokens."
    assert ApiToken.objects.count() == before


def test_a_token_remembers_who_issued_it(client, mine):
    handed_on(client, bearer(make_token(mine, *ADMIN_SCOPES)))
    members_token(mine, "eve")

    assert list(ApiToken.objects.order_by("id").values_list("is_operator_issued", "user__username")) == [
        (True, None),
        (False, None),
        (False, "eve"),
    ]
    issued = AuditEvent.objects.filter(action="token.issued").order_by("id")
    assert [(each.details["is_operator_issued"], each.details["user"]) for each in issued] == [
        (True, None),
        (False, None),
        (False, "eve"),
    ]


def test_no_row_says_that_a_users_token_is_the_operators(mine):
    members_token(mine, "eve")

    with pytest.raises(IntegrityError, match="apitoken_operator_or_user"):
        ApiToken.objects.update(is_operator_issued=True)


def test_the_whole_hubs_scope_is_handed_on_by_nobody(client, mine):
    headers = bearer(make_token(mine, *ADMIN_SCOPES, OPERATOR_READ))
    wish = {"provider": "heare", "subject": "key_a", "scopes": ["files:read", OPERATOR_READ]}

    token = client.post(f"{MINE}/tokens", {"scopes": ["files:read", OPERATOR_READ]}, JSON, headers=headers)
    identity = client.post(f"{MINE}/identities", wish, JSON, headers=headers)

    assert (token.status_code, token.json()["scope"]) == (403, OPERATOR_READ)
    assert (identity.status_code, identity.json()["errors"][0]["code"]) == (422, "operator_scope")
    assert (ApiToken.objects.count(), ExternalIdentity.objects.count()) == (1, 0)


def test_the_hubs_state_is_not_for_a_token_that_the_operator_did_not_issue(rf, mine):
    text = make_token(mine, OPERATOR_READ)
    ApiToken.objects.update(is_operator_issued=False)

    with pytest.raises(ScopeMissing):
        access.open_operator(rf.get("/", headers=bearer(text)))


@pytest.mark.parametrize(
    ("scopes", "role", "status"),
    [
        (["workspace:admin"], "viewer", 403),
        (["workspace:admin"], "admin", 403),
        (sorted(ADMIN_SCOPES - {"restores:write"}), "admin", 403),
        (sorted(ADMIN_SCOPES - {"restores:write"}), "editor", 200),
    ],
)
def test_a_role_is_handed_out_by_who_has_its_scopes(client, mine, scopes, role, status):
    make_user("bob")
    headers = bearer(make_token(mine, *scopes))

    answer = client.put(f"{MINE}/members/bob", {"role": role}, JSON, headers=headers)

    assert answer.status_code == status
    assert Membership.objects.filter(user__username="bob").exists() == (status == 200)


def test_taking_a_role_away_needs_no_more_than_the_admins_scope(client, mine):
    headers = bearer(make_token(mine, "workspace:admin"))

    answer = client.put(f"{MINE}/members/eve", {"role": "viewer"}, JSON, headers=headers)

    assert (answer.status_code, answer.json()["role"]) == (200, "viewer")


# Granting


def test_a_members_token_is_granted_only_where_the_member_is(mine):
    members_token(mine, "eve")
    token, other = ApiToken.objects.get(), make_workspace("other")

    with pytest.raises(Invalid) as refusal:
        actions.grant_token(other, token, actor=ACTOR)

    assert refusal.value.fields["errors"][0]["code"] == "not_a_member"
    assert TokenGrant.objects.count() == 1
    actions.set_member(other, token.user, "viewer", actor=ACTOR)
    actions.grant_token(other, token, actor=ACTOR)
    assert TokenGrant.objects.count() == 2


def test_a_revoked_token_is_granted_nowhere(mine):
    public_id = tokens.parse(make_token(mine)).public_id
    actions.revoke_workspace_token(mine, public_id, actor=ACTOR)

    with pytest.raises(Invalid) as refusal:
        actions.grant_token(make_workspace("other"), ApiToken.objects.get(), actor=ACTOR)

    assert refusal.value.fields["errors"][0]["code"] == "revoked"
    assert TokenGrant.objects.count() == 1
