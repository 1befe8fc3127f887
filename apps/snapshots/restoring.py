"""Brings content into a workspace: first fetched and proven, then written in one transaction."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property, partial
from typing import Self

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import DomainError, Unavailable
from apps.common.http import Transient
from apps.files.errors import BlobMissing
from apps.files.holds import hold, release
from apps.files.queries import head_at, position
from apps.jobs.errors import Cancelled
from apps.jobs.runs import JobRun
from apps.snapshots import merging
from apps.snapshots.actions import apply_restored, create_snapshot, discard_snapshot, lock_restores, require_found
from apps.snapshots.errors import NotRestorable, RestoreInProgress
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.manifests import Entry
from apps.snapshots.format.names import manifest_name
from apps.snapshots.format.reading import CopyReader, by_packs
from apps.snapshots.lineage import grown, vector_json, vector_of
from apps.snapshots.merging import CONFLICT_MARK, Step, conflict_name, joined, merged
from apps.snapshots.models import RemoteCopy, Repository, Restore, RestoreState, Snapshot, SnapshotKind
from apps.snapshots.queries import files_at
from apps.snapshots.restores import RESTORE, UNAVAILABLE, end_failed, holder_of, merge_base, note_first_start
from apps.snapshots.sources import SnapshotSource
from apps.snapshots.staging import Stage
from apps.snapshots.targets import place_of_repository, seals_of
from apps.snapshots.writing import lacking, write_steps

KIND = RESTORE
MAX_ATTEMPTS = 6
TIME_LIMIT_S = 24 * 3600.0
MOST_KEPT = 32_768
"""Steps that are worked out once, and the chunks of their files: some 10 MiB."""
Source = SnapshotSource | CopyReader


def restore(run: JobRun) -> dict[str, int]:
    """Does the restore that is the job's subject. Safe to kill anywhere: it is done whole, or not at all.

    Raises what the target raises, `CopyDamaged` and others for what cannot be read, and the refusals of a write.
    """
    wish = (
        Restore.objects.select_related(
            "workspace", "snapshot", "copy__repository__target", "copy__repository__workspace"
        )
        .filter(public_id=run.subject, state=RestoreState.OPEN)
        .first()
    )
    if wish is None:
        return {"put": 0, "deleted": 0}
    try:
        with Restoring(run, wish) as restoring:
            return restoring.done()
    except (Transient, Unavailable) as error:
        if run.is_last_attempt:
            end_failed(wish, UNAVAILABLE, error.detail)
        raise
    except DomainError as error:
        end_failed(wish, error.code, error.detail or error.title)
        raise
    except Cancelled:
        end_failed(wish, "cancelled", "Somebody cancelled it.")
        raise


class Restoring:
    """One restore, from its wish to its commit."""

    def __init__(self, run: JobRun, wish: Restore) -> None:
        self._run = run
        self._wish = wish
        self._workspace = wish.workspace
        self._open = ExitStack()
        self._few: list[Step] | None = None
        self._few_at = -1

    def __enter__(self) -> Self:
        """Reads what it is restored from, as far as to know what that is. Raises as `reader_of`."""
        source = self._wish.copy or self._wish.snapshot
        if source is None:
            raise NotRestorable("What it was to be restored from is gone.")
        with self._open:
            self._source = self._opened(source)
            base = merge_base(self._wish) if self._wish.is_merge else None
            self._base = self._opened(base) if base is not None else None
            self._open = self._open.pop_all()
        return self

    def _opened(self, source: RemoteCopy | Snapshot) -> Source:
        reader = reader_of(source)
        self._open.callback(reader.__exit__)
        return reader

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def done(self) -> dict[str, int]:
        """Restores, and says how many files were written and deleted."""
        wish, workspace = self._wish, self._workspace
        # What is known to the workspace now is still known when it is written.
        release(workspace, holder=holder_of(wish))
        held = hold(workspace, holder=holder_of(wish))
        with Stage(workspace.public_id, inline_max=settings.MEMORYHUB_BLOB_INLINE_MAX) as stage:
            self._fetch(stage, held.sequence)
            self._run.flush_progress()
            self._run.check()
            try:
                return self._write(stage)
            except BlobMissing as error:
                raise Transient("What the restore relied on was purged meanwhile; it begins again.") from error

    def _fetch(self, stage: Stage, sequence: int) -> None:
        """Stages the content that the workspace lacks."""
        wanted = lacking(self._workspace.pk, self._steps(sequence), stage, check=self._run.check)
        for entry, chunks in self._source.contents(by_packs(wanted)):
            stage.put(entry.sha256, entry.size_bytes, chunks)
            self._run.progress(stage.size_bytes, None, f"{stage.files} files fetched")

    def _steps(self, sequence: int) -> Iterator[Step]:
        """As `_planned`; where they are few, and nobody has written since, the same as at the last time."""
        if self._few is not None and self._few_at == sequence:
            yield from self._few
            return
        few: list[Step] | None = []
        refs = 0
        for step in self._planned(sequence):
            if few is not None:
                few.append(step)
                refs += 1 + (len(step.file.chunks) if step.file is not None else 0)
                few = few if refs <= MOST_KEPT else None
            yield step
        self._few, self._few_at = few, sequence

    def _planned(self, sequence: int) -> Iterator[Step]:
        """What is to be written into the workspace as it was at a sequence, in the order of the paths."""
        wish = self._wish
        theirs, ours = self._source.entries(wish.prefix), files_at(self._workspace.pk, sequence, wish.prefix)
        if not wish.is_merge:
            yield from merging.restoring(theirs, ours, delete=wish.is_exact)
            return
        base = self._base.entries(wish.prefix) if self._base is not None else iter(())
        taken = set(self._theirs_beside)
        for path, (was, wanted, now) in joined(base, theirs, ours):
            beside = partial(self._name_beside, wanted=wanted, taken=taken)
            for step in merged(path, was, wanted, now, name_beside=beside):
                # A merge of the same copy may have put it there before.
                if step.path == path or not self._has(step.path, step.file):
                    yield step

    def _name_beside(self, path: str, *, wanted: Entry, taken: set[str]) -> str:
        """Where their text goes: under a name that nobody has, or has for just this text."""
        copy = self._wish.copy
        assert copy is not None
        while True:
            name = conflict_name(path, at=copy.created_at, source=copy.name, taken=taken)
            taken.add(name)
            head = head_at(self._workspace.pk, name)
            if head is None or head.is_deleted or self._has(name, wanted):
                return name

    def _has(self, path: str, file: Entry) -> bool:
        head = head_at(self._workspace.pk, path)
        return head is not None and (head.sha256, head.content_type) == (file.sha256, file.content_type)

    @cached_property
    def _theirs_beside(self) -> frozenset[str]:
        """Paths of the source that may be a conflict's name."""
        return frozenset(entry.path for entry in self._source.entries() if CONFLICT_MARK in entry.path)

    def _write(self, stage: Stage) -> dict[str, int]:
        wish, workspace, actor = self._wish, self._workspace, Actor(self._wish.actor)
        message = wish.message or f"Restored from {wish.source}"
        with transaction.atomic(durable=True):
            self._run.hold_fence()
            self._lock()
            self._require_source()
            safety = create_snapshot(
                workspace, kind=SnapshotKind.SAFETY, message=f"Before the restore of {wish.source}"[:1000], actor=actor
            )
            if wish.only_at is not None and safety.sequence != wish.only_at:
                raise NotRestorable("The workspace was written to meanwhile: restore the copy by its name.")
            put, deleted = write_steps(
                workspace,
                partial(self._steps, safety.sequence),
                stage,
                partial(apply_restored, workspace, actor=actor, message=message),
                deletes=wish.is_exact or wish.is_merge,
            )
            counts = {"put": put, "deleted": deleted}
            kept = safety if put or deleted else None
            if kept is None:
                require_found(self._source.entries(wish.prefix), wish.prefix)
                discard_snapshot(workspace, safety)
            Restore.objects.filter(pk=wish.pk).update(
                state=RestoreState.DONE, finished_at=timezone.now(), safety=kept, **counts
            )
            release(workspace, holder=holder_of(wish))
            note_first_start(wish, "was restored.", is_over=True)
            self._note_head()
            record_audit(
                "snapshot.restored",
                actor=actor,
                workspace_id=workspace.pk,
                subject=wish.source,
                details=counts | {"safety": kept.name if kept else None, "prefix": wish.prefix},
            )
        return counts

    def _lock(self) -> None:
        try:
            lock_restores(self._workspace.pk)
        except RestoreInProgress as error:
            raise Transient("Another restore of the workspace is being written; this one comes after it.") from error

    def _require_source(self) -> None:
        """Locks a snapshot that it is restored from: without its hold a part of it could pass for the whole."""
        wish = self._wish
        if wish.copy is not None or wish.snapshot is None:
            return
        rows = Snapshot.objects.select_for_update(no_key=True, of=("self",))
        if rows.filter(pk=wish.snapshot.pk).first() is None:
            raise NotRestorable("The snapshot was deleted meanwhile.")

    def _note_head(self) -> None:
        """The workspace has grown from this copy now, if it is one of its own and came as a whole."""
        copy, workspace = self._wish.copy, self._workspace
        if copy is None or self._wish.prefix or copy.repository.workspace_id != workspace.pk:
            return
        repository = Repository.objects.select_for_update(no_key=True, of=("self",)).get(pk=copy.repository_id)
        # Whatever was kept of ours makes it more than the copy: the next snapshot is not a mere repetition.
        is_equal = self._wish.is_exact and not self._wish.is_merge
        ours = {} if is_equal else vector_of(repository.vector)
        repository.head, repository.head_sequence = copy.public_id, position(workspace.pk).last_sequence * is_equal
        repository.vector = vector_json(grown(ours, vector_of(copy.vector), {copy.writer: copy.public_id}))
        repository.save(update_fields=["head", "head_sequence", "vector"])


def reader_of(source: RemoteCopy | Snapshot) -> Source:
    """What gives the files of a snapshot, or of a copy; a context manager.

    Of a copy the manifest is fetched and proven, to be the one that this hub has written if it did. Raises what the
    target raises, `CopyDamaged`, `CopyKeyMissing`.
    """
    if isinstance(source, Snapshot):
        return SnapshotSource(source)
    place = place_of_repository(source.repository)
    # One that this hub has not written is believed only as far as its seal goes.
    is_known = source.manifest_sha256 is not None
    seals = seals_of(place, only_encrypted=source.repository.target.is_encrypted and not is_known)
    reader = CopyReader(place, source.name, seals)
    if is_known and reader.digest != bytes(source.manifest_sha256 or b""):
        reader.close()
        raise CopyDamaged("This is not the manifest that was written.", object=manifest_name(source.name))
    return reader
