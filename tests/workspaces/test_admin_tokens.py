"""Tokens in the console: issued and shown once, listed with their state, revoked when asked twice."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import ApiToken, AuditEvent
from apps.accounts.scopes import EDITOR_SCOPES, VIEWER_SCOPES
from apps.workspaces import actions
from apps.workspaces.models import TokenGrant
from tests.factories import ACTOR, bearer, make_member, make_token, make_user, make_workspace
from tests.workspaces.consoles import YES, staff_of

pytestmark = pytest.mark.django_db

ADD = "/admin/accounts/apitoken/add/"
LIST = "/admin/accounts/apitoken/"
FORM = {"workspace": "mine", "name": "laptop", "access": "viewer", "expires": "90", "kind": "api"}
TEXT = re.compile(r"mhp?_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


def issued(answer):
    """The text of the token that the page shows."""
    assert answer.status_code == 200
    (text,) = set(TEXT.findall(answer.content.decode()))
    return text


def step_of(token, step):
    return reverse(f"admin:accounts_apitoken_{step}", args=[token.pk])


def test_a_superuser_issues_a_token_of_the_operator_that_works(root, mine, client):
    text = issued(root.post(ADD, FORM))

    token = ApiToken.objects.get()
    assert (token.name, token.user, token.is_operator_issued) == ("laptop", None, True)
    assert frozenset(token.scopes) == VIEWER_SCOPES
    assert client.get("/api/v1/workspaces/mine/index", headers=bearer(text)).status_code == 200
    assert AuditEvent.objects.get(action="token.issued").actor == "user:root"


def test_the_text_is_shown_once_and_kept_nowhere(root, mine, caplog):
    answer = root.post(ADD, FORM)
    text = issued(answer)
    token = ApiToken.objects.get()

    later = [root.get(LIST), root.get(step_of(token, "change")), root.get("/admin/"), root.get(ADD)]

    secret = text.rpartition("_")[2]
    assert "no-store" in answer["Cache-Control"].split(", ")
    assert all(secret not in page.content.decode() for page in later)
    assert secret not in str(answer.headers) + str(answer.cookies) + caplog.text
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())
    assert not [table for table in connection.introspection.table_names() if holds(table, secret)]


def holds(table, secret):
    """Whether any row of the table has these characters in it."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}" AS row WHERE row::text LIKE %s)', [f"%{secret}%"])
        return cursor.fetchone()[0]


def test_the_page_has_ready_settings_for_each_client(root, mine, settings):
    settings.MEMORYHUB_PUBLIC_URL = "https://hub.example.com"
    answer = root.post(ADD, FORM)
    text = issued(answer)

    shown = [snippet.text for snippet in answer.context["snippets"]]

    assert shown == [
        "export MEMORYHUB_URL=https://hub.example.com\nexport MEMORYHUB_WORKSPACE=mine\n"
        f"export MEMORYHUB_TOKEN={text}\nmemoryhub sync ~/memory",
        f"curl -H 'Authorization: Bearer {text}' \\\n  https://hub.example.com/api/v1/workspaces/mine/index",
        f"export MEMORY_PROXY_URL=https://hub.example.com/w/mine/memory-proxy\nexport MEMORY_PROXY_TOKEN={text}",
        f'{{\n  "remote_url": "https://hub.example.com/w/mine/memory-proxy",\n  "auth_token": "{text}"\n}}',
    ]


@pytest.mark.parametrize(
    ("form", "scopes", "days"),
    [
        ({"access": "editor"}, sorted(EDITOR_SCOPES), 90),
        ({"access": "custom", "scopes": ["files:read", "jobs:read"]}, ["files:read", "jobs:read"], 90),
        ({"access": "custom", "scopes": ["operator:read"], "expires": ""}, ["operator:read"], None),
        ({"access": "custom", "scopes": ["files:read"], "expires": "7"}, ["files:read"], 7),
    ],
)
def test_a_token_has_the_scopes_and_the_life_that_were_chosen(root, mine, form, scopes, days):
    root.post(ADD, FORM | form)

    token = ApiToken.objects.get()
    assert token.scopes == scopes
    assert (token.expires_at and round((token.expires_at - timezone.now()) / timedelta(days=1))) == days


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"workspace": "other"}, "Select a valid choice."),
        ({"access": "custom"}, "Name at least one scope."),
        ({"access": "custom", "scopes": ["files:fly"]}, "Select a valid choice."),
        ({"user": "nobody"}, "There is no such user."),
        ({"user": "stranger"}, "The user is not a member of this workspace."),
        ({"name": "a\nb"}, "At most 200 printable characters."),
    ],
)
def test_what_cannot_be_issued_is_told_on_the_form(root, mine, form, said):
    make_user("stranger")

    answer = root.post(ADD, FORM | form)

    assert said in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_a_superuser_issues_a_token_that_is_bound_to_a_member(root, mine):
    ada = make_member(mine, "viewer", "ada")

    root.post(ADD, FORM | {"user": "ada"})

    token = ApiToken.objects.get()
    assert (token.user, token.is_operator_issued) == (ada, False)


def test_a_path_token_is_shown_without_settings_for_a_header(root, mine):
    answer = root.post(ADD, FORM | {"kind": "path", "access": "editor"})

    assert issued(answer).startswith("mhp_")
    assert ApiToken.objects.get().scopes == ["federation:pull", "federation:push"]
    assert answer.context["snippets"] == []


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_may_not_by_the_api_issues_none(client, mine, role):
    staff = staff_of(client, mine, role)

    assert staff.get(ADD).status_code == 403
    assert staff.post(ADD, FORM).status_code == 403
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_an_administrators_token_is_bound_to_the_administrator(client, mine, role):
    make_member(mine, "owner", "ada")
    staff = staff_of(client, mine, role)

    issued(staff.post(ADD, FORM | {"user": "ada"}))

    token = ApiToken.objects.get()
    assert (token.user.username, token.is_operator_issued) == ("staff", False)


