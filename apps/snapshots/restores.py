"""Asking for a restore that needs a job: from a copy in a target, or from another workspace's snapshot."""

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import NotFound
from apps.files.actions import WorkspaceRef
from apps.files.holds import release
from apps.files.queries import last_change_at, position
from apps.jobs.actions import enqueue
from apps.jobs.models import OPEN_STATES, Job
from apps.jobs.queries import open_job as open_job_of
from apps.snapshots.copies import lock_sealed, refresh
from apps.snapshots.errors import Forked, NotRestorable, RestoreInProgress
from apps.snapshots.lineage import common_ancestor, is_behind
from apps.snapshots.models import (
    CopyState,
    ForkRule,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Restore,
    RestoreState,
    Snapshot,
)
from apps.snapshots.queries import known_copies, latest_copy
from apps.snapshots.targets import repository_for

RESTORE = "snapshots.restore"
UNAVAILABLE = "unavailable"
"""The code of a restore whose target stayed away."""


def request_restore(
    workspace: WorkspaceRef,
    *,
    snapshot: Snapshot | None = None,
    copy: RemoteCopy | None = None,
    prefix: str = "",
    delete: bool = False,
    is_merge: bool = False,
    only_at: int | None = None,
    message: str = "",
    actor: Actor,
) -> Restore:
    """Asks for the files of a snapshot or of a copy, below a checked prefix, to be brought into a workspace.

    With `only_at` nothing is restored when the workspace has gone beyond that sequence meanwhile. Who may read the
    source was asked before. Raises `RestoreInProgress`, and `NotRestorable` for a copy that is not whole, and for what
    is gone or on its way out.
    """
    restore = Restore(
        workspace_id=workspace.id,
        snapshot=snapshot,
        copy=copy,
        source=_checked_source(snapshot, copy),
        prefix=prefix,
        is_exact=delete,
        is_merge=is_merge,
        only_at=only_at,
        message=message,
        actor=str(actor),
        created_at=timezone.now(),
    )
    settle(workspace.id)
    with transaction.atomic():
        _require_there(snapshot, copy)
        try:
            with transaction.atomic():
                restore.save(force_insert=True)
        except IntegrityError as failure:
            raise RestoreInProgress from failure
        enqueue(RESTORE, str(restore.public_id), workspace_id=workspace.id, actor=str(actor))
        details = {"prefix": prefix, "delete": delete, "restore": str(restore.public_id)}
        record_audit(
            "restore.requested", actor=actor, workspace_id=workspace.id, subject=restore.source, details=details
        )
    return restore


def holder_of(restore: Restore) -> str:
    """Who holds what is known to a workspace while it is restored."""
    return f"restore:{restore.public_id}"


def _checked_source(snapshot: Snapshot | None, copy: RemoteCopy | None) -> str:
    if copy is not None:
        if copy.state != CopyState.SEALED:
            raise NotRestorable("The upload of this copy is not complete.")
        return f"{copy.name} in {copy.repository.target.name}"
    if snapshot is None:
        raise ValueError("a restore has a source")
    return f"{snapshot.name} of {snapshot.workspace.slug}"


def _require_there(snapshot: Snapshot | None, copy: RemoteCopy | None) -> None:
    """Locks the source: nobody can delete it before this transaction ends."""
    if copy is not None:
        row = lock_sealed(copy)
        if row is None or row.doomed_at is not None:
            raise NotRestorable("The copy is on its way out.")
    rows = Snapshot.objects.select_for_update(no_key=True, of=("self",))
    if snapshot is not None and rows.filter(pk=snapshot.pk).first() is None:
        raise NotRestorable("The snapshot is gone.")


def settle(workspace_id: int) -> None:
    """Ends a restore whose job has ended without it: cancelled before it began, or out of attempts."""
    open_job = Job.objects.filter(
        kind=RESTORE,
        subject=Cast(OuterRef("public_id"), CharField()),
        state__in=OPEN_STATES,
    )
    left = Restore.objects.filter(workspace_id=workspace_id, state=RestoreState.OPEN).exclude(Exists(open_job))
    for restore in left.select_related("workspace", "copy"):
        end_failed(restore, "cancelled", "Its job ended before it was done.")


def end_failed(restore: Restore, code: str, detail: str) -> None:
    """Writes down that nothing came of a restore, if it is still open."""
    with transaction.atomic():
        open_ones = Restore.objects.filter(pk=restore.pk, state=RestoreState.OPEN)
        open_ones.update(
            state=RestoreState.FAILED, finished_at=timezone.now(), error_code=code, error_detail=detail[:1000]
        )
        release(restore.workspace, holder=holder_of(restore))
        note_first_start(restore, f"could not be restored: {detail}", is_over=code != UNAVAILABLE)


