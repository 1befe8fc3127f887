"""Making, pinning and deleting snapshots, and going back to one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.blobs.content import Content
from apps.common.conditions import ANY
from apps.common.errors import AlreadyExists, NotFound
from apps.files.actions import WorkspaceRef, all_applied, apply_changes
from apps.files.as_of_sql import DifferenceRow
from apps.files.changes import ChangeItem
from apps.files.holds import hold, release
from apps.files.models import Origin
from apps.snapshots.errors import Pinned, RestoreInProgress, SnapshotBusy
from apps.snapshots.merging import State
from apps.snapshots.models import Restore, RestoreState, Snapshot, SnapshotKind
from apps.snapshots.names import checked_name, dated_name, next_name
from apps.snapshots.queries import differences_below, files_at
from apps.snapshots.restores import settle, settle_readers

ITEMS_AT_ONCE = 1000
RESTORE_LOCK = 0x6D656D72
"""The first key of the advisory lock that a restore holds; the second is the workspace's."""


def create_snapshot(
    workspace: WorkspaceRef,
    *,
    name: str = "",
    prefix: str = "",
    kind: str = SnapshotKind.MANUAL,
    message: str = "",
    tags: Sequence[str] = (),
    actor: Actor,
) -> Snapshot:
    """Names the state that the workspace has now, and keeps its history. A few statements, whatever it holds.

    Without a name it is `{prefix}_{YYYYMMDD}_{HHMMSS}`, with a number where that is taken; without a prefix that is the
    kind. Joins a transaction. Raises `BadName`, `AlreadyExists`.
    """
    if name:
        checked_name(name)
    now = timezone.now()
    snapshot = Snapshot(
        workspace_id=workspace.id,
        kind=kind,
        message=message,
        tags=list(tags),
        actor=str(actor),
        created_at=now,
    )
    try:
        with transaction.atomic():
            # Under the lock that every write and every snapshot takes: the sums are those of exactly this sequence.
            held = hold(workspace, holder=holder_of(snapshot))
            snapshot.sequence, snapshot.files, snapshot.size_bytes = held.sequence, held.live_files, held.live_bytes
            snapshot.parent = Snapshot.objects.filter(workspace_id=workspace.id).order_by("-id").first()
            snapshot.name = name or _free_name(workspace.id, dated_name(prefix or kind, now))
            snapshot.save(force_insert=True)
            record_audit("snapshot.created", actor=actor, workspace_id=workspace.id, subject=snapshot.name)
    except IntegrityError as failure:
        raise AlreadyExists("A snapshot has this name.") from failure
    return snapshot


def _free_name(workspace_id: int, wished: str) -> str:
    """The wished name, with a number behind it where it is taken."""
    same = Snapshot.objects.filter(workspace_id=workspace_id, name__startswith=wished)
    return next_name(wished, set(same.values_list("name", flat=True)))


def holder_of(snapshot: Snapshot) -> str:
    """Who holds the history of a snapshot."""
    return f"snapshot:{snapshot.public_id}"


def pin_snapshot(snapshot: Snapshot, *, is_pinned: bool, actor: Actor) -> Snapshot:
    """Keeps a snapshot from being deleted, also where retention has let it go already; or no longer does."""
    with transaction.atomic():
        changed = Snapshot.objects.filter(pk=snapshot.pk).exclude(is_pinned=is_pinned)
        if changed.update(is_pinned=is_pinned, doomed_at=None):
            event = "snapshot.pinned" if is_pinned else "snapshot.unpinned"
            record_audit(event, actor=actor, workspace_id=snapshot.workspace_id, subject=snapshot.name)
    snapshot.is_pinned = is_pinned
    return snapshot


