"""Jobs and webhooks in the console: evidence to read, and buttons that call actions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.accounts.scopes import ROLE_SCOPES, WORKSPACE_ADMIN
from apps.common.errors import DomainError
from apps.jobs import actions, endpoints
from apps.jobs.models import Job, JobState, WebhookDelivery, WebhookEndpoint
from apps.workspaces.console import Evidence, actor_of, workspaces_of

LABELS = {
    JobState.QUEUED: "info",
    JobState.RUNNING: "warning",
    JobState.SUCCEEDED: "success",
    JobState.FAILED: "danger",
    JobState.CANCELLED: "default",
}


def may(scope: str) -> list[str]:
    """The roles that give this scope."""
    return [role for role, scopes in ROLE_SCOPES.items() if scope in scopes]


class JobsEvidence(Evidence):
    """Evidence for superusers and, of their own workspaces, for who may read and do the same by the API."""

    compressed_fields = True
    read_scope = work_scope = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self._where(request, super().get_queryset(request), self.read_scope)

    def has_work_permission(self, request: HttpRequest) -> bool:
        """Who sees the buttons at all."""
        return bool(request.user.is_superuser) or workspaces_of(request, *may(self.work_scope)).exists()

    def workable(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows on which the signed-in user may press the buttons."""
        return self._where(request, rows, self.work_scope)

    def _where(self, request: HttpRequest, rows: QuerySet[Any], scope: str) -> QuerySet[Any]:
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.workspace_lookup}__in": workspaces_of(request, *may(scope))})


@admin.register(Job)
class JobAdmin(JobsEvidence):
    read_scope, work_scope = "jobs:read", "jobs:write"
    list_display = [
        "kind",
        "workspace",
        "shown_state",
        "progress",
        "attempts",
        "next_run_at",
        "finished_at",
        "error_code",
    ]
    list_filter = ["state", "kind"]
    list_select_related = ["workspace"]
    search_fields = ["public_id", "subject", "request_id"]
    ordering = ["-id"]
    actions = ["retry", "cancel"]

    @display(description="state", ordering="state", label=LABELS)
    def shown_state(self, job: Job) -> str:
        return job.state

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        return job.shown_progress or "-"

    @admin.action(description="Try again", permissions=["work"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        """Queue failed and cancelled jobs again."""
        self._each(request, jobs, actions.retry, "queued again")

    @admin.action(description="Cancel", permissions=["work"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        """End waiting jobs, ask running ones to stop."""
        self._each(request, jobs, actions.cancel, "cancelled, or asked to stop")

    def _each(self, request: HttpRequest, jobs: QuerySet[Job], action: Any, done: str) -> None:
        count = 0
        for job in self.workable(request, jobs):
            try:
                action(job)
            except DomainError as error:
                self.message_user(request, f"{job}: {error}", messages.WARNING)
            else:
                count += 1
        if count:
            self.message_user(request, f"{count} {'job' if count == 1 else 'jobs'} {done}.", messages.SUCCESS)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(JobsEvidence):
    read_scope = work_scope = WORKSPACE_ADMIN
    list_display = [
        "public_id",
        "workspace",
        "shown_origin",
        "active",
        "failing_since",
        "last_success_at",
        "disabled_at",
    ]
    list_filter = ["active"]
    list_select_related = ["workspace"]
    search_fields = ["public_id"]
    ordering = ["-id"]
    # The address can hold the receiver's own secret, and the signing secret is nobody's to read.
    exclude = ["secret", "url"]
    actions = ["switch_on", "switch_off"]

    @admin.display(description="origin")
    def shown_origin(self, endpoint: WebhookEndpoint) -> str:
        return endpoints.origin_of(endpoint)

    @admin.action(description="Switch on", permissions=["work"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]) -> None:
        """Deliver again, and forget the failures."""
        self._set(request, rows, active=True)

    @admin.action(description="Switch off", permissions=["work"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[WebhookEndpoint]) -> None:
        """Deliver nothing more."""
        self._set(request, rows, active=False)

    def _set(self, request: HttpRequest, rows: QuerySet[WebhookEndpoint], *, active: bool) -> None:
        for endpoint in self.workable(request, rows):
            endpoints.change_endpoint(endpoint, active=active, actor=actor_of(request))


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(JobsEvidence):
    workspace_lookup = "endpoint__workspace_id"
    read_scope = WORKSPACE_ADMIN
    list_display = ["public_id", "event", "endpoint", "state", "attempts", "status_code", "created_at", "finished_at"]
    list_filter = ["state", "event"]
    list_select_related = ["endpoint"]
    search_fields = ["public_id"]
    ordering = ["-id"]