def test_an_administrator_issues_no_token_for_another_workspace_and_none_of_the_operator(client, mine):
    make_workspace("theirs")
    staff = staff_of(client, mine, "owner")

    staff.post(ADD, FORM | {"workspace": "theirs"})
    staff.post(ADD, FORM | {"access": "custom", "scopes": ["operator:read"]})

    assert not ApiToken.objects.exists()
    assert "theirs" not in staff.get(ADD).content.decode()
    assert "operator:read" not in staff.get(ADD).content.decode()


def test_the_list_says_what_has_become_of_each_token(root, mine):
    now = timezone.now()
    for name, fields in {
        "fresh": {},
        "ending": {"expires_at": now + timedelta(days=1)},
        "over": {"expires_at": now - timedelta(days=1)},
        "ended": {"revoked_at": now},
    }.items():
        make_token(mine, name=name)
        ApiToken.objects.filter(name=name).update(**fields)

    names = {
        state: {token.name for token in root.get(f"{LIST}?state={state}").context["cl"].result_list}
        for state in ("active", "expired", "revoked")
    }

    assert names == {"active": {"fresh", "ending"}, "expired": {"over"}, "revoked": {"ended"}}
    text = root.get(LIST).content.decode()
    assert all(word in text for word in ("ends soon", "expired", "revoked", "what an editor may", "the operator"))


@pytest.mark.parametrize(
    "step",
    [
        lambda token: (step_of(token, "revoke"), {}),
        lambda token: (LIST, {"action": "revoke", "_selected_action": [token.pk]}),
    ],
    ids=["page", "list"],
)
def test_revoking_asks_and_then_ends_the_token(root, mine, step):
    make_token(mine)
    token = ApiToken.objects.get()
    address, form = step(token)

    asked = root.post(address, form)
    token.refresh_from_db()
    assert (asked.status_code, token.revoked_at) == (200, None)
    root.post(address, form | YES)

    token.refresh_from_db()
    assert token.revoked_at is not None
    assert AuditEvent.objects.get(action="token.revoked").actor == "user:root"


@pytest.mark.parametrize(("role", "ended"), [("viewer", False), ("editor", False), ("admin", True)])
def test_revoking_is_for_administrators(client, mine, role, ended):
    make_token(mine)
    token = ApiToken.objects.get()
    staff = staff_of(client, mine, role)

    staff.post(LIST, {"action": "revoke", "_selected_action": [token.pk]} | YES)
    staff.post(step_of(token, "revoke"), YES)

    token.refresh_from_db()
    assert (token.revoked_at is not None) == ended
    assert AuditEvent.objects.filter(action="token.revoked", actor="user:staff").exists() == ended


def test_a_strangers_token_cannot_be_revoked(client, mine):
    make_token(make_workspace("theirs"))
    token = ApiToken.objects.get()
    staff = staff_of(client, mine, "owner")

    assert staff.post(step_of(token, "revoke"), YES).status_code == 404
    staff.post(LIST, {"action": "revoke", "_selected_action": [token.pk], "select_across": "1"} | YES)

    token.refresh_from_db()
    assert token.revoked_at is None


def test_of_a_token_that_serves_others_too_staff_end_only_their_own_grant(client, mine):
    theirs = make_workspace("theirs")
    make_token(mine)
    token = ApiToken.objects.get()
    actions.grant_token(theirs, token, actor=ACTOR)
    staff = staff_of(client, mine, "admin")

    answer = staff.post(step_of(token, "revoke"), YES)

    token.refresh_from_db()
    assert (answer.url, token.revoked_at) == (LIST, None)
    assert list(TokenGrant.objects.values_list("workspace__slug", flat=True)) == ["theirs"]


def test_the_operator_lets_a_token_of_elsewhere_in(root, mine):
    theirs = make_workspace("theirs")
    make_token(theirs)
    token = ApiToken.objects.get()
    address = reverse("admin:workspaces_workspace_grants", args=[mine.pk])

    refused = root.post(address, {"token": "nothing"}, follow=True)
    root.post(address, {"token": f"mh_{token.public_id}"})

    assert "There is no such token" in refused.content.decode()
    assert set(token.grants.values_list("workspace__slug", flat=True)) == {"mine", "theirs"}


def test_staff_let_no_token_in(client, mine):
    make_token(make_workspace("theirs"))
    staff = staff_of(client, mine, "owner")
    address = reverse("admin:workspaces_workspace_grants", args=[mine.pk])

    staff.post(address, {"token": ApiToken.objects.get().public_id})

    assert not mine.grants.exists()


def test_no_digest_of_a_token_is_shown(root, mine):
    make_token(mine)
    token = ApiToken.objects.get()

    page = root.get(step_of(token, "change")).content.decode()

    assert token.public_id in page
    assert bytes(token.digest).hex() not in page


def test_a_token_is_never_edited(root, mine):
    make_token(mine)
    token = ApiToken.objects.get()

    assert root.post(step_of(token, "change"), {"name": "other"}).status_code == 403
    assert root.post(step_of(token, "delete"), {"post": "yes"}).status_code == 403
    assert ApiToken.objects.get().name == ""
