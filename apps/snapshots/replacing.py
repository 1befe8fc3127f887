"""Brings a workspace, or a folder of it, to a state that is handed over whole: by a folder of this machine, or by an
older service. What it takes is staged first, then written in one transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from django.conf import settings
from django.db import transaction

from apps.accounts.actors import Actor
from apps.common.errors import Busy
from apps.files.actions import WorkspaceRef, all_applied, apply_changes
from apps.files.as_of import files_as_of
from apps.files.changes import ChangeItem
from apps.files.errors import BlobMissing
from apps.files.holds import hold, release
from apps.files.models import Origin
from apps.files.queries import position
from apps.snapshots.actions import (
    Restored,
    begin_restore,
    create_snapshot,
    discard_snapshot,
    note_restored,
)
from apps.snapshots.format.manifests import Entry
from apps.snapshots.merging import Step, restoring
from apps.snapshots.models import Snapshot, SnapshotKind
from apps.snapshots.staging import Stage
from apps.snapshots.writing import lacking, write_steps

IMPORTING = "import"
"""Who holds the workspace's counter while a state is written."""


class Files(Protocol):
    """A state: its files below a prefix in the order of the paths' bytes, and what is in them."""

    def entries(self, prefix: str = "") -> Iterator[Entry]: ...
    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]: ...


def restore_files(workspace: WorkspaceRef, files: Files, *, source: str, actor: Actor) -> Restored:
    """Makes the workspace hold these files and no others, as new versions; `source` says whose they are.

    As `restore_snapshot`. Raises what `files` raises, `CopyDamaged` for content that is not what it should be,
    `RestoreInProgress`, and the refusals of a write.
    """
    with _staged(workspace, files) as write, transaction.atomic(durable=True):
        begin_restore(workspace.id)
        safety = create_snapshot(
            workspace, kind=SnapshotKind.SAFETY, message=f"Before the restore of {source}"[:1000], actor=actor
        )
        put, deleted = write(safety.sequence, actor=actor, origin=Origin.RESTORE, message=f"Restored from {source}")
        if not put and not deleted:
            discard_snapshot(workspace, safety)
            return Restored(0, 0, None)
        done = Restored(put, deleted, safety)
        note_restored(workspace, done, source=source, is_exact=True, actor=actor)
    return done


def import_state(
    workspace: WorkspaceRef,
    files: Files,
    *,
    folder: str,
    name: str,
    kind: str,
    message: str,
    tags: Sequence[str],
    actor: Actor,
) -> Snapshot:
    """Makes a folder (a checked prefix) hold these files and no others, and names the workspace's state then.

    Both or neither. Raises `AlreadyExists` for a name that is taken, `BadName`, what `files` raises, and the refusals
    of a write.
    """
    with _staged(workspace, files, folder) as write, transaction.atomic(durable=True):
        held = hold(workspace, holder=IMPORTING)
        write(held.sequence, actor=actor, origin=Origin.SYNC, message=message)
        release(workspace, holder=IMPORTING)
        return create_snapshot(workspace, name=name, kind=kind, message=message, tags=tags, actor=actor)


class _Writer:
    """Writes a staged state. Call inside a transaction that has the workspace's counter, at that sequence."""

    def __init__(self, workspace: WorkspaceRef, files: Files, prefix: str, stage: Stage) -> None:
        self._workspace = workspace
        self._files = files
        self._prefix = prefix
        self._stage = stage

    def __call__(self, sequence: int, *, actor: Actor, origin: Origin, message: str) -> tuple[int, int]:
        """How many files were written and deleted."""
        apply = partial(self._apply, actor=actor, origin=origin, message=message)
        steps = partial(_steps, self._workspace.id, self._files, self._prefix, sequence)
        return write_steps(self._workspace, steps, self._stage, apply)

    def _apply(self, items: Sequence[ChangeItem], *, actor: Actor, origin: Origin, message: str) -> None:
        changes = apply_changes(
            self._workspace, items, all_or_nothing=True, actor=actor, origin=origin, message=message[:1000]
        )
        all_applied(changes)


@contextmanager
def _staged(workspace: WorkspaceRef, files: Files, prefix: str = "") -> Iterator[_Writer]:
    """What writes the state, once all that the workspace lacks of it lies ready. Outside of any transaction."""
    with Stage(workspace.public_id, inline_max=settings.MEMORYHUB_BLOB_INLINE_MAX) as stage:
        steps = _steps(workspace.id, files, prefix, position(workspace.id).last_sequence)
        for entry, chunks in files.contents(lacking(workspace.id, steps, stage)):
            stage.put(entry.sha256, entry.size_bytes, chunks)
        try:
            yield _Writer(workspace, files, prefix, stage)
        except BlobMissing as error:
            raise Busy("Content of the workspace was purged meanwhile; try again.") from error


def _steps(workspace_id: int, files: Files, prefix: str, sequence: int) -> Iterator[Step]:
    return restoring(files.entries(prefix), files_as_of(workspace_id, sequence, prefix=prefix), delete=True)
