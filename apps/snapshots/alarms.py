"""What is wrong with the copies: how far they are behind, and what somebody should look at."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone

from apps.common.times import rfc3339
from apps.snapshots.models import RemoteCopy, Repository, SnapshotPolicy
from apps.snapshots.plan_sql import StandingRow, standings
from apps.snapshots.timing import overdue_since


@dataclass(frozen=True, slots=True)
class Lag:
    """How long the newest changes of a workspace have not been in its target.

    `reason` is empty where nothing is missing, else `failing`, `uploading`, `never` where there is no copy yet, or
    `waiting` for the next snapshot.
    """

    seconds: float
    since: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that somebody should look at: `kind` for machines, `detail` a sentence for people.

    `kind` is one of `KINDS`.
    """

    kind: str
    workspace_id: int
    workspace: str
    target: str
    since: datetime
    detail: str


NO_LAG = Lag(0.0, None, "")
KINDS = ("copy_overdue", "upload_failing", "copy_damaged", "delete_refused")


def lag_of(policy: SnapshotPolicy, *, now: datetime | None = None) -> Lag:
    """Of a workspace's policy; no lag where no target is set. One query."""
    if policy.target_id is None:
        return NO_LAG
    now = now or timezone.now()
    return next((_lag(row, now) for row in standings(policy.workspace_id)), NO_LAG)


def longest_lag_s(*, now: datetime | None = None) -> float:
    """Seconds that the changes of some workspace have not been in its target, the longest of all. One query."""
    now = now or timezone.now()
    return max((_lag(row, now).seconds for row in standings()), default=0.0)


def _lag(row: StandingRow, now: datetime) -> Lag:
    if row.behind_since is None:
        return NO_LAG
    if row.failing_since is not None:
        reason = "failing"
    elif row.is_uploading:
        reason = "uploading"
    else:
        reason = "never" if row.newest_at is None else "waiting"
    return Lag(max(0.0, (now - row.behind_since).total_seconds()), row.behind_since, reason)


def alarms(workspace_id: int | None = None, *, now: datetime | None = None) -> list[Alarm]:
    """Of one workspace or of all that are not archived, by workspace and target. Three queries."""
    now = now or timezone.now()
    found = [*_overdue(workspace_id, now), *_of_repositories(workspace_id), *_damaged(workspace_id)]
    return sorted(found, key=lambda alarm: (alarm.workspace, alarm.target, alarm.kind))


def _overdue(workspace_id: int | None, now: datetime) -> list[Alarm]:
    found = []
    for row in standings(workspace_id):
        since = overdue_since(
            newest_at=row.newest_at,
            behind_since=row.behind_since,
            skips_unchanged=row.skips_unchanged,
            hours=row.alarm_after_hours,
            now=now,
        )
        if since is not None:
            told = "There is no copy yet." if row.newest_at is None else f"The newest is of {rfc3339(row.newest_at)}."
            found.append(Alarm("copy_overdue", row.workspace_id, row.slug, row.target, since, told))
    return found


def _of_repositories(workspace_id: int | None) -> list[Alarm]:
    rows = Repository.objects.filter(workspace__archived_at=None).select_related("workspace", "target")
    rows = rows.exclude(failing_since=None, undeletable_since=None)
    if workspace_id is not None:
        rows = rows.filter(workspace_id=workspace_id)
    found = []
    for row in rows:
        where = (row.workspace_id, row.workspace.slug, row.target.name)
        if row.failing_since is not None:
            found.append(Alarm("upload_failing", *where, row.failing_since, row.failure))
        if row.undeletable_since is not None:
            told = "The target lets nothing be deleted: what retention lets go stays there."
            found.append(Alarm("delete_refused", *where, row.undeletable_since, told))
    return found


def _damaged(workspace_id: int | None) -> list[Alarm]:
    rows = RemoteCopy.objects.exclude(damage="").filter(repository__workspace__archived_at=None)
    if workspace_id is not None:
        rows = rows.filter(repository__workspace_id=workspace_id)
    fields = ("repository__workspace_id", "repository__workspace__slug", "repository__target__name")
    grouped = rows.values_list(*fields).annotate(count=Count("pk"), since=Min("created_at")).order_by(*fields)
    return [
        Alarm("copy_damaged", key, slug, target, since, f"Damaged copies: {count}.")
        for key, slug, target, count, since in grouped
    ]
