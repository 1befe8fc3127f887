"""Removes history that a workspace does not want to keep, blobs that nobody names, and workspaces long archived."""

from datetime import datetime, timedelta

from django.utils import timezone

from apps.files import sql, upkeep_sql
from apps.files.models import ChangeSet, Hold
from apps.files.retention import removable
from apps.files.upkeep import upkeep_step
from apps.jobs.actions import enqueue
from apps.jobs.runs import JobRun
from apps.workspaces.actions import mark_purged
from apps.workspaces.models import Workspace

RETAIN_KIND = "files.retain"
COLLECT_KIND = "files.collect"
PURGE_KIND = "files.purge_workspace"
PLAN_KIND = "files.plan_housekeeping"
PLAN_EVERY_S = 24 * 3600
COLLECT_GRACE = timedelta(hours=24)
PURGE_AFTER = timedelta(days=30)
AT_ONCE = 500
SCAN_AT_ONCE = 5000


def plan_housekeeping(run: JobRun) -> dict[str, int]:
    """Enqueues what the day asks for: retention and collection of each workspace, the end of those long archived."""
    planned = 0
    for workspace in Workspace.objects.filter(purged_at=None).iterator():
        run.check()
        if workspace.archived_at is not None:
            if workspace.archived_at < timezone.now() - PURGE_AFTER:
                enqueue(PURGE_KIND, str(workspace.id), workspace_id=workspace.id)
                planned += 1
            continue
        if workspace.history_days is not None or workspace.tombstone_days is not None:
            enqueue(RETAIN_KIND, str(workspace.id), workspace_id=workspace.id)
            planned += 1
        enqueue(COLLECT_KIND, str(workspace.id), workspace_id=workspace.id)
        planned += 1
    return {"planned": planned}


def retain(run: JobRun) -> dict[str, int]:
    """Applies `history_days` and `tombstone_days` of one workspace. The job's subject is the workspace's key."""
    workspace = Workspace.objects.get(id=int(run.subject))
    if workspace.archived_at is not None:
        return {"versions": 0, "tombstones": 0}
    now = timezone.now()
    versions = tombstones = 0
    if workspace.history_days is not None:
        versions = _retain_versions(run, workspace, _cutoff(workspace.id, now, workspace.history_days))
    if workspace.tombstone_days is not None:
        tombstones = _retain_tombstones(run, workspace, _cutoff(workspace.id, now, workspace.tombstone_days))
    enqueue(COLLECT_KIND, run.subject, workspace_id=workspace.id)
    return {"versions": versions, "tombstones": tombstones}


def collect(run: JobRun) -> dict[str, int]:
    """Removes blobs of one workspace that no version names, a day after they were stored."""
    workspace_id = int(run.subject)
    count = size_bytes = after = 0
    before = timezone.now() - COLLECT_GRACE
    while ids := upkeep_sql.unreferenced_blobs(workspace_id, after=after, before=before, limit=AT_ONCE):
        run.check()
        with upkeep_step(run, workspace_id):
            some, some_bytes = upkeep_sql.collect_blobs(workspace_id, ids)
        count, size_bytes, after = count + some, size_bytes + some_bytes, ids[-1]
        run.progress(count)
    return {"blobs": count, "size_bytes": size_bytes}


def purge_workspace(run: JobRun) -> dict[str, int]:
    """Removes all that an archived workspace held; its row stays, so that the slug is never given out again."""
    workspace_id = int(run.subject)
    removed = 0
    some = AT_ONCE
    while some:
        run.check()
        with upkeep_step(run, workspace_id):
            some = upkeep_sql.purge_some(workspace_id, AT_ONCE)
        removed += some
        run.progress(removed)
    mark_purged(workspace_id)
    return {"rows": removed}


def _cutoff(workspace_id: int, now: datetime, days: int) -> int:
    """The last sequence that was given out before so many days, by the first change set that is younger."""
    # Read first: what is written from now on is younger than any cutoff.
    last_sequence = sql.position(workspace_id).last_sequence
    base = workspace_id << sql.SEQUENCE_BITS
    own = ChangeSet.objects.filter(id__gt=base, id__lt=base + (1 << sql.SEQUENCE_BITS))
    younger = own.filter(created_at__gte=now - timedelta(days=days)).order_by("id").values_list("id", flat=True).first()
    return last_sequence if younger is None else min(last_sequence, (younger & sql.SEQUENCE_MASK) - 1)


def _retain_versions(run: JobRun, workspace: Workspace, cutoff: int) -> int:
    removed = after = 0
    while after < cutoff:
        run.check()
        pairs, after = upkeep_sql.versions_with_successors(workspace.id, after=after, cutoff=cutoff, limit=SCAN_AT_ONCE)
        if not pairs:
            continue
        with upkeep_step(run, workspace.id):
            if not _still_wants(workspace, "history_days"):
                break
            holds = sorted(Hold.objects.filter(workspace=workspace).values_list("sequence", flat=True))
            removed += upkeep_sql.remove_versions(workspace.id, removable(pairs, cutoff=cutoff, holds=holds))
        run.progress(removed)
    return removed


def _retain_tombstones(run: JobRun, workspace: Workspace, cutoff: int) -> int:
    removed = after = 0
    while heads := upkeep_sql.bare_tombstones(workspace.id, after=after, cutoff=cutoff, limit=AT_ONCE):
        run.check()
        after = heads[-1]
        with upkeep_step(run, workspace.id):
            if not _still_wants(workspace, "tombstone_days"):
                break
            removed += upkeep_sql.remove_tombstones(workspace.id, heads)
    return removed


def _still_wants(workspace: Workspace, option: str) -> bool:
    """Whether the option is as it was when the cutoff was found. Asked under the lock, before anything goes."""
    return Workspace.objects.filter(pk=workspace.pk, **{option: getattr(workspace, option)}).exists()