def note_first_start(restore: Restore, outcome: str, *, is_over: bool) -> None:
    """What became of a restore into a workspace that was never written to; until it is over it is tried again."""
    if restore.only_at != 0 or restore.copy is None:
        return
    sentence = f"The workspace was empty: {restore.copy.name} {outcome}"
    unstarted = Repository.objects.filter(pk=restore.copy.repository_id, first_start_at=None)
    unstarted.update(first_start=sentence[:1000], **({"first_start_at": timezone.now()} if is_over else {}))


def settle_readers(workspace_id: int) -> None:
    """`settle` for every workspace that restores from this one: those whose job is gone read nothing any more."""
    reading = Q(copy__repository__workspace_id=workspace_id) | Q(snapshot__workspace_id=workspace_id)
    for reader in set(Restore.objects.filter(reading, state=RestoreState.OPEN).values_list("workspace_id", flat=True)):
        settle(reader)


def restores_of(workspace_id: int) -> QuerySet[Restore]:
    """The restores into a workspace, newest first."""
    return Restore.objects.select_related("copy", "safety").filter(workspace_id=workspace_id).order_by("-id")


def restore_by_id(workspace_id: int, public_id: UUID) -> Restore:
    """Raises `NotFound`."""
    restore = restores_of(workspace_id).filter(public_id=public_id).first()
    if restore is None:
        raise NotFound
    return restore


def open_job(restore: Restore) -> Job | None:
    """The job that does a restore, while it waits or runs."""
    return open_job_of(RESTORE, str(restore.public_id))


@dataclass(frozen=True, slots=True)
class Newest:
    """What brings a workspace to the newest copy in a target: all of the copy, or what `is_merge` takes of it."""

    copy: RemoteCopy
    is_merge: bool
    only_at: int | None


def newest_for(workspace: WorkspaceRef, target: RemoteTarget, *, on_fork: str = ForkRule.REFUSE) -> Newest | None:
    """What `restore_latest` would ask for now, and its refusals. Looks into the target."""
    repository = repository_for(workspace, target)
    refresh(repository)
    copy = latest_copy(repository)
    if copy is None:
        raise NotRestorable("The target holds no copy of this workspace.")
    at = position(workspace.id)
    if copy.public_id == repository.head:
        return None
    known = known_copies(repository)
    is_untouched = at.last_sequence == repository.head_sequence
    is_ahead = is_untouched and is_behind(repository.head, copy.public_id, known)
    if is_ahead or at.last_sequence == 0:
        return Newest(copy, is_merge=False, only_at=at.last_sequence)
    if is_behind(copy.public_id, repository.head, known):
        return None
    match on_fork:
        case ForkRule.NEWEST:
            is_newer = copy.created_at > last_change_at(workspace.id, at)
            return Newest(copy, is_merge=False, only_at=at.last_sequence) if is_newer else None
        case ForkRule.MERGE:
            return Newest(copy, is_merge=True, only_at=None)
    raise Forked(
        "Both the workspace and the copy have changed since what they had in common: restore it by name, or choose "
        "newest or merge.",
        theirs=copy.name,
    )


def restore_latest(
    workspace: WorkspaceRef, target: RemoteTarget, *, on_fork: str = ForkRule.REFUSE, actor: Actor
) -> Restore | None:
    """Brings the workspace to the newest copy in a target; None where it is there already, or is newer.

    Where the copy and the workspace have both gone on from what they had in common, `on_fork` decides: `refuse`,
    `newest` takes the whole state that changed last, `merge` takes what the other side has changed, file by file.
    Raises `NotRestorable` when nothing is there, `Forked`, `RestoreInProgress`, and what the target raises.
    """
    newest = newest_for(workspace, target, on_fork=on_fork)
    return None if newest is None else request_newest(workspace, newest, actor=actor)


def request_newest(workspace: WorkspaceRef, newest: Newest, *, actor: Actor) -> Restore:
    """Asks for what was found. Raises as `request_restore`."""
    return request_restore(
        workspace,
        copy=newest.copy,
        delete=not newest.is_merge,
        is_merge=newest.is_merge,
        only_at=newest.only_at,
        actor=actor,
    )


def merge_base(restore: Restore) -> RemoteCopy | None:
    """The copy that both sides of a merge grew from, if it is still there."""
    copy = restore.copy
    if copy is None:
        return None
    ancestor = common_ancestor(copy.repository.head, copy.public_id, known_copies(copy.repository))
    if ancestor is None:
        return None
    return RemoteCopy.objects.filter(repository=copy.repository, public_id=ancestor, state=CopyState.SEALED).first()
