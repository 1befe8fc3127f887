"""The console's pages: who sees what, and that changes go through actions."""

import pytest

from apps.accounts.models import ApiToken, AuditEvent, User
from apps.workspaces.models import ExternalIdentity, Membership, Workspace
from tests.factories import make_token, make_user, make_workspace

pytestmark = pytest.mark.django_db

PAGES = [
    "accounts/user",
    "accounts/apitoken",
    "accounts/auditevent",
    "workspaces/workspace",
    "workspaces/membership",
    "workspaces/externalidentity",
]


@pytest.fixture
def root(client):
    """A client signed in as a superuser."""
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


def staff_of(client, workspace, role):
    user = make_user("staff", is_staff=True)
    Membership.objects.create(workspace=workspace, user=user, role=role)
    client.force_login(user)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_a_superuser_opens_every_list_and_row(root, page):
    workspace = make_workspace("mine")
    make_token(workspace)
    Membership.objects.create(workspace=workspace, user=make_user(), role="viewer")
    ExternalIdentity.objects.create(workspace=workspace, provider="heare", subject="key_a", scopes=["files:read"])
    model = {
        "user": User,
        "apitoken": ApiToken,
        "auditevent": AuditEvent,
        "workspace": Workspace,
        "membership": Membership,
        "externalidentity": ExternalIdentity,
    }[page.partition("/")[2]]

    assert root.get(f"/admin/{page}/").status_code == 200
    assert root.get(f"/admin/{page}/{model.objects.first().pk}/change/").status_code == 200


@pytest.mark.parametrize("page", ["accounts/apitoken", "accounts/auditevent"])
def test_evidence_can_be_neither_added_nor_changed(root, page):
    make_token(make_workspace("mine"))

    assert root.get(f"/admin/{page}/add/").status_code == 403
    assert "_save" not in root.get(f"/admin/{page}/{ApiToken.objects.get().pk}/change/").content.decode()


def test_no_digest_of_a_token_is_shown(root):
    make_token(make_workspace("mine"))
    token = ApiToken.objects.get()

    page = root.get(f"/admin/accounts/apitoken/{token.pk}/change/").content.decode()

    assert token.public_id in page
    assert bytes(token.digest).hex() not in page
    assert "digest" not in page.lower()


def test_staff_see_only_their_own_workspaces(client):
    mine, theirs = make_workspace("mine"), make_workspace("theirs")
    make_token(mine, name="my token")
    make_token(theirs, name="their token")
    staff = staff_of(client, mine, "admin")

    workspaces = staff.get("/admin/workspaces/workspace/").content.decode()
    tokens = staff.get("/admin/accounts/apitoken/").content.decode()

    assert "mine" in workspaces
    assert "theirs" not in workspaces
    assert "my token" in tokens
    assert "their token" not in tokens
    assert staff.get(f"/admin/workspaces/workspace/{theirs.pk}/change/").status_code == 302
    assert "_save" not in staff.get(f"/admin/workspaces/workspace/{mine.pk}/change/").content.decode()
    assert staff.get("/admin/accounts/user/").status_code == 403


@pytest.mark.parametrize(("role", "seen"), [("viewer", False), ("editor", False), ("admin", True), ("owner", True)])
def test_the_audit_trail_is_for_administrators(client, role, seen):
    mine = make_workspace("mine")
    event = AuditEvent.objects.get()
    staff = staff_of(client, mine, role)

    assert (staff.get(f"/admin/accounts/auditevent/{event.pk}/change/").status_code == 200) == seen


@pytest.mark.parametrize(("role", "ended"), [("viewer", False), ("editor", False), ("admin", True)])
def test_revoking_is_for_administrators(client, role, ended):
    mine = make_workspace("mine")
    make_token(mine)
    token = ApiToken.objects.get()
    staff = staff_of(client, mine, role)

    staff.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})

    token.refresh_from_db()
    assert (token.revoked_at is not None) == ended
    assert AuditEvent.objects.filter(action="token.revoked", actor="user:staff").exists() == ended


def test_a_workspace_is_made_and_changed_by_its_actions(root):
    form = {"slug": "mine", "name": "Mine", "history_days": "30", "cors_origins": ""}

    assert root.post("/admin/workspaces/workspace/add/", form).status_code == 302
    workspace = Workspace.objects.select_related("counter").get()
    root.post(f"/admin/workspaces/workspace/{workspace.pk}/change/", form | {"history_days": ""})

    workspace.refresh_from_db()
    assert (workspace.name, workspace.history_days, workspace.counter.last_sequence) == ("Mine", None, 0)
    assert [event.action for event in AuditEvent.objects.filter(actor="user:root").order_by("id")] == [
        "workspace.created",
        "workspace.updated",
        "workspace.updated",
    ]


def test_a_refusal_is_a_message_and_saves_nothing(root):
    form = {"slug": "mine", "history_days": "0", "cors_origins": ""}

    answer = root.post("/admin/workspaces/workspace/add/", form, follow=True)

    assert "1 to 36500 days, or null for ever." in answer.content.decode()
    assert not Workspace.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_last_owner_stays_in_the_console_too(root):
    mine = make_workspace("mine")
    member = Membership.objects.create(workspace=mine, user=make_user("ada"), role="owner")

    changed = root.post(f"/admin/workspaces/membership/{member.pk}/change/", {"role": "viewer"}, follow=True)
    root.post(f"/admin/workspaces/membership/{member.pk}/delete/", {"post": "yes"})

    assert "The last owner stays" in changed.content.decode()
    assert Membership.objects.get().role == "owner"


@pytest.mark.parametrize(("role", "gone"), [("admin", False), ("owner", True)])
def test_of_staff_only_an_owner_archives(client, role, gone):
    mine = make_workspace("mine")
    staff = staff_of(client, mine, role)

    staff.post("/admin/workspaces/workspace/", {"action": "archive", "_selected_action": [mine.pk]})

    assert (Workspace.objects.get().archived_at is not None) == gone
