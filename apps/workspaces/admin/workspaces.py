"""Workspaces: how full they are, what is set on them, and who may enter, in one place."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts.models import ApiToken
from apps.common.errors import DomainError, NotFound
from apps.workspaces import actions, queries, showing
from apps.workspaces.admin.forms import ROLE_TEXTS, WorkspaceForm
from apps.workspaces.admin.token_states import TokenState, shown_id, state_of
from apps.workspaces.console import (
    Question,
    WorkspaceScoped,
    acting_role,
    actor_of,
    held_scopes,
    last_changes,
    refusal_text,
)
from apps.workspaces.models import ExternalIdentity, Membership, Role, Workspace
from apps.workspaces.options import OPTIONS
from apps.workspaces.standing import OPERATOR

MOST_SHOWN = 100
"""Members, tokens and identities on the page of a workspace; all of them are in their lists."""
ALMOST_FULL = 90


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("archived", "Archived")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return None
        return queryset.filter(archived_at__isnull=self.value() == "open")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a workspace and, where there is a quota, how much of it is used."""

    icon: str
    name: str
    value: str
    share: int | None = None
    note: str = ""
    at: datetime | None = None

    @property
    def is_almost_full(self) -> bool:
        return self.share is not None and self.share >= ALMOST_FULL


@dataclass(frozen=True, slots=True)
class Entrance:
    """Who may enter a workspace, as far as its page shows it. Tokens come with what they are called and their state."""

    members: list[Membership]
    tokens: list[tuple[ApiToken, str, TokenState]]
    identities: list[ExternalIdentity]
    most: int = MOST_SHOWN


