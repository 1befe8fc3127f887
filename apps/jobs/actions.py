"""Writes of jobs: asking for work, ending it early, asking again; and telling webhooks what happened."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.common.ids import uuid7
from apps.jobs import bell, registry, sql
from apps.jobs.errors import JobFinished, JobNotRetryable, RunInProgress
from apps.jobs.models import OPEN_STATES, DeliveryState, Job, JobState, WebhookDelivery, WebhookEndpoint

DELIVER = "webhooks.deliver"
FILES_CHANGED = "files.changed"
JOB_FAILED = "job.failed"
WEBHOOK_TEST = "webhook.test"
EVENTS = (FILES_CHANGED, JOB_FAILED)
"""What an endpoint can ask for; `webhook.test` comes unasked."""


def enqueue(
    kind: str,
    subject: str,
    *,
    workspace_id: int | None = None,
    run_at: datetime | None = None,
    actor: str = "",
    request_id: str | None = None,
    now: datetime | None = None,
) -> Job:
    """The open job for this work, made if there is none. In a transaction or outside; the bell rings after the commit.

    `subject` is the key of what the worker works on. While a job of the same kind and subject waits, it is that job;
    an earlier `run_at` brings it forward, unless it waits because it failed. While one runs, it is that job too, and
    when it ends another one follows: work asked for during a run is never lost. Three or fewer statements.
    Raises LookupError for a kind that no app registered.
    """
    values = {
        "public_id": uuid7(),
        "kind": kind,
        "subject": subject,
        "workspace_id": workspace_id,
        "run_at": run_at,
        "max_attempts": registry.resolve(kind).max_attempts,
        "actor": actor[:200],
        "request_id": (_request_id() if request_id is None else request_id)[:128],
        "now": now,
    }
    with transaction.atomic():
        row = sql.one(sql.ENQUEUE, **values)
        if row is None:
            # Nothing to write; the conflict has locked the open job all the same, so it is still open here.
            return Job.objects.get(kind=kind, subject=subject, state__in=OPEN_STATES)
        job_id, is_due = row
        if is_due:
            ring_on_commit(job_id)
        return Job.objects.get(pk=job_id)


def ring_on_commit(job_id: int) -> None:
    """Tell the workers once the transaction is committed. The bell may fail; `tick` rings again."""
    transaction.on_commit(lambda: bell.ring(job_id), robust=True)


def cancel(job: Job, *, now: datetime | None = None) -> Job:
    """End a waiting job; ask the worker of a running one to stop, which it does at its next check.

    A cancelled job stays as it is. Raises JobFinished for one that succeeded or failed.
    """
    at = now or Now()
    waiting = Job.objects.filter(pk=job.pk, state=JobState.QUEUED)
    running = Job.objects.filter(pk=job.pk, state=JobState.RUNNING)
    # Between the two statements the job can be claimed, and between tries put back: each try is one statement.
    for _ in range(3):
        if waiting.update(state=JobState.CANCELLED, finished_at=at, cancel_requested_at=at, rerun_at=None):
            break
        if running.update(cancel_requested_at=at, rerun_at=None):
            break
        job.refresh_from_db()
        if job.state in (JobState.SUCCEEDED, JobState.FAILED):
            raise JobFinished(f"The job has {job.state}.", state=job.state)
        if job.state == JobState.CANCELLED:
            return job
    job.refresh_from_db()
    return job


def retry(job: Job, *, now: datetime | None = None) -> Job:
    """Queue a failed or cancelled job again, with all its attempts.

    Raises JobNotRetryable for any other, RunInProgress when the same work waits or runs under a newer job.
    """
    ended = Job.objects.filter(pk=job.pk, state__in=(JobState.FAILED, JobState.CANCELLED))
    try:
        with transaction.atomic():
            changed = ended.update(
                state=JobState.QUEUED,
                next_run_at=now or Now(),
                attempts=0,
                finished_at=None,
                cancel_requested_at=None,
                rerun_at=None,
                result=None,
                error_code="",
                error_detail="",
            )
            if changed:
                ring_on_commit(job.pk)
    except IntegrityError as error:
        raise RunInProgress from error
    job.refresh_from_db()
    if not changed:
        raise JobNotRetryable(f"The job is {job.state}.", state=job.state)
    return job


def emit(workspace_id: int, event: str, data: Mapping[str, Any]) -> int:
    """Tell every webhook of the workspace that listens to `event`; how many listen. Call inside a transaction.

    `data` is what the receiver sees: plain JSON with public ids only. One delivery and one job per endpoint.
    """
    listening = WebhookEndpoint.objects.filter(workspace_id=workspace_id, active=True, events__contains=[event])
    endpoints = list(listening.select_related("workspace").order_by("pk"))
    for endpoint in endpoints:
        deliver_to(endpoint, event, data)
    return len(endpoints)


def deliver_to(endpoint: WebhookEndpoint, event: str, data: Mapping[str, Any]) -> WebhookDelivery:
    """Send one event to one endpoint, whatever it listens to. Call inside a transaction."""
    delivery = WebhookDelivery.objects.create(
        endpoint=endpoint,
        event=event,
        payload={"workspace": endpoint.workspace.slug, **data},
        state=DeliveryState.PENDING,
    )
    enqueue(DELIVER, str(delivery.public_id), workspace_id=endpoint.workspace_id, actor="system")
    return delivery


def emit_job_failed(job: Job) -> None:
    """Tell the workspace's webhooks of a failed job. Call inside the transaction that failed it."""
    if job.kind == DELIVER or job.workspace_id is None:
        # A webhook about a webhook that does not arrive would go on for ever.
        return
    emit(
        job.workspace_id,
        JOB_FAILED,
        {
            "job": str(job.public_id),
            "kind": job.kind,
            "attempts": job.attempts,
            "error": {"code": job.error_code, "detail": job.error_detail},
        },
    )


def _request_id() -> str:
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))
