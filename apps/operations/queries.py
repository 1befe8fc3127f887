"""What operators read about the hub as a whole."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from apps.blobs.queries import copies_small_blobs, waiting_for_upload
from apps.jobs.queries import PeriodicRun, counts, last_tick, oldest_due, periodic_runs, stuck_jobs
from apps.workspaces.queries import Usage, live_workspaces, usage_of_all

MOST_COUNTED = 10_000
"""Blobs that wait for their upload are counted up to here: nobody needs to know more exactly that it is too many."""
BEAT_LOST_AFTER_S = 60.0
"""The scheduler ticks every five seconds."""


@dataclass(frozen=True, slots=True)
class Totals:
    """`last_tick_age_s` is infinite where the scheduler was never seen."""

    usage: Usage
    oldest_due_job_s: float
    last_tick_age_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How the work behind the requests goes. `jobs` counts `queued`, `due`, `running`, `failed` and `stuck` ones.

    `uploads_waiting` is counted up to a bound, and None where nothing is uploaded: without a bucket.
    """

    last_tick_at: datetime | None
    last_tick_age_s: float | None
    jobs: dict[str, int]
    periodic: list[PeriodicRun]
    uploads_waiting: int | None


def totals(now: datetime | None = None) -> Totals:
    """Three queries; the sums are those that the write path keeps."""
    now = now or timezone.now()
    due, age_s = oldest_due(now=now), last_tick_age_s(now)
    return Totals(
        usage=usage_of_all(),
        oldest_due_job_s=(now - due).total_seconds() if due else 0.0,
        last_tick_age_s=float("inf") if age_s is None else age_s,
    )


def last_tick_age_s(now: datetime | None = None) -> float | None:
    """How long ago the scheduler was last seen alive; None when never."""
    return _age_s(last_tick(), now or timezone.now())


def standing(now: datetime | None = None, *, most_uploads: int = MOST_COUNTED) -> Standing:
    """Four queries and two for each periodic kind."""
    now = now or timezone.now()
    at = last_tick()
    return Standing(
        last_tick_at=at,
        last_tick_age_s=_age_s(at, now),
        jobs=counts(now=now) | {"stuck": stuck_jobs(now=now).count()},
        periodic=periodic_runs(),
        uploads_waiting=waiting_for_upload()[:most_uploads].count() if copies_small_blobs() else None,
    )


def _age_s(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - at).total_seconds())


@dataclass(frozen=True, slots=True)
class AbsentWorkspace:
    """A workspace that `setting` names and that does not exist, or is archived."""

    setting: str
    slug: str

    @property
    def sentence(self) -> str:
        return (
            f"{self.setting} names the workspace {self.slug}, which does not exist: it opens nothing until "
            f"`memoryhub workspace create {self.slug}` makes it."
        )


def absent_workspaces() -> list[AbsentWorkspace]:
    """What settings for older clients, and API_KEY_WORKSPACE and CLOUD_SYNC_WORKSPACE, name in vain, each once.

    One query, none without them.
    """
    mounts = [("ROOT_DIALECT", settings.ROOT_DIALECT)] if settings.ROOT_DIALECT else []
    mounts += [("DIALECT_HOSTS", target) for target in settings.DIALECT_HOSTS]
    named = [AbsentWorkspace(setting, target.rpartition(":")[2]) for setting, target in mounts]
    if settings.AGMEM_COORDINATOR_PORT:
        named.append(AbsentWorkspace("AGMEM_COORDINATOR_WORKSPACE", settings.AGMEM_COORDINATOR_WORKSPACE))
    if settings.API_KEY:
        named.append(AbsentWorkspace("API_KEY_WORKSPACE", settings.API_KEY_WORKSPACE))
    if settings.CLOUD_SYNC_ENABLED:
        named.append(AbsentWorkspace("CLOUD_SYNC_WORKSPACE", settings.CLOUD_SYNC_WORKSPACE))
    if not named:
        return []
    present = set(live_workspaces().filter(slug__in=[one.slug for one in named]).values_list("slug", flat=True))
    return [one for one in dict.fromkeys(named) if one.slug not in present]


def cors_origins(slug: str) -> tuple[str, ...]:
    """The origins whose pages may call the workspace; none for a slug that no workspace has."""
    found = live_workspaces().filter(slug=slug).values_list("cors_origins", flat=True).first()
    return tuple(found or ())
