"""Jobs and webhooks as JSON."""

from typing import Any

from apps.common.times import rfc3339, rfc3339_or_none
from apps.jobs.models import Job, JobState, WebhookDelivery, WebhookEndpoint


def job_json(job: Job) -> dict[str, Any]:
    """Without the subject: it is the key that the worker knows its work by, often a row's."""
    is_waiting = job.state == JobState.QUEUED
    return {
        "id": str(job.public_id),
        "kind": job.kind,
        "state": job.state,
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "progress": {"done": job.progress_done, "total": job.progress_total, "note": job.progress_note},
        "cancel_requested": job.cancel_requested_at is not None,
        "error": {"code": job.error_code, "detail": job.error_detail} if job.error_code else None,
        "result": job.result,
        "actor": job.actor,
        "request_id": job.request_id,
        "created_at": rfc3339(job.created_at),
        "next_run_at": rfc3339(job.next_run_at) if is_waiting else None,
        "started_at": rfc3339_or_none(job.started_at),
        "finished_at": rfc3339_or_none(job.finished_at),
    }


def webhook_json(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Without the secret."""
    return {
        "id": str(endpoint.public_id),
        "url": endpoint.url,
        "events": endpoint.events,
        "active": endpoint.active,
        "created_at": rfc3339(endpoint.created_at),
        "last_success_at": rfc3339_or_none(endpoint.last_success_at),
        "failing_since": rfc3339_or_none(endpoint.failing_since),
        "last_error": endpoint.last_error,
        "disabled_at": rfc3339_or_none(endpoint.disabled_at),
    }


def delivery_json(delivery: WebhookDelivery) -> dict[str, Any]:
    """`id` is also in the `webhook-id` that the receiver sees, as `msg_` and its hexadecimal digits."""
    return {
        "id": str(delivery.public_id),
        "event": delivery.event,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "last_error": delivery.last_error,
        "created_at": rfc3339(delivery.created_at),
        "finished_at": rfc3339_or_none(delivery.finished_at),
    }
