"""The audit trail: who changed who may do what."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.accounts.models import AuditEvent
from apps.workspaces import showing
from apps.workspaces.console import Evidence, address_of, may, roles_of
from apps.workspaces.listing import WorkspaceFilter
from apps.workspaces.models import Workspace

AREAS = {
    "workspace": ("Workspaces", "folder_special", "workspaces_workspace"),
    "member": ("Members", "group", "workspaces_membership"),
    "token": ("Tokens", "key", "accounts_apitoken"),
    "grant": ("Grants", "vpn_key", "accounts_apitoken"),
    "identity": ("Identities", "badge", "workspaces_externalidentity"),
    "webhook": ("Webhooks", "webhook", "jobs_webhookendpoint"),
    "user": ("Users", "person", "accounts_user"),
    "snapshot": ("Snapshots", "photo_camera", ""),
    "copy": ("Copies of snapshots", "cloud_done", ""),
    "restore": ("Restores", "settings_backup_restore", ""),
    "snapshot_policy": ("Snapshot policies", "event_repeat", ""),
    "retention": ("What is kept", "auto_delete", ""),
    "target": ("Targets", "cloud_upload", ""),
}
"""What the first word of an action is about: its name, its icon, and the list in which its subject is found, if one is.
"""
MOST_CHARACTERS = 100
LOUD = ("archived", "purged", "removed", "revoked", "deleted", "disabled")


class AreaFilter(admin.SimpleListFilter):
    """A fixed list: asking the table which actions there are would read all of it."""

    title = "subject"
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(area, name) for area, (name, _icon, _list) in AREAS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(action__startswith=f"{self.value()}.") if self.value() in AREAS else None


class AuditWorkspaceFilter(WorkspaceFilter):
    """The trail keeps a plain number, which outlives the row."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if not self.value():
            return None
        return queryset.filter(workspace_id__in=Workspace.objects.filter(slug=self.value()).values("pk"))


class AuditEventAdmin(Evidence):
    """Who may not read the audit trail by the API sees none of it here."""

    read_scope = "audit:read"
    list_display = ["at_time", "shown_action", "shown_subject", "shown_workspace", "actor", "changes"]
    list_filter = [AuditWorkspaceFilter, AreaFilter]
    search_fields = ["actor", "subject", "request_id", "action"]
    search_help_text = "A part of the actor, the subject, the action or the request id"
    ordering = ["-id"]
    empty_icon = "policy"
    empty_text = "Every change of members, tokens, identities and options leaves a line here."

    def where(self, request: HttpRequest, rows: QuerySet[Any], scope: str) -> QuerySet[Any]:
        if request.user.is_superuser:
            return rows
        # Keys instead of a subquery: the index by workspace and id gives the newest rows then.
        return rows.filter(workspace_id__in=[key for key in roles_of(request) if may(request, scope, key)])

    def complete(self, request: HttpRequest, rows: list[AuditEvent]) -> None:
        workspaces = Workspace.objects.in_bulk([row.workspace_id for row in rows if row.workspace_id is not None])
        for row in rows:
            row.workspace = workspaces.get(row.workspace_id or 0)  # type: ignore[attr-defined]

    @display(description="when", ordering="id")
    def at_time(self, event: AuditEvent) -> SafeString:
        return showing.ago(event.at)

    @display(description="what")
    def shown_action(self, event: AuditEvent) -> SafeString:
        return showing.label(event.action, "warning" if event.action.endswith(LOUD) else "info")

    @display(description="subject")
    def shown_subject(self, event: AuditEvent) -> SafeString | str:
        address = subject_address(event)
        return showing.link(event.subject, address) if address else event.subject

    @display(description="workspace")
    def shown_workspace(self, event: AuditEvent) -> str:
        workspace: Workspace | None = getattr(event, "workspace", None)
        return workspace.slug if workspace is not None else ""

    @display(description="how")
    def changes(self, event: AuditEvent) -> str:
        return shortened(", ".join(f"{name}: {text}" for name, text in told(event.details)), MOST_CHARACTERS)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        event = self.get_object(request, unquote(object_id)) if object_id is not None else None
        if event is None or request.method != "GET":
            return super().changeform_view(request, object_id, *args, **kwargs)
        self.complete(request, [event])
        area = AREAS.get(event.action.partition(".")[0])
        return self.console_page(
            request,
            "accounts/audit_event.html",
            title=event.action,
            event=event,
            icon=area[1] if area else "policy",
            workspace=getattr(event, "workspace", None),
            subject_address=subject_address(event),
            details=told(event.details),
            same_request=self.list_address(q=event.request_id) if event.request_id else "",
        )


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def subject_address(event: AuditEvent) -> str:
    """The list in which the subject of an event is found; empty where there is none."""
    area = AREAS.get(event.action.partition(".")[0])
    if area is None or not area[2] or not event.subject:
        return ""
    words = event.subject.partition(":")[2] if event.action.startswith("identity.") else event.subject
    return address_of(f"{area[2]}_changelist", q=words)


def told(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Each detail as (name, text); a change as `old → new`."""
    if _is_change(details):
        return [("role", _change(details))]
    return [
        (name.replace("_", " "), _change(value) if _is_change(value) else _plain(value))
        for name, value in details.items()
    ]


def _is_change(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"from", "to"}


def _change(value: dict[str, Any]) -> str:
    return f"{_plain(value['from'])} → {_plain(value['to'])}"


def _plain(value: Any) -> str:
    match value:
        case None | "" | []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(str(each) for each in value)
        case str() | int() | float():
            return str(value)
    return json.dumps(value)
