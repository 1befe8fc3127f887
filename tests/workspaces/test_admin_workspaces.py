"""Workspaces in the console, and who may enter them: every change goes through an action, and asks where it must."""

import pytest

from apps.accounts.models import ApiToken, AuditEvent
from apps.workspaces.admin.forms import parsed_size, size_text
from apps.workspaces.models import ExternalIdentity, Membership, Workspace
from tests.factories import make_token, make_user, make_workspace
from tests.workspaces.consoles import YES, fill, list_of, page_of, staff_of

pytestmark = pytest.mark.django_db


def test_a_workspace_is_made_and_changed_by_its_actions(root):
    form = {"slug": "mine", "name": "Mine", "history_days": "30", "quota_stored_bytes": "1.5 GB", "cors_origins": ""}

    assert root.post("/admin/workspaces/workspace/add/", form).status_code == 302
    workspace = Workspace.objects.select_related("counter").get()
    root.post(page_of(workspace), form | {"history_days": ""})

    workspace.refresh_from_db()
    assert (workspace.name, workspace.history_days, workspace.quota_stored_bytes) == ("Mine", None, 3 * 2**29)
    assert [event.action for event in AuditEvent.objects.filter(actor="user:root").order_by("id")] == [
        "workspace.created",
        "workspace.updated",
        "workspace.updated",
    ]


def test_a_new_workspace_gets_its_first_owner(root):
    make_user("ada")

    root.post("/admin/workspaces/workspace/add/", {"slug": "mine", "owner": "ada"})

    assert Membership.objects.get().role == "owner"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"slug": "mine", "history_days": "0"}, "1 to 36500 days, or null for ever."),
        ({"slug": "Mine"}, "1 to 63 of a-z, 0-9 and &#x27;-&#x27;"),
        ({"slug": "mine", "quota_live_bytes": "much"}, "A size such as 10 GB"),
        ({"slug": "mine", "cors_origins": "nonsense"}, "At most 50 origins"),
        ({"slug": "mine", "owner": "nobody"}, "There is no such user."),
    ],
)
def test_a_refused_value_is_told_at_its_field_and_saves_nothing(root, form, said):
    answer = root.post("/admin/workspaces/workspace/add/", form, follow=True)

    assert said in answer.content.decode()
    assert not Workspace.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_refusal_of_an_action_is_a_message_and_saves_nothing(root):
    workspace = make_workspace("mine")
    workspace.counter.last_sequence = 1
    workspace.counter.save(update_fields=["last_sequence"])

    answer = root.post(page_of(workspace), {"name": "New", "portable_names": "on"}, follow=True)

    assert "Switch this on before the first file is written." in answer.content.decode()
    workspace.refresh_from_db()
    assert (workspace.name, workspace.portable_names) == ("", False)


@pytest.mark.parametrize(("role", "saved"), [("viewer", False), ("editor", False), ("admin", True), ("owner", True)])
def test_options_are_set_by_whoever_may_by_the_api(client, role, saved):
    mine = make_workspace("mine")
    staff = staff_of(client, mine, role)

    answer = staff.post(page_of(mine), {"name": "New", "quota_files": "7"})

    mine.refresh_from_db()
    assert answer.status_code == (302 if saved else 403)
    assert (mine.name, mine.quota_files) == (("New", 7) if saved else ("", None))
    assert AuditEvent.objects.filter(action="workspace.updated", actor="user:staff").exists() == saved


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("4096", 4096), ("10 GB", 10 * 2**30), ("1.5m", 3 * 2**19), ("0", 0), ("2 TiB", 2**41), ("-1", None), ("x", None)],
)
def test_sizes_are_read_as_people_write_them(text, size_bytes):
    assert parsed_size(text) == size_bytes


