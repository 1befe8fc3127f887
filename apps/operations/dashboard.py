"""What the console's first page tells: is everything there, what needs somebody, and what happened last.

Superusers are told of the hub, other staff of the workspaces that they are members of.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BigIntegerField, Count, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from apps.blobs.queries import copies_small_blobs
from apps.files.models import SEQUENCE_BITS, ChangeSet
from apps.jobs.models import Job, JobState
from apps.jobs.queries import oldest_due
from apps.operations import probes, queries
from apps.snapshots.alarms import alarms
from apps.snapshots.telling import Standing, standing_in_targets, told
from apps.workspaces.console import address_of
from apps.workspaces.models import Workspace, WorkspaceCounter
from apps.workspaces.queries import Usage, usage_of_all

MOST_LINES = 8
MOST_LOOKED_THROUGH = 2000
"""Workspaces of which the latest change is looked up for the list of recent changes: an index lookup each."""
MOST_UPLOADS = 10_000
UPLOADS_ALARMING = 1000
WORKER_LATE_S = 60.0
COPIES = "snapshots_remotecopy_changelist"


@dataclass(frozen=True, slots=True)
class Service:
    """Something that the hub stands on. `at` is when it was last seen, where that tells more than yes or no."""

    name: str
    icon: str
    is_well: bool
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Something that waits for somebody. `kind` is danger, warning or advice."""

    kind: str
    icon: str
    text: str
    hint: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class RecentChange:
    """The latest change set of a workspace; `number` is the sequence that it begins with."""

    workspace: Workspace
    number: int
    change_set: ChangeSet


@dataclass(frozen=True, slots=True)
class Overview:
    """`jobs` counts `queued`, `running` and `failed` ones. `services` and `standing` are of the hub itself, only for
    operators. `copies` are how policies stand in their targets, each with its page.
    """

    usage: Usage
    jobs: dict[str, int]
    changes: list[RecentChange]
    failures: list[Job]
    services: list[Service]
    lines: list[Line]
    standing: queries.Standing | None
    copies: list[tuple[Standing, str]]


def overview_of_hub(now: datetime | None = None) -> Overview:
    """13 queries and two for each periodic kind; one of them steps through an index once for each live workspace."""
    now = now or timezone.now()
    standing = queries.standing(now, most_uploads=MOST_UPLOADS)
    services = _services(standing, now)
    return Overview(
        usage=usage_of_all(),
        jobs=standing.jobs,
        changes=_recent_changes(Workspace.objects.filter(archived_at=None)),
        failures=_recent_failures(Job.objects.all()),
        services=services,
        lines=_worst_first([*_lines(standing, services), *_lines_of_copies(None, now)]),
        standing=standing,
        copies=_copies(None),
    )


def overview_of_workspaces(workspace_ids: Collection[int]) -> Overview:
    """The same of some workspaces, and nothing of the hub. Nine queries."""
    now = timezone.now()
    jobs = Job.objects.filter(workspace_id__in=workspace_ids)
    numbers = jobs.exclude(state__in=[JobState.SUCCEEDED, JobState.CANCELLED]).aggregate(
        **{str(state): Count("pk", filter=Q(state=state)) for state in ("queued", "running", "failed")}
    )
    return Overview(
        usage=_usage_of(workspace_ids),
        jobs=numbers,
        changes=_recent_changes(Workspace.objects.filter(pk__in=workspace_ids)),
        failures=_recent_failures(jobs),
        services=[],
        lines=_worst_first([*_lines_of_jobs(numbers), *_lines_of_copies(workspace_ids, now)]),
        standing=None,
        copies=_copies(workspace_ids),
    )


def last_changes(workspace_ids: Collection[int]) -> dict[int, datetime]:
    """When the files of these workspaces last changed, without those that never did. An index lookup each."""
    sets = {row.pk >> SEQUENCE_BITS: row.created_at for row in _latest_sets(workspace_ids)}
    return {workspace_id: sets[workspace_id] for workspace_id in workspace_ids if workspace_id in sets}


def _services(standing: queries.Standing, now: datetime) -> list[Service]:
    """Asks as readiness does, all at once: at most a few seconds, also when all are away."""
    asked = (probes.redis, probes.storage, probes.storage_writing)
    with ThreadPoolExecutor(max_workers=len(asked)) as threads:
        redis, storage, writing = threads.map(probes.Probe.is_well, asked)
    # Asked on this thread: the database connection belongs to it.
    migrations = probes.migrations.is_well()
    return [
        Service("Postgres", "database", migrations, "Answers" if migrations else "Migrations are not applied"),
        Service("Redis", "bolt", redis, "Answers" if redis else "Does not answer: jobs wait for the next tick"),
        Service("Storage", "hard_drive", storage and writing, _storage_text(storage, writing)),
        _scheduler(standing),
        _worker(now),
    ]


def _storage_text(is_there: bool, takes_writes: bool) -> str:
    kind = "The bucket" if copies_small_blobs() else "The directory"
    if not is_there:
        return f"{kind} does not answer"
    return f"{kind} takes writes" if takes_writes else f"{kind} takes no writes"


