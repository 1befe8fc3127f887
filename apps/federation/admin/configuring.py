"""How a workspace merges and shows what agents push, and taking all of it out."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect

from apps.common.errors import DomainError
from apps.federation import actions, queries
from apps.federation.admin.forms import SettingsForm
from apps.federation.admin.pages import MANAGE, SETTINGS, Pages
from apps.workspaces.console import Question, acting_role, actor_of, add_refusal, may
from apps.workspaces.models import Role, Workspace
from apps.workspaces.pages import address, choice_of_workspace, workspace_for
from apps.workspaces.showing import count
from apps.workspaces.standing import OPERATOR

SECTIONS = [
    ("What counts", "merge", ["mode", "expire_days"]),
    ("What shows", "visibility", ["min_agents", "hash_labels"]),
    ("Noise", "graphic_eq", ["noise_epsilon", "noise_budget", "noise_bound", "noise_hours"]),
]


def change(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """What the workspace has chosen; without a workspace, the choice of one. A POST of its admins changes it."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=SETTINGS, title="Settings of federation")
    workspace = workspace_for(request, MANAGE if request.method == "POST" else pages.read_scope)
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(queries.federation_of(workspace.pk), data, may_change=may(request, MANAGE, workspace.pk))
    if form.is_valid() and _saved(pages, request, workspace, form):
        return HttpResponseRedirect(request.get_full_path())
    return pages.of_workspace(
        request,
        "settings.html",
        workspace,
        tab=SETTINGS,
        title=workspace.slug,
        subtitle="Settings of federation",
        form=form,
        sections=[(title, icon, [form[name] for name in fields]) for title, icon, fields in SECTIONS],
        spent=queries.spent_epsilon(workspace.pk),
        may_reset=acting_role(request, workspace.pk) in (Role.OWNER, OPERATOR),
        reset=address("federation_federation_reset", workspace=workspace.slug),
    )


def _saved(pages: Pages, request: HttpRequest, workspace: Workspace, form: SettingsForm) -> bool:
    """Whether the settings are as the form has them; else the form says why not."""
    try:
        if form.changes:
            actions.configure_federation(workspace, form.changes, actor=actor_of(request))
    except DomainError as refusal:
        add_refusal(form, refusal)
        return False
    pages.message_user(request, f"The federation of {workspace.slug} is set.", messages.SUCCESS)
    return True


def reset(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks, and then takes everything out: for owners."""
    workspace = workspace_for(request, MANAGE)
    standing = queries.standing_of(workspace.pk)
    question = Question(
        title=f"Reset the federation of {workspace.slug}",
        text="All agents go with all that they ever pushed. Settings and peers stay, and so does what noise has spent. "
        "What is pushed from now on counts again.",
        button="Take everything out",
        back=address(SETTINGS, workspace=workspace.slug),
        icon="delete_forever",
        typed=workspace.slug,
        rows=[f"{count(standing.agents)} agents, {count(standing.pushes)} pushes"],
    )
    return pages.step(request, question, lambda: _emptied(request, workspace))


def _emptied(request: HttpRequest, workspace: Workspace) -> str:
    role = acting_role(request, workspace.pk)
    actions.reset_federation(workspace, acting_role=role, actor=actor_of(request))
    return f"The federation of {workspace.slug} is empty."
