"""What the actions promise beyond the API: forms, races, and that a refusal writes nothing."""

import threading

import pytest
import structlog
from django.db import connection

from apps.accounts.models import ApiToken, AuditEvent
from apps.common.errors import AlreadyExists, Invalid
from apps.workspaces import actions
from apps.workspaces.models import ExternalIdentity, Membership, TokenGrant, Workspace, WorkspaceCounter
from tests.factories import ACTOR, make_member, make_user, make_workspace

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("slug", ["a", "0", "a-b", "a" * 63, "1-"])
def test_a_workspace_is_made_with_its_counter_and_owner(slug):
    owner = make_user("ada")

    workspace = actions.create_workspace(slug, name="Mine", actor=ACTOR, owner=owner)

    assert (workspace.slug, workspace.name) == (slug, "Mine")
    assert WorkspaceCounter.objects.get(workspace=workspace).last_sequence == 0
    assert Membership.objects.get().role == "owner"
    assert [event.action for event in AuditEvent.objects.order_by("id")] == ["workspace.created", "member.set"]


@pytest.mark.parametrize("slug", ["", "-a", "A", "a_b", "a" * 64, "a\n", "\u00e9", "a/b", "a.b", " a"])
def test_a_slug_of_another_form_is_invalid_and_nothing_is_made(slug):
    with pytest.raises(Invalid) as refusal:
        actions.create_workspace(slug, actor=ACTOR)

    assert refusal.value.fields["errors"][0]["field"] == "slug"
    assert not Workspace.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_slug_is_never_given_again():
    workspace = make_workspace("mine")
    actions.archive_workspace(workspace, actor=ACTOR)
    before = AuditEvent.objects.count()

    with pytest.raises(AlreadyExists):
        actions.create_workspace("mine", actor=ACTOR)

    assert Workspace.objects.count() == 1
    assert AuditEvent.objects.count() == before


@pytest.mark.django_db(transaction=True)
def test_of_two_that_take_a_slug_at_once_one_gets_it():
    outcomes = []

    def create():
        try:
            outcomes.append(actions.create_workspace("mine", actor=ACTOR).slug)
        except AlreadyExists:
            outcomes.append("taken")
        finally:
            connection.close()

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["mine", *["taken"] * 5]
    assert WorkspaceCounter.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_owners_cannot_remove_each_other_at_once():
    workspace = make_workspace("mine")
    for name in ("ada", "bob"):
        make_member(workspace, "owner", name)
    outcomes = []

    def remove(name):
        try:
            actions.remove_member(workspace, name, actor=ACTOR)
            outcomes.append("removed")
        except Invalid:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=(name,)) for name in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["refused", "removed"]
    assert Membership.objects.filter(role="owner").count() == 1


def test_archiving_again_is_nothing():
    workspace = make_workspace("mine")

    actions.archive_workspace(workspace, actor=ACTOR)
    first = Workspace.objects.get().archived_at
    actions.archive_workspace(workspace, actor=ACTOR)

    assert Workspace.objects.get().archived_at == first
    assert AuditEvent.objects.filter(action="workspace.archived").count() == 1


def test_setting_what_is_set_writes_no_audit():
    workspace = make_workspace("mine")
    actions.update_workspace_settings(workspace, {"name": ""}, actor=ACTOR)

    assert not AuditEvent.objects.filter(action="workspace.updated").exists()


def test_portable_names_can_be_chosen_only_before_the_first_file():
    workspace = make_workspace("mine")
    WorkspaceCounter.objects.update(last_sequence=1)

    with pytest.raises(Invalid) as refusal:
        actions.update_workspace_settings(workspace, {"portable_names": True, "name": "x"}, actor=ACTOR)

    assert refusal.value.fields["errors"][0]["code"] == "not_empty"
    assert (Workspace.objects.get().portable_names, Workspace.objects.get().name) == (False, "")
    WorkspaceCounter.objects.update(last_sequence=0)
    assert actions.update_workspace_settings(workspace, {"portable_names": True}, actor=ACTOR).portable_names


def test_a_users_token_needs_a_member():
    workspace = make_workspace("mine")

    with pytest.raises(Invalid) as refusal:
        actions.issue_workspace_token(workspace, user=make_user(), actor=ACTOR)

    assert refusal.value.fields["errors"][0]["code"] == "not_a_member"
    assert not ApiToken.objects.exists()


def test_a_grant_is_made_once():
    workspace, other = make_workspace("mine"), make_workspace("other")
    token, _ = actions.issue_workspace_token(workspace, actor=ACTOR)

    actions.grant_token(other, token, actor=ACTOR)
    actions.grant_token(other, token, actor=ACTOR)

    assert TokenGrant.objects.count() == 2
    assert AuditEvent.objects.filter(action="grant.added").count() == 1


def test_an_identity_may_be_listed_in_several_workspaces():
    for slug in ("mine", "other"):
        actions.add_identity(make_workspace(slug), provider="heare", subject="key_a", actor=ACTOR)

    assert ExternalIdentity.objects.count() == 2


def test_the_audit_line_names_the_request():
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        make_workspace("mine")

    assert AuditEvent.objects.get().request_id == "r1"