class WorkspaceAdmin(WorkspaceScoped):
    workspace_lookup = "id"
    form = WorkspaceForm
    list_display = ["shown_name", "shown_state", "files", "live", "stored", "last_change", "shown_created"]
    list_filter = [StateFilter]
    list_select_related = ["counter"]
    search_fields = ["slug", "name"]
    search_help_text = "A part of the slug or the name"
    ordering = ["slug"]
    warn_unsaved_form = True
    empty_icon = "folder_special"
    empty_text = "A workspace holds the files of one tenant: a person, a team, an agent."
    add_text = "Make a workspace"

    def get_urls(self) -> list[URLPattern]:
        def wrapped(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        name = "workspaces_workspace"
        return [
            path("<path:object_id>/archive/", wrapped(self.archive), name=f"{name}_archive"),
            path("<path:object_id>/members/", wrapped(require_POST(self.set_member)), name=f"{name}_members"),
            path("<path:object_id>/grants/", wrapped(require_POST(self.let_token_in)), name=f"{name}_grants"),
            *super().get_urls(),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Workspace | None = None) -> Any:
        return [
            ("Options" if obj else None, {"fields": ["name"] if obj else ["slug", "name", "owner"]}),
            ("Limits", {"fields": ["quota_files", "quota_live_bytes", "quota_stored_bytes"]}),
            ("History", {"fields": ["history_days", "tombstone_days"]}),
            ("Clients", {"fields": ["portable_names", "cors_origins"]}),
        ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_work(request, obj) and (obj is None or obj.archived_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a workspace is archived, and purged 30 days later."""
        return False

    def complete(self, request: HttpRequest, rows: list[Workspace]) -> None:
        changes = last_changes([row.pk for row in rows])
        for row in rows:
            row.last_change_at = changes.get(row.pk)  # type: ignore[attr-defined]

    @display(description="workspace", ordering="slug")
    def shown_name(self, workspace: Workspace) -> SafeString:
        return showing.two_lines(workspace.slug, workspace.name)

    @display(description="state")
    def shown_state(self, workspace: Workspace) -> SafeString:
        return showing.label(*state_words(workspace))

    @display(description="files", ordering="counter__live_files")
    def files(self, workspace: Workspace) -> SafeString:
        return _used(workspace.counter.live_files, workspace.quota_files, showing.count)

    @display(description="live bytes", ordering="counter__live_bytes")
    def live(self, workspace: Workspace) -> SafeString:
        return _used(workspace.counter.live_bytes, workspace.quota_live_bytes, showing.size)

    @display(description="kept in all", ordering="counter__stored_bytes")
    def stored(self, workspace: Workspace) -> SafeString:
        return _used(workspace.counter.stored_bytes, workspace.quota_stored_bytes, showing.size)

    @display(description="last change")
    def last_change(self, workspace: Workspace) -> SafeString:
        return showing.ago(getattr(workspace, "last_change_at", None), never="nothing yet")

    @display(description="made", ordering="created_at")
    def shown_created(self, workspace: Workspace) -> SafeString:
        return showing.ago(workspace.created_at)

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in OPTIONS if name in form.changed_data}
        actor = actor_of(request)
        target = obj if change else actions.create_workspace(obj.slug, actor=actor, owner=form.cleaned_data["owner"])
        row = actions.update_workspace_settings(target, values, actor=actor)
        obj.pk, obj.public_id = row.pk, row.public_id

    def response_add(self, request: HttpRequest, obj: Workspace, post_url_continue: str | None = None) -> HttpResponse:
        text = f"The workspace {obj.slug} is there. Next: a token for its first client."
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(self.row_address(obj))

    def response_change(self, request: HttpRequest, obj: Workspace) -> HttpResponse:
        self.message_user(request, f"The options of {obj.slug} are saved.", messages.SUCCESS)
        return HttpResponseRedirect(self.row_address(obj))

    def render_change_form(self, request: HttpRequest, context: Any, **kwargs: Any) -> HttpResponse:
        shown = kwargs.get("obj")
        if shown is not None:
            context |= self._page_of(request, queries.workspace_with_usage(shown.pk))
        return super().render_change_form(request, context, **kwargs)

    def _page_of(self, request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
        may_work = self.may_work(request, workspace)
        return {
            "workspace": workspace,
            "state": state_words(workspace),
            "figures": _figures(workspace),
            "is_open": workspace.archived_at is None,
            "may_work": may_work,
            "may_archive": acting_role(request, workspace.pk) in (Role.OWNER, OPERATOR),
            "is_operator": bool(request.user.is_superuser),
            "entrance": _entrance(workspace) if may_work else None,
            "roles": [(str(role), role.label, text) for role, text in ROLE_TEXTS.items()],
        }

    def set_member(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add a member or change a role, from the page of the workspace."""
        workspace = self.workable_row(request, object_id)
        username, role = request.POST.get("username", "").strip(), request.POST.get("role", "")
        try:
            actions.set_member(
                workspace,
                queries.user_named(username),
                role,
                actor=actor_of(request),
                acting_role=acting_role(request, workspace.pk),
                issuer_scopes=held_scopes(request, workspace.pk),
            )
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)
        else:
            self.message_user(request, f"{username} is {role} in {workspace.slug}.", messages.SUCCESS)
        return HttpResponseRedirect(f"{self.row_address(workspace)}#members")

    def let_token_in(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give a token that exists a grant for this workspace too: the operator's."""
        workspace = self.workable_row(request, object_id)
        try:
            token = _token_with(request.POST.get("token", "")) if request.user.is_superuser else None
            if token is None:
                raise NotFound("There is no such token for you to let in: the id is the 12 characters after mh_.")
            actions.grant_token(workspace, token, actor=actor_of(request))
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)
        else:
            self.message_user(request, f"The token {token} may enter {workspace.slug}.", messages.SUCCESS)
        return HttpResponseRedirect(f"{self.row_address(workspace)}#tokens")

    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close the workspace, for owners and superusers, once its slug was typed."""
        workspace = self.workable_row(request, object_id)
        files = f"{showing.count(workspace.counter.live_files)} files, {showing.size(workspace.counter.live_bytes)}"
        question = Question(
            title=f"Archive {workspace.slug}",
            text="The workspace closes for everybody at once: its members, its tokens, its older clients. "
            "30 days later all that it holds is purged. Its slug is never given out again.",
            button="Archive the workspace",
            back=self.row_address(workspace),
            icon="archive",
            typed=workspace.slug,
            rows=[files, f"{showing.size(workspace.counter.stored_bytes)} with their history"],
        )
        answer = self.step(request, question, lambda: _archived(request, workspace))
        if not self.get_queryset(request).filter(pk=workspace.pk).exists():
            # Superusers still see it; for its owner the page is gone now.
            return HttpResponseRedirect(reverse("admin:index"))
        return answer


def _archived(request: HttpRequest, workspace: Workspace) -> str:
    actions.archive_workspace(workspace, actor=actor_of(request), acting_role=acting_role(request, workspace.pk))
    return f"{workspace.slug} is archived."


def _token_with(text: str) -> ApiToken | None:
    """The token with this public id; the prefix may be there, and of a whole token the rest is dropped."""
    public_id = text.strip().removeprefix("mh_").removeprefix("mhp_")[:12]
    return ApiToken.objects.select_related("user").filter(public_id=public_id).first()


def state_words(workspace: Workspace) -> tuple[str, str]:
    """What the state is called, and the colour of its label."""
    if workspace.purged_at is not None:
        return "purged", "default"
    return ("archived", "warning") if workspace.archived_at is not None else ("open", "success")


def _used(used: int, quota: int | None, show: Callable[[int | None], str]) -> SafeString:
    """A number, with its share of the quota where there is one."""
    text = f"{show(used)} of {show(quota)}" if quota is not None else show(used)
    return showing.bar(_share(used, quota), text=text, alarming_from=ALMOST_FULL)


def _share(used: int, quota: int | None) -> int | None:
    """A quota of nothing is full."""
    return 100 if quota == 0 else showing.percent(used, quota)


def _figures(workspace: Workspace) -> list[Figure]:
    counter = workspace.counter
    numbers = [
        ("draft", "Live files", counter.live_files, workspace.quota_files, showing.count),
        ("hard_drive", "Live bytes", counter.live_bytes, workspace.quota_live_bytes, showing.size),
        ("history", "Kept in all", counter.stored_bytes, workspace.quota_stored_bytes, showing.size),
    ]
    figures = [
        Figure(icon, name, show(used), _share(used, quota), f"of {show(quota)}" if quota is not None else "no quota")
        for icon, name, used, quota, show in numbers
    ]
    changed_at = last_changes([workspace.pk]).get(workspace.pk)
    return [*figures, Figure("schedule", "Last change", "Nothing yet", at=changed_at)]


def _entrance(workspace: Workspace) -> Entrance:
    now = timezone.now()
    tokens = queries.tokens_of(workspace.pk)[:MOST_SHOWN]
    return Entrance(
        members=list(queries.members_of(workspace.pk).order_by("user__username")[:MOST_SHOWN]),
        tokens=[(token, shown_id(token), state_of(token, now)) for token in tokens],
        identities=list(queries.identities_of(workspace.pk).order_by("provider", "subject")[:MOST_SHOWN]),
    )
