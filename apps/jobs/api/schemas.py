"""The OpenAPI descriptions of the operations on jobs and webhooks, one example each. A test replays the examples."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from apps.common.openapi import answer, body, listing
from apps.jobs.actions import EVENTS, FILES_CHANGED, JOB_FAILED
from apps.jobs.api.forms import WebhookForm
from apps.jobs.models import JobState

AT = "2026-01-05T09:30:00.000Z"
JOB_ID = "019b8d84-6c40-7d3a-8f6e-2b1c5a9e4d70"
WEBHOOK_ID = "019b8d84-6c41-7a52-9c1d-6f0e3b7a8d21"
JOB_EXAMPLE: dict[str, Any] = {
    "id": JOB_ID,
    "kind": "webhooks.deliver",
    "state": "queued",
    "attempts": 0,
    "max_attempts": 20,
    "progress": {"done": 0, "total": None, "note": ""},
    "cancel_requested": False,
    "error": None,
    "result": None,
    "actor": "system",
    "request_id": "019b8d846c407d3a8f6e2b1c5a9e4d70",
    "created_at": AT,
    "next_run_at": AT,
    "started_at": None,
    "finished_at": None,
}
WEBHOOK_EXAMPLE: dict[str, Any] = {
    "id": WEBHOOK_ID,
    "url": "https://hooks.example.org/memory",
    "events": [FILES_CHANGED, JOB_FAILED],
    "active": True,
    "created_at": AT,
    "last_success_at": None,
    "failing_since": None,
    "last_error": "",
    "disabled_at": None,
}
DELIVERY_EXAMPLE: dict[str, Any] = {
    "id": "019b8d84-6c42-7b11-8d2f-0c4a9e5d7f38",
    "event": "webhook.test",
    "state": "pending",
    "attempts": 0,
    "status_code": None,
    "last_error": "",
    "created_at": AT,
    "finished_at": None,
}

JOB = OpenApiParameter("job_id", OpenApiTypes.UUID, OpenApiParameter.PATH, examples=[OpenApiExample("a job", JOB_ID)])
WEBHOOK = OpenApiParameter(
    "webhook_id", OpenApiTypes.UUID, OpenApiParameter.PATH, examples=[OpenApiExample("a webhook", WEBHOOK_ID)]
)


LIST_JOBS = listing(
    "jobs_list",
    "jobs",
    "Jobs, newest first",
    JOB_EXAMPLE,
    OpenApiParameter("state", str, enum=JobState.values, description="Only jobs in this state."),
    OpenApiParameter("kind", str, description="Only jobs of this kind."),
)
READ_JOB: dict[str, Any] = {
    "operation_id": "jobs_read",
    "tags": ["jobs"],
    "parameters": [JOB],
    "responses": answer(200, "The job", JOB_EXAMPLE),
}
RETRY_JOB: dict[str, Any] = {
    "operation_id": "jobs_retry",
    "tags": ["jobs"],
    "parameters": [JOB],
    "request": None,
    "responses": answer(200, "The job, queued again", JOB_EXAMPLE),
}
CANCEL_JOB: dict[str, Any] = {
    "operation_id": "jobs_cancel",
    "tags": ["jobs"],
    "parameters": [JOB],
    "request": None,
    "responses": answer(
        200,
        "The job; a running one ends a few seconds later",
        JOB_EXAMPLE | {"state": "cancelled", "cancel_requested": True, "next_run_at": None, "finished_at": AT},
    ),
}
LIST_WEBHOOKS = listing("webhooks_list", "webhooks", "Webhooks, newest first", WEBHOOK_EXAMPLE)
CREATE_WEBHOOK: dict[str, Any] = {
    "operation_id": "webhooks_create",
    "tags": ["webhooks"],
    "request": WebhookForm,
    "examples": body({"url": WEBHOOK_EXAMPLE["url"], "events": list(EVENTS)}),
    "responses": answer(
        201, "The webhook; its secret is shown this once", WEBHOOK_EXAMPLE | {"secret": "whsec_<base64 of 32 bytes>"}
    ),
}
READ_WEBHOOK: dict[str, Any] = {
    "operation_id": "webhooks_read",
    "tags": ["webhooks"],
    "parameters": [WEBHOOK],
    "responses": answer(200, "The webhook", WEBHOOK_EXAMPLE),
}
UPDATE_WEBHOOK: dict[str, Any] = {
    "operation_id": "webhooks_update",
    "tags": ["webhooks"],
    "parameters": [WEBHOOK],
    "request": WebhookForm,
    "examples": body({"events": [JOB_FAILED]}),
    "responses": answer(200, "The webhook after the change", WEBHOOK_EXAMPLE | {"events": [JOB_FAILED]}),
}
DELETE_WEBHOOK: dict[str, Any] = {
    "operation_id": "webhooks_delete",
    "tags": ["webhooks"],
    "parameters": [WEBHOOK],
    "responses": {204: OpenApiResponse(description="Gone")},
}
TEST_WEBHOOK: dict[str, Any] = {
    "operation_id": "webhooks_test",
    "tags": ["webhooks"],
    "parameters": [WEBHOOK],
    "request": None,
    "responses": answer(202, "The delivery that is on its way", DELIVERY_EXAMPLE),
}
LIST_DELIVERIES = listing(
    "webhooks_deliveries", "webhooks", "Deliveries of the last days, newest first", DELIVERY_EXAMPLE, WEBHOOK
)
