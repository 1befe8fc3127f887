"""The console's lists and rows: who sees what, and what a list costs."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ApiToken, AuditEvent, User
from apps.workspaces import actions
from apps.workspaces.models import ExternalIdentity, Membership, TokenGrant, Workspace
from tests.factories import ACTOR, make_member, make_token, make_user, make_workspace
from tests.workspaces.consoles import MODELS, fill, list_of, page_of, rows_of, staff_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("page", MODELS)
def test_a_superuser_opens_every_list_and_row(root, page):
    fill(make_workspace("mine"))
    model = MODELS[page]

    assert root.get(f"/admin/{page}/").status_code == 200
    assert root.get(f"/admin/{page}/{model.objects.first().pk}/change/").status_code == 200


READERS = {
    "accounts/user": (),
    "accounts/apitoken": ("admin", "owner"),
    "accounts/auditevent": ("admin", "owner"),
    "workspaces/workspace": ("viewer", "editor", "admin", "owner"),
    "workspaces/membership": ("admin", "owner"),
    "workspaces/externalidentity": ("admin", "owner"),
}
"""Whose roles see the rows of their workspace, as by the API."""


@pytest.mark.parametrize("page", MODELS)
@pytest.mark.parametrize("role", ["viewer", "editor", "admin", "owner"])
def test_staff_see_nothing_of_another_workspace_on_any_list_row_filter_or_search(client, page, role):
    mine, theirs = make_workspace("mine"), make_workspace("theirs")
    fill(mine)
    own = {row.pk for row in MODELS[page].objects.all()} - {theirs.pk if page == "workspaces/workspace" else None}
    own -= (
        set(AuditEvent.objects.filter(workspace_id=theirs.pk).values_list("pk", flat=True))
        if "audit" in page
        else set()
    )
    fill(theirs)
    staff = staff_of(client, mine, role)
    if role not in READERS[page]:
        assert staff.get(f"/admin/{page}/").status_code == 403
        assert {staff.get(page_of(row)).status_code for row in MODELS[page].objects.all()} == {403}
        return
    own |= {row.pk for row in Membership.objects.filter(user__username="staff")} if "membership" in page else set()

    whole, searched = (staff.get(f"/admin/{page}/{query}") for query in ("", "?q=theirs"))

    assert rows_of(whole) == own
    assert "theirs" not in whole.content.decode()
    assert rows_of(searched) == set()
    if page != "workspaces/workspace":
        assert rows_of(staff.get(f"/admin/{page}/?workspace=mine")) == own
        assert rows_of(staff.get(f"/admin/{page}/?workspace=theirs")) == set()
    for row in MODELS[page].objects.all():
        answer = staff.get(page_of(row))
        assert answer.status_code == (200 if row.pk in own else 302)
        assert row.pk not in own or "theirs" not in answer.content.decode()


def test_staff_learn_of_no_column_by_a_lookup_that_no_filter_offers(client):
    mine = make_workspace("mine")
    make_token(mine)
    staff = staff_of(client, mine, "admin")
    theirs = make_workspace("theirs")
    TokenGrant.objects.create(token=ApiToken.objects.get(), workspace=theirs)

    for lookup in ("digest__startswith=a", "grants__workspace=2", "user__password__startswith=p", "key_id=a"):
        assert staff.get(f"{list_of(ApiToken)}?{lookup}").status_code == 400
    assert rows_of(staff.get(f"{list_of(ApiToken)}?workspace=theirs")) == set()


def test_users_are_no_choice_of_staff_by_autocomplete(client):
    mine = make_workspace("mine")
    make_user("somebody-else")
    staff = staff_of(client, mine, "owner")

    for field, model in (("user", "membership"), ("workspace", "membership")):
        query = {"app_label": "workspaces", "model_name": model, "field_name": field, "term": ""}
        assert "somebody-else" not in staff.get("/admin/autocomplete/", query).content.decode()


@pytest.mark.parametrize("page", ["accounts/user", "workspaces/membership", "accounts/apitoken"])
def test_lists_of_who_may_enter_are_for_administrators(client, page):
    staff = staff_of(client, make_workspace("mine"), "editor")

    assert staff.get(f"/admin/{page}/").status_code == 403
    assert staff.get(f"/admin/{page}/add/").status_code == 403


def test_a_token_that_serves_two_workspaces_shows_staff_only_theirs(client):
    mine, theirs = make_workspace("mine"), make_workspace("theirs")
    make_token(mine, name="both")
    token = ApiToken.objects.get()
    actions.grant_token(theirs, token, actor=ACTOR)
    staff = staff_of(client, mine, "admin")

    shown = staff.get(list_of(ApiToken)).content.decode() + staff.get(page_of(token)).content.decode()

    assert "both" in shown
    assert "theirs" not in shown


@pytest.mark.parametrize(("role", "seen"), [("viewer", False), ("editor", False), ("admin", True), ("owner", True)])
def test_the_audit_trail_is_for_administrators(client, role, seen):
    mine = make_workspace("mine")
    event = AuditEvent.objects.get()
    staff = staff_of(client, mine, role)

    assert (staff.get(page_of(event)).status_code == 200) == seen


def test_the_audit_trail_can_be_neither_added_nor_changed(root):
    make_workspace("mine")
    event = AuditEvent.objects.get()

    assert root.get("/admin/accounts/auditevent/add/").status_code == 403
    assert root.post(page_of(event), {"actor": "somebody"}).status_code == 403
    assert root.post(page_of(event, "delete"), {"post": "yes"}).status_code == 403
    assert AuditEvent.objects.get().actor == event.actor


def test_a_line_of_the_audit_trail_leads_to_its_subject(root):
    mine = make_workspace("mine")
    make_member(mine, "editor", "ada")
    event = AuditEvent.objects.get(action="member.set")

    page = root.get(page_of(event)).content.decode()

    assert f"{list_of(Membership)}?q=ada" in page
    assert "none → editor" in page


@pytest.mark.parametrize("page", MODELS)
def test_a_list_costs_as_many_queries_with_500_rows_as_with_one(root, page):
    # The signed-in user, what the sidebar may show, the list, and what its rows show beside their own columns.
    budget = {
        "accounts/user": 4,
        "accounts/apitoken": 5,
        "accounts/auditevent": 5,
        "workspaces/workspace": 4,
        "workspaces/membership": 4,
        "workspaces/externalidentity": 4,
    }[page]
    fill(make_workspace("first"))
    few = queries_of(root, f"/admin/{page}/")
    more_rows(500)

    many = queries_of(root, f"/admin/{page}/")

    assert (few, many) == (budget, budget)


def queries_of(client, address):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def more_rows(number):
    """So many rows of each model, written past the actions: only their reading is measured."""
    users = User.objects.bulk_create(User(username=f"user-{n}") for n in range(number))
    first = Workspace.objects.get()
    Membership.objects.bulk_create(Membership(workspace=first, user=user, role="viewer") for user in users)
    ExternalIdentity.objects.bulk_create(
        ExternalIdentity(workspace=first, provider="heare", subject=f"s{n}", scopes=["files:read"])
        for n in range(number)
    )
    tokens = ApiToken.objects.bulk_create(
        ApiToken(public_id=f"{n:012}", digest=b"x", key_id="k", user=users[n], scopes=["files:read"])
        for n in range(number)
    )
    TokenGrant.objects.bulk_create(TokenGrant(workspace=first, token=token) for token in tokens)
    AuditEvent.objects.bulk_create(
        AuditEvent(actor="cli", action="member.set", workspace_id=first.pk, subject=str(n)) for n in range(number)
    )
    workspaces = Workspace.objects.bulk_create(Workspace(slug=f"w{n}") for n in range(number))
    counter = type(first.counter)
    counter.objects.bulk_create(counter(workspace=workspace) for workspace in workspaces)


def test_a_page_says_whether_more_follow_and_nothing_is_counted(root):
    fill(make_workspace("first"))
    more_rows(75)

    with CaptureQueriesContext(connection) as captured:
        first = root.get(list_of(AuditEvent))
        last = root.get(f"{list_of(AuditEvent)}?p=2")
        root.get(f"{list_of(AuditEvent)}?_facets=True&about=token")
        statements = [query["sql"] for query in captured.captured_queries]

    assert len(statements) == 15
    assert [sql for sql in statements if "COUNT(" in sql] == []
    assert (len(first.context["cl"].result_list), first.context["cl"].has_more) == (50, True)
    assert (last.context["cl"].has_more, rows_of(first) & rows_of(last)) == (False, set())


def test_pages_that_would_read_everything_before_them_are_not_there(root):
    assert root.get(f"{list_of(AuditEvent)}?p=100000").url.endswith("?e=1")
