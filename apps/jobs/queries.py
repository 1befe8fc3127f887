"""Reads of jobs and webhooks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from apps.common.errors import NotFound
from apps.jobs import registry
from apps.jobs.models import OPEN_STATES, Job, JobState, Tick, WebhookDelivery, WebhookEndpoint

STUCK_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class PeriodicRun:
    """A periodic kind and its last job. The times are None, and the state empty, where it never ran."""

    kind: str
    every_s: float
    last_state: str
    last_started_at: datetime | None
    last_success_at: datetime | None
    next_at: datetime | None


def jobs_of(workspace_id: int, *, state: str = "", kind: str = "") -> QuerySet[Job]:
    """The jobs of a workspace, of one state or kind where that is given. Page them by `-id`."""
    jobs = Job.objects.filter(workspace_id=workspace_id)
    if state:
        jobs = jobs.filter(state=state)
    return jobs.filter(kind=kind) if kind else jobs


def job_of(workspace_id: int, public_id: UUID) -> Job:
    """One job of a workspace. Raises NotFound."""
    job = Job.objects.filter(workspace_id=workspace_id, public_id=public_id).first()
    if job is None:
        raise NotFound
    return job


def every_job(*, state: str = "") -> QuerySet[Job]:
    """The jobs of all workspaces and of none, of one state where that is given, newest first. For operators."""
    jobs = Job.objects.select_related("workspace").order_by("-id")
    return jobs.filter(state=state) if state else jobs


def job_by_id(public_id: UUID) -> Job:
    """One job, whosever it is, for operators. Raises NotFound."""
    job = every_job().filter(public_id=public_id).first()
    if job is None:
        raise NotFound
    return job


def open_job(kind: str, subject: str) -> Job | None:
    """The job that does or will do this work, if there is one."""
    return Job.objects.filter(kind=kind, subject=subject, state__in=OPEN_STATES).first()


def last_tick() -> datetime | None:
    """When the scheduler was last seen alive; None when never. It ticks every few seconds."""
    return Tick.objects.values_list("at", flat=True).first()


def counts_by_kind() -> list[tuple[str, str, int]]:
    """(kind, state, count) of every kind and state that has jobs, in order. One scan of the table."""
    return list(Job.objects.values_list("kind", "state").annotate(count=Count("pk")).order_by("kind", "state"))


def oldest_due(*, now: datetime | None = None) -> datetime | None:
    """Since when the job waits that has been due for longest; None when none is due."""
    due = Job.objects.filter(state=JobState.QUEUED, next_run_at__lte=now or timezone.now())
    since: datetime | None = due.aggregate(since=Min("next_run_at"))["since"]
    return since


def counts(*, now: datetime | None = None) -> dict[str, int]:
    """How many jobs are `queued`, `due`, `running` and `failed` (those that are still kept). One query."""
    at = now or timezone.now()
    numbers: dict[str, int] = Job.objects.exclude(state__in=[JobState.SUCCEEDED, JobState.CANCELLED]).aggregate(
        queued=Count("pk", filter=Q(state=JobState.QUEUED)),
        due=Count("pk", filter=Q(state=JobState.QUEUED, next_run_at__lte=at)),
        running=Count("pk", filter=Q(state=JobState.RUNNING)),
        failed=Count("pk", filter=Q(state=JobState.FAILED)),
    )
    return numbers


def stuck_jobs(*, now: datetime | None = None) -> QuerySet[Job]:
    """Jobs that nobody looks after: due, or out of lease, for a quarter of an hour. Empty while workers are alive."""
    before = (now or timezone.now()) - STUCK_AFTER
    return Job.objects.filter(
        Q(state=JobState.QUEUED, next_run_at__lt=before) | Q(state=JobState.RUNNING, lease_until__lt=before)
    ).order_by("pk")


def periodic_runs() -> list[PeriodicRun]:
    """Every periodic kind with its last job, by name. Two queries for each kind."""
    return [_periodic_run(kind) for kind in registry.periodic_kinds()]


def _periodic_run(kind: registry.Kind) -> PeriodicRun:
    every_s = kind.every_s or 0.0
    runs = Job.objects.filter(kind=kind.name, subject="").order_by("-created_at")
    last = runs.first()
    if last is None:
        return PeriodicRun(kind.name, every_s, "", None, None, None)
    success_at = runs.filter(state=JobState.SUCCEEDED).values_list("finished_at", flat=True).first()
    is_open = last.state in OPEN_STATES
    next_at = last.next_run_at if is_open else last.created_at + timedelta(seconds=every_s)
    return PeriodicRun(kind.name, every_s, last.state, last.started_at, success_at, next_at)


def endpoints_of(workspace_id: int) -> QuerySet[WebhookEndpoint]:
    """The webhooks of a workspace. Page them by `-id`."""
    return WebhookEndpoint.objects.filter(workspace_id=workspace_id)


def endpoint_of(workspace_id: int, public_id: UUID) -> WebhookEndpoint:
    """One webhook of a workspace. Raises NotFound."""
    endpoint = WebhookEndpoint.objects.filter(workspace_id=workspace_id, public_id=public_id).first()
    if endpoint is None:
        raise NotFound
    return endpoint


def deliveries_of(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    """What was or will be sent to an endpoint. Page them by `-id`."""
    return WebhookDelivery.objects.filter(endpoint=endpoint)


def listens(workspace_id: int, event: str) -> bool:
    """Whether any active webhook of the workspace wants this event."""
    return WebhookEndpoint.objects.filter(workspace_id=workspace_id, active=True, events__contains=[event]).exists()


def workspaces_that_listen(event: str) -> set[int]:
    """Keys of the workspaces in which an active webhook wants this event. One query."""
    listening = WebhookEndpoint.objects.filter(active=True, events__contains=[event])
    return set(listening.values_list("workspace_id", flat=True))
