"""Worker: what policies want done by themselves. Snapshots on schedule and after changes, their uploads, verifications.

Each step looks at the rows and does what they lack, so that a planner that was killed, or ran twice, leaves nothing out
and does nothing twice. With nothing to do a run costs a handful of statements, whatever the number of workspaces.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from apps.accounts.actors import Actor
from apps.common.errors import DomainError
from apps.common.schedules import due
from apps.jobs.actions import enqueue
from apps.jobs.runs import JobRun
from apps.snapshots import plan_sql
from apps.snapshots.actions import create_snapshot
from apps.snapshots.alarms import alarms
from apps.snapshots.copies import open_job, request_upload, request_verify
from apps.snapshots.errors import NotRestorable
from apps.snapshots.models import (
    CopyState,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Restore,
    RestoreState,
    RetentionRule,
    Snapshot,
    SnapshotKind,
    SnapshotPolicy,
)
from apps.snapshots.policies import grid_of, schedule_of
from apps.snapshots.queries import latest_snapshot
from apps.snapshots.recovery import START, unstarted
from apps.snapshots.removals import request_prune
from apps.snapshots.repositories import UPLOAD
from apps.snapshots.restores import settle
from apps.snapshots.targets import settings_target
from apps.snapshots.timing import is_settled, retry_at, verification_due
from apps.workspaces.models import Workspace, WorkspaceCounter

KIND = "snapshots.plan"
EVERY_S = 15
PRUNES_KIND = "snapshots.plan_prunes"
PRUNES_EVERY_S = 24 * 3600
WATCH_KIND = "snapshots.watch"
WATCH_EVERY_S = 3600
SCHEDULED, AUTO = "scheduled", "auto"
"""How the names begin of snapshots that are made on schedule, and after changes."""
START_AGAIN_AFTER = timedelta(minutes=2)
"""Where the target was away."""
SHORTEST_PERIOD = timedelta(days=1)

logger = structlog.get_logger(__name__)


def plan(run: JobRun, *, now: datetime | None = None) -> dict[str, int]:
    """One look at all policies and repositories. What one workspace refuses is logged, and holds up no other."""
    now = now or timezone.now()
    with_settings = settings_target() is not None
    counts = {"snapshots": 0, "uploads": 0, "retries": 0, "verifications": 0}
    for policy in _scheduled(now):
        run.check()
        with _told(policy.workspace_id):
            counts["snapshots"] += _snapshot_on_schedule(policy, with_settings=with_settings, now=now)
    for policy in unstarted(with_settings=with_settings, asked_before=now - START_AGAIN_AFTER):
        run.check()
        enqueue(START, str(policy.workspace_id), workspace_id=policy.workspace_id, actor="system", now=now)
    plan_sql.notice_changes(now=now)
    for policy in _changed(with_settings=with_settings):
        run.check()
        with _told(policy.workspace_id):
            counts["snapshots"] += _snapshot_after_changes(policy, now=now)
    for owed in plan_sql.owed_uploads(with_settings=with_settings):
        run.check()
        with _told(owed.workspace_id):
            counts["uploads"] += _request_owed(owed)
    for failed in plan_sql.failed_uploads(with_settings=with_settings):
        run.check()
        counts["retries"] += _retry(failed)
    for copy in _unverified(now, with_settings=with_settings):
        run.check()
        with _told(copy.repository.workspace_id):
            counts["verifications"] += _verify(copy, now=now)
    return counts


@contextmanager
def _told(workspace_id: int) -> Iterator[None]:
    """Goes on with the next workspace where one refuses. What was refused is tried again by the next run."""
    try:
        yield
    except DomainError as error:
        logger.warning("snapshot_plan_refused", workspace_id=workspace_id, code=error.code, detail=error.detail)


# --- On schedule


def _scheduled(now: datetime) -> list[SnapshotPolicy]:
    rows = SnapshotPolicy.objects.filter(next_run_at__lte=now, workspace__archived_at=None)
    return list(rows.select_related("workspace", "target").order_by("next_run_at"))


def _snapshot_on_schedule(policy: SnapshotPolicy, *, with_settings: bool, now: datetime) -> bool:
    """Makes one snapshot for all moments that have passed, and plans the next. Of two planners one does."""
    schedule, planned = schedule_of(policy), policy.next_run_at
    owed = None if schedule is None or planned is None else due(schedule, planned, now, **grid_of(policy))
    if owed is None:
        return False
    with transaction.atomic():
        mine = SnapshotPolicy.objects.filter(pk=policy.pk, schedule=policy.schedule, next_run_at=planned)
        if not mine.update(next_run_at=owed.next_run_at):
            return False
        newest = _unchanged(policy.workspace) if policy.skip_unchanged else None
        if newest is None:
            return _made(policy.workspace, SCHEDULED) is not None
    if policy.target is not None and (with_settings or not policy.target.is_from_settings):
        _request_missing(policy.workspace, newest, policy.target)
    return False


def _unchanged(workspace: Workspace) -> Snapshot | None:
    """The newest snapshot, if it is of the state that the workspace still has."""
    newest = latest_snapshot(workspace.pk)
    return newest if newest is not None and newest.sequence == _last_sequence(workspace) else None


def _last_sequence(workspace: Workspace) -> int:
    return WorkspaceCounter.objects.filter(pk=workspace.pk).values_list("last_sequence", flat=True).first() or 0


def _made(workspace: Workspace, prefix: str) -> Snapshot | None:
    """None for a workspace that was never written to."""
    if not _last_sequence(workspace):
        return None
    return create_snapshot(workspace, prefix=prefix, kind=SnapshotKind.SCHEDULED, actor=Actor.system())


def _request_missing(workspace: Workspace, snapshot: Snapshot, target: RemoteTarget) -> None:
    """Asks for a copy of a snapshot that somebody made by hand, unless another upload is on its way there."""
    copies = RemoteCopy.objects.filter(repository__workspace=workspace, repository__target=target)
    if copies.filter(snapshot=snapshot).exists():
        return
    if not any(open_job(copy) for copy in copies.filter(state=CopyState.UPLOADING)):
        request_upload(workspace, snapshot, target, actor=Actor.system())


# --- After changes


def _changed(*, with_settings: bool) -> list[SnapshotPolicy]:
    open_restores = Restore.objects.filter(workspace_id=OuterRef("workspace_id"), state=RestoreState.OPEN)
    rows = SnapshotPolicy.objects.filter(
        after_changes=True, changed_since__isnull=False, changed_last__isnull=False, workspace__archived_at=None
    )
    if not with_settings:
        rows = rows.exclude(target__is_from_settings=True)
    return list(rows.select_related("workspace").annotate(is_restoring=Exists(open_restores)).order_by("changed_since"))


def _snapshot_after_changes(policy: SnapshotPolicy, *, now: datetime) -> bool:
    since, last = policy.changed_since, policy.changed_last
    if since is None or last is None:
        return False
    if not is_settled(since, last, quiet_s=policy.quiet_s, longest_s=policy.longest_s, now=now):
        return False
    if _is_restoring(policy):
        return False
    with transaction.atomic():
        mine = SnapshotPolicy.objects.filter(pk=policy.pk, changed_since=since, changed_last=last)
        if not mine.update(changed_since=None, changed_last=None):
            return False
        if _unchanged(policy.workspace) is not None:
            return False
        snapshot = _made(policy.workspace, AUTO)
        if snapshot is not None:
            # With what came between the look and the lock: that needs no snapshot of its own.
            SnapshotPolicy.objects.filter(pk=policy.pk).update(noticed_sequence=snapshot.sequence)
    return snapshot is not None


def _is_restoring(policy: SnapshotPolicy) -> bool:
    """Whether a restore of the workspace waits or runs. One whose job is gone holds nothing up."""
    if not getattr(policy, "is_restoring", False):
        return False
    settle(policy.workspace_id)
    return Restore.objects.filter(workspace_id=policy.workspace_id, state=RestoreState.OPEN).exists()


# --- Uploads


def _request_owed(owed: plan_sql.OwedUpload) -> bool:
    snapshot = Snapshot.objects.select_related("workspace").filter(pk=owed.snapshot_id).first()
    target = RemoteTarget.objects.filter(pk=owed.target_id).first()
    if snapshot is None or target is None:
        return False
    request_upload(snapshot.workspace, snapshot, target, actor=Actor.system())
    return True


def _retry(failed: plan_sql.FailedUpload) -> bool:
    """Asks again for an upload that failed for good, later each time."""
    with transaction.atomic():
        rows = RemoteCopy.objects.select_related("repository").select_for_update(no_key=True, of=("self",))
        # Locked: nobody begins to remove it meanwhile.
        copy = rows.filter(pk=failed.copy_id, state=CopyState.UPLOADING).first()
        if copy is None:
            return False
        enqueue(
            UPLOAD,
            str(copy.public_id),
            workspace_id=copy.repository.workspace_id,
            run_at=retry_at(failed.failing_since, failed.failed_at),
            actor=str(Actor.system()),
        )
    return True


# --- Verifications


def _unverified(now: datetime, *, with_settings: bool) -> list[RemoteCopy]:
    """The newest whole copies of this hub in the targets of policies, where none was looked at for a day at least."""
    policies = SnapshotPolicy.objects.filter(
        Q(verify_every_days__gt=0) | Q(trial_every_days__gt=0),
        workspace_id=OuterRef("workspace_id"),
        target_id=OuterRef("target_id"),
    )
    rows = Repository.objects.filter(Exists(policies), workspace__archived_at=None)
    rows = rows.filter(created_at__lte=now - SHORTEST_PERIOD)
    for asked in ("sample_asked_at", "trial_asked_at"):
        rows = rows.filter(Q(**{asked: None}) | Q(**{f"{asked}__lte": now - SHORTEST_PERIOD}))
    if not with_settings:
        rows = rows.exclude(target__is_from_settings=True)
    own = RemoteCopy.objects.filter(repository=OuterRef("pk"), writer=OuterRef("writer"), state=CopyState.SEALED)
    newest = rows.values_list(Subquery(own.order_by("-created_at", "-id").values("pk")[:1]), flat=True)
    copies = RemoteCopy.objects.filter(pk__in=newest).order_by("pk")
    return list(copies.select_related("repository__workspace__snapshot_policy"))


def _verify(copy: RemoteCopy, *, now: datetime) -> bool:
    """Asks for a verification of a copy when it is time for one. Of two planners one does."""
    repository = copy.repository
    policy = repository.workspace.snapshot_policy
    sampled_at, tried_at = repository.sample_asked_at, repository.trial_asked_at
    mode = verification_due(
        repository.created_at,
        sampled_at,
        tried_at,
        sample_days=policy.verify_every_days,
        trial_days=policy.trial_every_days,
        now=now,
    )
    if not mode:
        return False
    try:
        with transaction.atomic():
            mine = Repository.objects.filter(pk=repository.pk, sample_asked_at=sampled_at, trial_asked_at=tried_at)
            if not mine.update(**{f"{mode}_asked_at": now}):
                return False
            request_verify(copy, mode, actor=Actor.system())
    except NotRestorable:
        # Deleted meanwhile; the next look finds another.
        return False
    return True


# --- Once a day, once an hour


def plan_prunes(run: JobRun) -> dict[str, int]:
    """Asks for the pruning of every workspace that has a rule, or anything in a target."""
    rules = RetentionRule.objects.filter(workspace_id=OuterRef("pk"))
    repositories = Repository.objects.filter(workspace_id=OuterRef("pk"))
    planned = 0
    rows = Workspace.objects.filter(Exists(rules) | Exists(repositories), archived_at=None)
    for workspace_id in rows.order_by("pk").values_list("pk", flat=True):
        run.check()
        request_prune(workspace_id, actor=Actor.system())
        planned += 1
    return {"planned": planned}


def watch(run: JobRun, *, now: datetime | None = None) -> dict[str, int]:
    """Writes a line into the log for each alarm: once an hour, until it is over."""
    found = alarms(now=now or timezone.now())
    for alarm in found:
        logger.warning(
            "snapshot_alarm",
            alarm=alarm.kind,
            workspace_id=alarm.workspace_id,
            target=alarm.target,
            since=alarm.since.isoformat(),
        )
    return {"alarms": len(found)}
