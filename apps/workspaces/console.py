"""What the console shows to whom: superusers see all, other staff what belongs to their own workspaces."""

from typing import Any

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin

from apps.accounts.actors import Actor
from apps.common.errors import DomainError
from apps.workspaces.models import Membership, Role


class WorkspaceScoped(ModelAdmin):
    """Rows of workspaces: staff see those of workspaces that they are members of and change nothing.

    `workspace_lookup` leads from the row to the workspace's key. Superusers get what the subclass allows.
    """

    workspace_lookup = "workspace_id"
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.workspace_lookup}__in": workspaces_of(request)}).distinct()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """An action's refusal is a message on the form, with nothing saved."""
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)
            return HttpResponseRedirect(request.path)
        return response


class Evidence(WorkspaceScoped):
    """Rows that only the hub writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def workspaces_of(request: HttpRequest, *roles: str) -> QuerySet[Any]:
    """Keys of the workspaces in which the signed-in user has one of `roles`, or any role."""
    members = Membership.objects.filter(user_id=request.user.pk or 0, role__in=roles or Role.values)
    return members.values("workspace_id")


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in user, as the audit trail names people."""
    return Actor(f"user:{request.user.get_username()}", user_pk=request.user.pk)


def refusal_text(error: DomainError) -> str:
    """The sentences of a refusal."""
    details = [entry["detail"] for entry in error.fields.get("errors", [])]
    return " ".join(details) or error.detail or error.title
