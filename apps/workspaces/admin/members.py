"""Members and outside identities: who may enter which workspace, beside tokens."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.workspaces import actions, showing
from apps.workspaces.admin.forms import IdentityForm, MembershipForm
from apps.workspaces.console import (
    Question,
    WorkspaceScoped,
    acting_role,
    actor_of,
    held_scopes,
    workspaces_of,
)
from apps.workspaces.listing import WorkspaceFilter
from apps.workspaces.models import ExternalIdentity, Membership, Role, Workspace

ROLE_COLOURS = {Role.VIEWER: "default", Role.EDITOR: "info", Role.ADMIN: "primary", Role.OWNER: "success"}


class Entrants(WorkspaceScoped):
    """Rows that let somebody into a workspace. They are added and removed by whoever administers it."""

    read_scope = work_scope = WORKSPACE_ADMIN
    list_select_related: Any = ["workspace"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_work(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_work(request, obj)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only workspaces that the signed-in user administers, without buttons to make others."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "workspace":
            live = Workspace.objects.filter(archived_at=None).order_by("slug")
            mine = live.filter(pk__in=workspaces_of(request, Role.ADMIN, Role.OWNER))
            field.queryset = live if request.user.is_superuser else mine
            for button in ("can_add_related", "can_change_related", "can_view_related"):
                setattr(field.widget, button, False)
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """`?workspace=` names it by its slug."""
        chosen = Workspace.objects.filter(slug=request.GET.get("workspace", "")).first()
        return {"workspace": chosen.pk} if chosen is not None else {}

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        self.message_user(request, self.welcome(obj), messages.SUCCESS)
        return HttpResponseRedirect(self.list_address(workspace=obj.workspace.slug))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self.response_add(request, obj)

    def welcome(self, obj: Any) -> str:
        """What is said of one who was just let in, or whose role was just changed."""
        raise NotImplementedError

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.row(request, object_id)
        if not self.has_delete_permission(request, row):
            raise PermissionDenied
        return self.step(request, self.farewell(row), lambda: self.removed(request, row))

    def farewell(self, row: Any) -> Question:
        """What is asked before the row goes."""
        raise NotImplementedError

    def removed(self, request: HttpRequest, row: Any) -> str:
        """Take the row out and say so."""
        raise NotImplementedError


class MembershipAdmin(Entrants):
    form = MembershipForm
    list_display = ["shown_user", "workspace", "shown_role", "since"]
    list_filter = [WorkspaceFilter, "role"]
    list_select_related = ["user", "workspace"]
    search_fields = ["user__username", "workspace__slug"]
    search_help_text = "A part of the user name or the workspace"
    ordering = ["workspace__slug", "user__username"]
    empty_icon = "group"
    empty_text = "Members sign in to the console and have tokens of their own. Add somebody by user name."
    add_text = "Add a member"

    def get_fieldsets(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        who = "username" if obj is None else "user"
        return [(None, {"fields": ["workspace", who, "role"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> list[str]:
        return ["workspace", "user"] if obj else []

    def get_form(self, request: HttpRequest, obj: Membership | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None:
            form.base_fields.pop("username", None)
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_work(request, obj)

    @display(description="member", ordering="user__username")
    def shown_user(self, member: Membership) -> str:
        return member.user.username

    @display(description="role", ordering="role")
    def shown_role(self, member: Membership) -> SafeString:
        return showing.label(member.role, ROLE_COLOURS[Role(member.role)])

    @display(description="since", ordering="created_at")
    def since(self, member: Membership) -> SafeString:
        return showing.ago(member.created_at)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if not change:
            obj.user = form.cleaned_data["username"]
        obj.pk = actions.set_member(
            obj.workspace,
            obj.user,
            form.cleaned_data["role"],
            actor=actor_of(request),
            acting_role=acting_role(request, obj.workspace.pk),
            issuer_scopes=held_scopes(request, obj.workspace.pk),
        ).pk

    def title_of(self, obj: Membership) -> str:
        return f"{obj.user.username} in {obj.workspace.slug}"

    def welcome(self, obj: Membership) -> str:
        return f"{obj.user.username} is {obj.role} in {obj.workspace.slug}."

    def farewell(self, row: Membership) -> Question:
        name, slug = row.user.username, row.workspace.slug
        return Question(
            title=f"Remove {name} from {slug}",
            text=f"{name} sees nothing of {slug} any more, and tokens of {name} stop working there within seconds.",
            button="Remove the member",
            back=self.list_address(workspace=slug),
            icon="person_remove",
        )

    def removed(self, request: HttpRequest, row: Membership) -> str:
        name, workspace = row.user.username, row.workspace
        role = acting_role(request, workspace.pk)
        actions.remove_member(workspace, name, actor=actor_of(request), acting_role=role)
        return f"{name} was removed from {workspace.slug}."


class ExternalIdentityAdmin(Entrants):
    form = IdentityForm
    list_display = ["subject", "provider", "workspace", "shown_scopes", "user_folder", "since"]
    list_filter = [WorkspaceFilter, "provider"]
    search_fields = ["subject", "workspace__slug"]
    search_help_text = "A part of the subject or the workspace"
    ordering = ["workspace__slug", "provider", "subject"]
    fields = ["workspace", "provider", "subject", "scopes", "user_folder"]
    empty_icon = "badge"
    empty_text = "Somebody with a key of an outside checker enters once the key's id is listed here."
    add_text = "Add an identity"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: take it out and add it anew."""
        return False

    @display(description="scopes")
    def shown_scopes(self, identity: ExternalIdentity) -> str:
        return showing.first_few(identity.scopes)

    @display(description="since", ordering="created_at")
    def since(self, identity: ExternalIdentity) -> SafeString:
        return showing.ago(identity.created_at)

    def save_model(self, request: HttpRequest, obj: ExternalIdentity, form: Any, change: bool) -> None:
        obj.pk = actions.add_identity(
            obj.workspace,
            provider=obj.provider,
            subject=obj.subject,
            scopes=obj.scopes,
            user_folder=obj.user_folder,
            actor=actor_of(request),
            issuer_scopes=held_scopes(request, obj.workspace.pk),
        ).pk

    def title_of(self, obj: ExternalIdentity) -> str:
        return f"{obj.subject} in {obj.workspace.slug}"

    def welcome(self, obj: ExternalIdentity) -> str:
        return f"{obj.subject} may enter {obj.workspace.slug}."

    def farewell(self, row: ExternalIdentity) -> Question:
        return Question(
            title=f"Remove {row.subject} from {row.workspace.slug}",
            text=f"{row.get_provider_display()} may go on vouching for {row.subject}: here it is a stranger then, "
            "within seconds.",
            button="Remove the identity",
            back=self.list_address(workspace=row.workspace.slug),
            icon="person_remove",
        )

    def removed(self, request: HttpRequest, row: ExternalIdentity) -> str:
        actions.remove_identity(row.workspace, provider=row.provider, subject=row.subject, actor=actor_of(request))
        return f"{row.subject} was removed from {row.workspace.slug}."