def _scheduler(standing: queries.Standing) -> Service:
    age_s = standing.last_tick_age_s
    is_well = age_s is not None and age_s <= queries.BEAT_LOST_AFTER_S
    return Service(
        "Scheduler",
        "schedule",
        is_well,
        "Last tick" if age_s is not None else "Never seen alive",
        standing.last_tick_at,
    )


def _worker(now: datetime) -> Service:
    """Known by its work: a job that has long been due was taken by nobody."""
    since = oldest_due(now=now)
    if since is None or (now - since).total_seconds() < WORKER_LATE_S:
        return Service("Worker", "engineering", True, "Takes jobs as they come due")
    return Service("Worker", "engineering", False, "A job is due since", since)


def _lines(standing: queries.Standing, services: Sequence[Service]) -> list[Line]:
    """What an operator should look at."""
    hints = {"Scheduler": "Periodic work stands still. Is its process running?", "Worker": "Is its process running?"}
    lines = [
        Line("danger", service.icon, f"{service.name}: needs attention", hints.get(service.name, service.text))
        for service in services
        if not service.is_well
    ]
    if (standing.uploads_waiting or 0) >= UPLOADS_ALARMING:
        hint = "Their bytes are safe in the database; the bucket lags behind."
        lines.append(Line("warning", "cloud_upload", f"{standing.uploads_waiting:,} blobs wait for upload", hint))
    return [*lines, *_lines_of_jobs(standing.jobs)]


def _worst_first(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.kind != "danger")


def _lines_of_jobs(jobs: dict[str, int]) -> list[Line]:
    lines = []
    if stuck := jobs.get("stuck", 0):
        hint = "Nobody has looked after them for a quarter of an hour."
        lines.append(
            Line("danger", "hourglass_disabled", f"{_counted(stuck)} stuck", hint, address_of("jobs_job_changelist"))
        )
    if failed := jobs["failed"]:
        address = address_of("jobs_job_changelist", state__exact="failed")
        lines.append(
            Line("warning", "error", f"{_counted(failed)} failed", "Each says why, and can be tried again.", address)
        )
    return lines


def _lines_of_copies(workspace_ids: Collection[int] | None, now: datetime) -> list[Line]:
    """What is wrong with copies of snapshots, of all workspaces or of some. Three queries."""
    found = told([each for each in alarms(now=now) if workspace_ids is None or each.workspace_id in workspace_ids])
    lines = [
        Line(
            each.colour,
            each.icon,
            f"{each.workspace}: {each.text}",
            each.detail,
            address_of(COPIES, workspace=each.workspace),
        )
        for each in found[:MOST_LINES]
    ]
    if more := len(found) - len(lines):
        hint = "The log names all of them once an hour."
        lines.append(Line("warning", "notifications_active", f"{more:,} more alarms about copies of snapshots", hint))
    return lines


def _copies(workspace_ids: Collection[int] | None) -> list[tuple[Standing, str]]:
    """Those that are furthest behind, with their pages. One query."""
    found = standing_in_targets(workspace_ids)[:MOST_LINES]
    return [(each, address_of(COPIES, workspace=each.workspace)) for each in found]


def _counted(number: int) -> str:
    return f"{number:,} {'job' if number == 1 else 'jobs'}"


def _usage_of(workspace_ids: Collection[int]) -> Usage:
    sums = WorkspaceCounter.objects.filter(pk__in=workspace_ids).aggregate(
        live_files=Sum("live_files"), live_bytes=Sum("live_bytes"), stored_bytes=Sum("stored_bytes")
    )
    return Usage(workspaces=len(workspace_ids), **{name: value or 0 for name, value in sums.items()})


def _recent_changes(workspaces: QuerySet[Workspace]) -> list[RecentChange]:
    """The latest change set of each, the newest first; nothing where there are too many to look through."""
    found = workspaces.in_bulk(list(workspaces.values_list("pk", flat=True)[: MOST_LOOKED_THROUGH + 1]))
    if len(found) > MOST_LOOKED_THROUGH:
        return []
    sets = sorted(_latest_sets(found), key=lambda row: row.created_at, reverse=True)[:MOST_LINES]
    mask = (1 << SEQUENCE_BITS) - 1
    return [RecentChange(found[row.pk >> SEQUENCE_BITS], row.pk & mask, row) for row in sets]


def _latest_sets(workspace_ids: Collection[int]) -> list[ChangeSet]:
    """The latest change set of each workspace that has one. One query with a step of the primary key for each."""
    if not workspace_ids:
        return []
    begin = ExpressionWrapper(OuterRef("pk") * (1 << SEQUENCE_BITS), output_field=BigIntegerField())
    end = ExpressionWrapper((OuterRef("pk") + 1) * (1 << SEQUENCE_BITS), output_field=BigIntegerField())
    latest = ChangeSet.objects.filter(pk__gte=begin, pk__lt=end).order_by("-pk").values("pk")[:1]
    keys = Workspace.objects.filter(pk__in=list(workspace_ids)).annotate(latest=Subquery(latest)).values("latest")
    return list(ChangeSet.objects.filter(pk__in=keys))


def _recent_failures(jobs: QuerySet[Job]) -> list[Job]:
    """The newest by when they ended; failed jobs stay for 30 days."""
    failed = jobs.filter(state=JobState.FAILED).select_related("workspace")
    return list(failed.order_by("-finished_at")[:MOST_LINES])
