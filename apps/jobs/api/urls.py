"""Below /api/v1/workspaces/{slug}/."""

from django.urls import path

from apps.jobs.api.views import (
    CancelView,
    DeliveriesView,
    JobsView,
    JobView,
    RetryView,
    WebhooksView,
    WebhookTestView,
    WebhookView,
)

urlpatterns = [
    path("jobs", JobsView.as_view()),
    path("jobs/<uuid:job_id>", JobView.as_view()),
    path("jobs/<uuid:job_id>:retry", RetryView.as_view()),
    path("jobs/<uuid:job_id>:cancel", CancelView.as_view()),
    path("webhooks", WebhooksView.as_view()),
    path("webhooks/<uuid:webhook_id>", WebhookView.as_view()),
    path("webhooks/<uuid:webhook_id>:test", WebhookTestView.as_view()),
    path("webhooks/<uuid:webhook_id>/deliveries", DeliveriesView.as_view()),
]