def delete_snapshot(workspace: WorkspaceRef, snapshot: Snapshot, *, actor: Actor) -> None:
    """Lets the snapshot go, and its history with the next retention.

    Raises `Pinned`, `NotFound`, `RestoreInProgress`, and `SnapshotBusy` while a restore elsewhere relies on it.
    """
    settle_readers(workspace.id)
    with transaction.atomic():
        # Not a restore's: that one is reading it.
        lock_restores(workspace.id)
        row = Snapshot.objects.select_for_update(of=("self",)).filter(pk=snapshot.pk).first()
        if row is None:
            raise NotFound
        if row.is_pinned:
            raise Pinned("Unpin it first.")
        # Only now that it is locked: who asked for a restore before has committed, who asks later finds it gone.
        if Restore.objects.filter(snapshot=row, state=RestoreState.OPEN).exists():
            raise SnapshotBusy("A restore from it waits or runs.")
        row.delete()
        release(workspace, holder=holder_of(snapshot))
        record_audit("snapshot.deleted", actor=actor, workspace_id=workspace.id, subject=snapshot.name)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore changed. `safety` is the state from before, None where nothing had to change."""

    put: int
    deleted: int
    safety: Snapshot | None


def restore_snapshot(
    workspace: WorkspaceRef,
    snapshot: Snapshot,
    *,
    prefix: str = "",
    delete: bool = False,
    actor: Actor,
    message: str = "",
) -> Restored:
    """Writes the files below `prefix` (or one of that path) as they were in a snapshot, in one transaction.

    As new versions, all or nothing. With `delete`, files that were not there then get a tombstone; without it they
    stay. Clients see an ordinary change; restoring `safety` undoes it. What others write meanwhile waits, and comes
    after. Raises `RestoreInProgress`, `NotFound` for a snapshot that is gone and for a prefix that it has nothing
    below, and the refusals of a write.
    """
    with transaction.atomic(durable=True):
        begin_restore(workspace.id)
        _lock_source(snapshot)
        safety = create_snapshot(
            workspace, kind=SnapshotKind.SAFETY, message=f"Before the restore of {snapshot.name}", actor=actor
        )
        put = deleted = 0
        for items in in_chunks(_items(workspace, snapshot, safety.sequence, prefix, delete=delete)):
            apply_restored(workspace, items, actor=actor, message=message or f"Restored from {snapshot.name}")
            put += sum(item.content is not None for item in items)
            deleted += sum(item.content is None for item in items)
        if not put and not deleted:
            require_found(files_at(workspace.id, snapshot.sequence, prefix), prefix)
            discard_snapshot(workspace, safety)
            return Restored(0, 0, None)
        done = Restored(put, deleted, safety)
        note_restored(
            workspace,
            done,
            source=snapshot.name,
            snapshot=snapshot,
            prefix=prefix,
            is_exact=delete,
            message=message,
            actor=actor,
        )
    return done


def note_restored(
    workspace: WorkspaceRef,
    done: Restored,
    *,
    source: str,
    snapshot: Snapshot | None = None,
    prefix: str = "",
    is_exact: bool,
    message: str = "",
    actor: Actor,
) -> None:
    """Writes down a restore that this transaction has done. Call at its end."""
    now = timezone.now()
    Restore.objects.create(
        workspace_id=workspace.id,
        snapshot=snapshot,
        source=source[:300],
        prefix=prefix,
        is_exact=is_exact,
        message=message,
        state=RestoreState.DONE,
        put=done.put,
        deleted=done.deleted,
        safety=done.safety,
        actor=str(actor),
        created_at=now,
        finished_at=now,
    )
    safety = done.safety.name if done.safety else None
    record_audit(
        "snapshot.restored",
        actor=actor,
        workspace_id=workspace.id,
        subject=source,
        details={"put": done.put, "deleted": done.deleted, "safety": safety, "prefix": prefix},
    )


def begin_restore(workspace_id: int) -> None:
    """Nobody else restores into the workspace until the end of the transaction. Raises `RestoreInProgress`."""
    lock_restores(workspace_id)
    settle(workspace_id)
    if Restore.objects.filter(workspace_id=workspace_id, state=RestoreState.OPEN).exists():
        raise RestoreInProgress


def _lock_source(snapshot: Snapshot) -> None:
    rows = Snapshot.objects.select_for_update(no_key=True, of=("self",))
    if rows.filter(pk=snapshot.pk).first() is None:
        raise NotFound("The snapshot is gone.")


def require_found(files: Iterator[State], prefix: str) -> None:
    """Raises `NotFound` where a state has none of these files, below a prefix: somebody has misspelt it."""
    if prefix and next(files, None) is None:
        raise NotFound("Nothing lies under this path there.")


def _items(workspace: WorkspaceRef, snapshot: Snapshot, now: int, prefix: str, *, delete: bool) -> Iterator[ChangeItem]:
    # Read to the end before the first of it is written: what is written would come between.
    for row in list(differences_below(workspace.id, snapshot.sequence, now, prefix=prefix)):
        item = _item(row, delete=delete)
        if item is not None:
            yield item


def _item(row: DifferenceRow, *, delete: bool) -> ChangeItem | None:
    """What brings a path back to its state before; None where it may stay as it is."""
    if row.before_sha256 is not None:
        return ChangeItem(row.path, ANY, Content(row.before_sha256), row.before_type or "")
    return ChangeItem(row.path, ANY) if delete else None


def discard_snapshot(workspace: WorkspaceRef, snapshot: Snapshot) -> None:
    """Takes back a snapshot that this transaction has made. Call inside it."""
    Snapshot.objects.filter(pk=snapshot.pk).delete()
    release(workspace, holder=holder_of(snapshot))


def apply_restored(workspace: WorkspaceRef, items: Sequence[ChangeItem], *, actor: Actor, message: str) -> None:
    """Writes items of a restore, all or nothing. Call inside the restore's transaction."""
    all_applied(
        apply_changes(workspace, items, all_or_nothing=True, actor=actor, origin=Origin.RESTORE, message=message)
    )


def in_chunks(items: Iterable[ChangeItem]) -> Iterator[list[ChangeItem]]:
    left = iter(items)
    while chunk := list(islice(left, ITEMS_AT_ONCE)):
        yield chunk


def lock_restores(workspace_id: int) -> None:
    """Until the end of the transaction. Raises `RestoreInProgress`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [RESTORE_LOCK, workspace_id])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise RestoreInProgress
