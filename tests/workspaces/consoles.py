"""The console as the tests of its pages meet it: signing in, addresses, rows."""

from django.urls import reverse

from apps.accounts.models import ApiToken, AuditEvent, User
from apps.workspaces import actions
from apps.workspaces.models import ExternalIdentity, Membership, Workspace
from tests.factories import ACTOR, make_member, make_token, make_user

MODELS = {
    "accounts/user": User,
    "accounts/apitoken": ApiToken,
    "accounts/auditevent": AuditEvent,
    "workspaces/workspace": Workspace,
    "workspaces/membership": Membership,
    "workspaces/externalidentity": ExternalIdentity,
}
YES = {"confirmed": "yes"}


def staff_of(client, workspace, role):
    """A client signed in as `staff`, who has that role and is no superuser."""
    user = User.objects.filter(username="staff").first() or make_user("staff", is_staff=True)
    Membership.objects.create(workspace=workspace, user=user, role=role)
    client.force_login(user)
    return client


def page_of(row, step="change"):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{step}", args=[row.pk])


def list_of(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def rows_of(answer):
    return {row.pk for row in answer.context["cl"].result_list}


def fill(workspace):
    """A row of each model, in that workspace."""
    slug = workspace.slug
    make_token(workspace, name=f"token of {slug}")
    make_member(workspace, "viewer", f"member-of-{slug}")
    actions.add_identity(workspace, provider="heare", subject=f"key-of-{slug}", actor=ACTOR)
