"""Workspaces, members, tokens and the audit trail in the console: every change goes through an action."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.actions import revoke_token
from apps.accounts.models import ApiToken, AuditEvent
from apps.common.errors import DomainError
from apps.workspaces import actions
from apps.workspaces.console import Evidence, WorkspaceScoped, actor_of, refusal_text, workspaces_of
from apps.workspaces.models import ExternalIdentity, Membership, Role, TokenGrant, Workspace
from apps.workspaces.options import OPTIONS


@admin.register(Workspace)
class WorkspaceAdmin(WorkspaceScoped):
    workspace_lookup = "id"
    list_display = ["slug", "name", "live_files", "stored_bytes", "created_at", "archived_at"]
    list_select_related = ["counter"]
    search_fields = ["slug", "name"]
    ordering = ["slug"]
    readonly_fields = ["public_id", "created_at", "archived_at"]
    fields = ["slug", *OPTIONS, "public_id", "created_at", "archived_at"]
    actions = ["archive"]

    def get_readonly_fields(self, request: HttpRequest, obj: Workspace | None = None) -> list[str]:
        return [*self.readonly_fields, "slug"] if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a workspace is archived, and purged 30 days later."""
        return False

    @admin.display(description="files")
    def live_files(self, workspace: Workspace) -> int:
        return workspace.counter.live_files

    @admin.display(description="bytes kept")
    def stored_bytes(self, workspace: Workspace) -> int:
        return workspace.counter.stored_bytes

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in OPTIONS if name in form.changed_data}
        target = obj if change else actions.create_workspace(obj.slug, actor=actor_of(request))
        row = actions.update_workspace_settings(target, values, actor=actor_of(request))
        obj.pk, obj.public_id = row.pk, row.public_id

    @admin.action(description="Archive", permissions=["view"])
    def archive(self, request: HttpRequest, workspaces: QuerySet[Workspace]) -> None:
        """Close workspaces for everybody. Owners and superusers."""
        allowed = workspaces
        if not request.user.is_superuser:
            allowed = workspaces.filter(pk__in=workspaces_of(request, Role.OWNER))
        for workspace in allowed:
            actions.archive_workspace(workspace, actor=actor_of(request))
        self.message_user(request, f"{len(allowed)} archived.", messages.SUCCESS)


@admin.register(Membership)
class MembershipAdmin(WorkspaceScoped):
    list_display = ["user", "workspace", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "workspace"]
    search_fields = ["user__username", "workspace__slug"]
    fields = ["workspace", "user", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> list[str]:
        return ["workspace", "user"] if obj else []

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        obj.pk = actions.set_member(obj.workspace, obj.user, obj.role, actor=actor_of(request)).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        try:
            actions.remove_member(obj.workspace, obj.user.username, actor=actor_of(request))
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for member in queryset.select_related("workspace", "user"):
            self.delete_model(request, member)


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(WorkspaceScoped):
    list_display = ["subject", "provider", "workspace", "scopes", "created_at"]
    list_filter = ["provider"]
    list_select_related = ["workspace"]
    search_fields = ["subject", "workspace__slug"]
    fields = ["workspace", "provider", "subject", "scopes", "user_folder"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: take it out and add it anew."""
        return False

    def save_model(self, request: HttpRequest, obj: ExternalIdentity, form: Any, change: bool) -> None:
        obj.pk = actions.add_identity(
            obj.workspace,
            provider=obj.provider,
            subject=obj.subject,
            scopes=obj.scopes,
            user_folder=obj.user_folder,
            actor=actor_of(request),
        ).pk

    def delete_model(self, request: HttpRequest, obj: ExternalIdentity) -> None:
        actions.remove_identity(obj.workspace, provider=obj.provider, subject=obj.subject, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ExternalIdentity]) -> None:
        for identity in queryset.select_related("workspace"):
            self.delete_model(request, identity)


@admin.register(ApiToken)
class ApiTokenAdmin(Evidence):
    workspace_lookup = "grants__workspace_id"
    list_display = ["public_id", "name", "kind", "user", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["kind"]
    list_select_related = ["user"]
    search_fields = ["public_id", "name"]
    ordering = ["-id"]
    exclude = ["digest", "key_id"]
    actions = ["revoke"]

    @admin.action(description="Revoke", permissions=["view"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """End tokens: superusers everywhere, administrators of workspaces there."""
        ended = sum(self._revoked(request, token) for token in tokens)
        self.message_user(request, f"{ended} revoked.", messages.SUCCESS)

    def _revoked(self, request: HttpRequest, token: ApiToken) -> bool:
        if request.user.is_superuser:
            with transaction.atomic():
                return revoke_token(token, actor=actor_of(request))
        mine = workspaces_of(request, Role.ADMIN, Role.OWNER)
        grants = TokenGrant.objects.filter(token=token, workspace_id__in=mine).select_related("workspace")
        for grant in grants:
            actions.revoke_workspace_token(grant.workspace, token.public_id, actor=actor_of(request))
        return len(grants) > 0


@admin.register(AuditEvent)
class AuditEventAdmin(Evidence):
    list_display = ["at", "action", "actor", "subject", "workspace_id", "request_id"]
    list_filter = ["action"]
    search_fields = ["actor", "subject", "request_id"]
    ordering = ["-id"]
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """Who may not read the audit trail by the API sees none of it here."""
        rows: QuerySet[AuditEvent] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(workspace_id__in=workspaces_of(request, Role.ADMIN, Role.OWNER))
