"""Webhooks and what they were told. Neither addresses nor secrets are shown: both open something elsewhere."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.decorators import display

from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.common.errors import DomainError
from apps.jobs import endpoints
from apps.jobs.actions import EVENTS, WEBHOOK_TEST
from apps.jobs.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from apps.workspaces import showing
from apps.workspaces.console import Evidence, actor_of, refusal_text
from apps.workspaces.listing import WorkspaceFilter

DELIVERY_COLOURS = {DeliveryState.PENDING: "info", DeliveryState.DELIVERED: "success", DeliveryState.FAILED: "danger"}


class EventFilter(admin.SimpleListFilter):
    title = "event"
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(event, event) for event in (*EVENTS, WEBHOOK_TEST)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(event=self.value()) if self.value() else None


class EndpointWorkspaceFilter(WorkspaceFilter):
    lookup = "endpoint__workspace__slug"


class WebhookEndpointAdmin(Evidence):
    read_scope = work_scope = WORKSPACE_ADMIN
    list_display = ["shown_name", "shown_workspace", "shown_state", "shown_events", "last_success", "last_error"]
    list_filter = ["active", WorkspaceFilter]
    list_select_related = ["workspace"]
    search_fields = ["public_id"]
    search_help_text = "A part of the id"
    ordering = ["-id"]
    actions = ["switch_on", "switch_off"]
    empty_icon = "webhook"
    empty_text = "A webhook tells an address outside what happens in a workspace. The API makes them: POST …/webhooks."

    def get_urls(self) -> list[URLPattern]:
        def wrapped(view: Any) -> Any:
            return self.admin_site.admin_view(require_POST(view))

        return [
            path("<path:object_id>/test/", wrapped(self.send_test), name="jobs_webhookendpoint_test"),
            path("<path:object_id>/switch/", wrapped(self.switch), name="jobs_webhookendpoint_switch"),
            *super().get_urls(),
        ]

    # The address can hold the receiver's own secret, and the signing secret is nobody's to read.
    @display(description="webhook")
    def shown_name(self, endpoint: WebhookEndpoint) -> SafeString:
        return showing.two_lines(endpoints.origin_of(endpoint), endpoint.public_id)

    @display(description="workspace", ordering="workspace__slug")
    def shown_workspace(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.workspace.slug

    @display(description="state", ordering="active")
    def shown_state(self, endpoint: WebhookEndpoint) -> SafeString:
        return showing.label(*endpoint_words(endpoint))

    @display(description="hears of")
    def shown_events(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.events)

    @display(description="last success", ordering="last_success_at")
    def last_success(self, endpoint: WebhookEndpoint) -> SafeString:
        return showing.ago(endpoint.last_success_at)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        endpoint = self.get_object(request, object_id) if object_id is not None else None
        if endpoint is None or request.method != "GET":
            return super().changeform_view(request, object_id, *args, **kwargs)
        return self.console_page(
            request,
            "jobs/webhook.html",
            title=endpoints.origin_of(endpoint),
            endpoint=endpoint,
            origin=endpoints.origin_of(endpoint),
            state=endpoint_words(endpoint),
            may_work=self.may_work(request, endpoint),
            deliveries=f"{reverse('admin:jobs_webhookdelivery_changelist')}?endpoint={endpoint.public_id}",
        )

    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.workable_row(request, object_id)
        try:
            endpoints.send_test(endpoint)
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)
        else:
            self.message_user(request, "A test is on its way; its delivery says how it went.", messages.SUCCESS)
        return HttpResponseRedirect(self.row_address(endpoint))

    def switch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """On or off, as the form says."""
        endpoint = self.workable_row(request, object_id)
        is_on = request.POST.get("active") == "yes"
        endpoints.change_endpoint(endpoint, active=is_on, actor=actor_of(request))
        self.message_user(request, f"The webhook is switched {'on' if is_on else 'off'}.", messages.SUCCESS)
        return HttpResponseRedirect(self.row_address(endpoint))

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
        self.message_user(request, f"Switched {'on' if active else 'off'}.", messages.SUCCESS)


def endpoint_words(endpoint: WebhookEndpoint) -> tuple[str, str]:
    """What has become of the endpoint, and the colour of its label."""
    if endpoint.disabled_at is not None:
        return "given up", "danger"
    if not endpoint.active:
        return "off", "default"
    return ("failing", "warning") if endpoint.failing_since is not None else ("on", "success")


class EndpointFilter(admin.SimpleListFilter):
    """The deliveries of one webhook, by its public id: only from links, so it offers nothing."""

    title = "webhook"
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = request.GET.get(self.parameter_name, "")
        return [(chosen, chosen)] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if not self.value():
            return None
        try:
            public_id = UUID(self.value() or "")
        except ValueError:
            return queryset.none()
        return queryset.filter(endpoint__public_id=public_id)


class WebhookDeliveryAdmin(Evidence):
    workspace_lookup = "endpoint__workspace_id"
    read_scope = work_scope = WORKSPACE_ADMIN
    list_display = ["shown_event", "shown_endpoint", "shown_state", "attempts", "status_code", "last_error", "made"]
    list_filter = ["state", EventFilter, EndpointWorkspaceFilter, EndpointFilter]
    list_select_related = ["endpoint__workspace"]
    search_fields = ["public_id"]
    search_help_text = "A part of the id"
    ordering = ["-id"]
    empty_icon = "send"
    empty_text = "What webhooks were told, and whether it arrived, stands here for days."

    @display(description="delivery", ordering="event")
    def shown_event(self, delivery: WebhookDelivery) -> SafeString:
        return showing.two_lines(delivery.event, delivery.public_id)

    @display(description="to")
    def shown_endpoint(self, delivery: WebhookDelivery) -> SafeString:
        return showing.two_lines(endpoints.origin_of(delivery.endpoint), delivery.endpoint.workspace.slug)

    @display(description="state", ordering="state")
    def shown_state(self, delivery: WebhookDelivery) -> SafeString:
        return showing.label(delivery.state, DELIVERY_COLOURS[DeliveryState(delivery.state)])

    @display(description="made", ordering="id")
    def made(self, delivery: WebhookDelivery) -> SafeString:
        return showing.ago(delivery.created_at)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        delivery = self.get_object(request, object_id) if object_id is not None else None
        if delivery is None or request.method != "GET":
            return super().changeform_view(request, object_id, *args, **kwargs)
        return self.console_page(
            request,
            "jobs/delivery.html",
            title=delivery.event,
            delivery=delivery,
            origin=endpoints.origin_of(delivery.endpoint),
            state=(delivery.state, DELIVERY_COLOURS[DeliveryState(delivery.state)]),
        )