@pytest.mark.parametrize("size_bytes", [0, 1, 1000, 1024, 20_000, 10 * 2**30, 2**63 - 1])
def test_a_size_that_is_shown_is_read_back_exactly(size_bytes):
    assert parsed_size(size_text(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("role", "typed", "gone"),
    [
        ("admin", "mine", False),
        ("owner", "", False),
        ("owner", "other", False),
        ("owner", "mine", True),
    ],
)
def test_an_owner_archives_once_the_slug_is_typed(client, role, typed, gone):
    mine = make_workspace("mine")
    staff = staff_of(client, mine, role)

    staff.post(page_of(mine, "archive"), YES | {"typed": typed})

    assert (Workspace.objects.get().archived_at is not None) == gone
    assert AuditEvent.objects.filter(action="workspace.archived").exists() == gone


def test_looking_at_the_question_archives_nothing(root):
    mine = make_workspace("mine")

    asked = root.get(page_of(mine, "archive"))

    assert "Its slug is never given out again." in asked.content.decode()
    assert Workspace.objects.get().archived_at is None


def test_an_archived_workspace_is_gone_for_its_members_too(client):
    mine = make_workspace("mine")
    fill(mine)
    staff = staff_of(client, mine, "owner")
    staff.post(page_of(mine, "archive"), YES | {"typed": "mine"})

    pages = [page_of(mine), list_of(Workspace), list_of(ApiToken), list_of(AuditEvent)]
    assert [staff.get(page).status_code for page in pages] == [403, 403, 403, 403]


def test_members_are_added_and_changed_on_the_page_of_the_workspace(client):
    mine = make_workspace("mine")
    make_user("ada")
    staff = staff_of(client, mine, "owner")

    staff.post(page_of(mine, "members"), {"username": "ada", "role": "viewer"})
    staff.post(page_of(mine, "members"), {"username": "ada", "role": "admin"})

    assert Membership.objects.get(user__username="ada").role == "admin"
    assert AuditEvent.objects.filter(action="member.set", actor="user:staff").count() == 2
    assert "ada" in staff.get(page_of(mine)).content.decode()


@pytest.mark.parametrize(
    ("role", "form", "said"),
    [
        ("admin", {"username": "ada", "role": "owner"}, "Only an owner may do this."),
        ("owner", {"username": "nobody", "role": "viewer"}, "There is no such user."),
        ("owner", {"username": "staff", "role": "viewer"}, "The last owner stays"),
        ("owner", {"username": "ada", "role": "king"}, "Roles are: viewer editor admin owner"),
    ],
)
def test_what_may_not_be_of_a_member_is_a_message_and_changes_nothing(client, role, form, said):
    mine = make_workspace("mine")
    make_user("ada")
    staff = staff_of(client, mine, role)

    answer = staff.post(page_of(mine, "members"), form, follow=True)

    assert said in answer.content.decode()
    assert list(Membership.objects.values_list("user__username", "role")) == [("staff", role)]


@pytest.mark.parametrize("step", ["members", "grants", "archive"])
def test_steps_of_a_strangers_workspace_are_not_there(client, step):
    mine, theirs = make_workspace("mine"), make_workspace("theirs")
    make_token(theirs)
    make_user("ada")
    staff = staff_of(client, mine, "owner")
    form = YES | {"typed": "theirs", "username": "ada", "role": "viewer", "token": ApiToken.objects.get().public_id}

    assert staff.post(page_of(theirs, step), form).status_code == 404
    assert Workspace.objects.get(slug="theirs").archived_at is None
    assert not Membership.objects.filter(workspace=theirs).exists()


def test_the_form_for_members_reaches_only_workspaces_that_one_administers(client):
    mine, theirs = make_workspace("mine"), make_workspace("theirs")
    make_user("ada")
    staff = staff_of(client, mine, "owner")
    add = "/admin/workspaces/membership/add/"

    staff.post(add, {"workspace": theirs.pk, "username": "ada", "role": "viewer"})
    assert not Membership.objects.filter(user__username="ada").exists()
    staff.post(add, {"workspace": mine.pk, "username": "ada", "role": "viewer"})

    assert Membership.objects.get(user__username="ada").workspace == mine


def test_the_last_owner_stays_in_the_console_too(root):
    mine = make_workspace("mine")
    member = Membership.objects.create(workspace=mine, user=make_user("ada"), role="owner")

    changed = root.post(page_of(member), {"role": "viewer"}, follow=True)
    removed = root.post(page_of(member, "delete"), YES, follow=True)

    assert "The last owner stays" in changed.content.decode()
    assert "The last owner stays" in removed.content.decode()
    assert Membership.objects.get().role == "owner"


def test_removing_a_member_or_an_identity_asks_first(root):
    mine = make_workspace("mine")
    fill(mine)
    member, identity = Membership.objects.get(), ExternalIdentity.objects.get()

    for row in (member, identity):
        root.get(page_of(row, "delete"))
        root.post(page_of(row, "delete"), {"post": "yes"})
        assert type(row).objects.filter(pk=row.pk).exists()
        root.post(page_of(row, "delete"), YES)
        assert not type(row).objects.filter(pk=row.pk).exists()

    removed = AuditEvent.objects.filter(actor="user:root").values_list("action", flat=True)
    assert set(removed) == {"member.removed", "identity.removed"}


def test_members_cannot_be_deleted_many_at_once(root):
    mine = make_workspace("mine")
    fill(mine)
    rows = [row.pk for row in Membership.objects.all()]

    root.post(list_of(Membership), {"action": "delete_selected", "_selected_action": rows, "post": "yes"} | YES)

    assert Membership.objects.count() == 1


def test_an_identity_is_let_in_with_what_its_giver_has(client):
    mine = make_workspace("mine")
    staff = staff_of(client, mine, "admin")
    form = {"workspace": mine.pk, "provider": "heare", "subject": "key_a", "scopes": ["files:read"], "user_folder": "a"}

    staff.post("/admin/workspaces/externalidentity/add/", form)

    identity = ExternalIdentity.objects.get()
    assert (identity.workspace, identity.scopes, identity.user_folder) == (mine, ["files:read"], "a")
