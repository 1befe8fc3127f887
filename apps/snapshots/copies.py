"""Copies of snapshots in targets: asking for them, listing what is there, pinning and deleting them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.ids import uuid7
from apps.files.actions import WorkspaceRef
from apps.files.holds import hold
from apps.jobs.actions import enqueue
from apps.jobs.models import Job
from apps.jobs.queries import open_job as open_job_of
from apps.snapshots.errors import CopyBusy, NotRestorable
from apps.snapshots.format.errors import CopyDamaged, FormatUnknown
from apps.snapshots.format.manifests import Header
from apps.snapshots.format.names import BEHIND_RESERVED, copy_of
from apps.snapshots.format.reading import header_at
from apps.snapshots.lineage import vector_json
from apps.snapshots.losses import note_lost_packs
from apps.snapshots.models import (
    CopyState,
    Pack,
    PackState,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Restore,
    RestoreState,
    Snapshot,
    VerifyMode,
)
from apps.snapshots.names import NAME, next_name
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import ObjectMissing
from apps.snapshots.repositories import UPLOAD, holder_of
from apps.snapshots.targets import place_of_repository, repository_for

logger = structlog.get_logger(__name__)

VERIFY = "snapshots.verify"
MANIFEST_MISSING = "Its manifest is gone from the target."
READERS = 8
"""Manifests whose heads are read at once: each is a way to the target and back."""


def request_upload(workspace: WorkspaceRef, snapshot: Snapshot, target: RemoteTarget, *, actor: Actor) -> RemoteCopy:
    """The copy of a snapshot in a target, asked for unless it is there or on its way; again where it has gone.

    Until it is there, its history is held even when the snapshot is deleted. Raises `NotFound`, `NotRestorable` for a
    snapshot that retention has let go.
    """
    if snapshot.doomed_at is not None:
        raise NotRestorable("Retention has let this snapshot go; pin it first.")
    repository = repository_for(workspace, target)
    with transaction.atomic():
        # One at a time: two would both miss the other's row.
        Repository.objects.select_for_update(no_key=True, of=("self",)).get(pk=repository.pk)
        copy = RemoteCopy.objects.filter(repository=repository, snapshot=snapshot).first()
        if copy is not None and copy.state == CopyState.DELETING:
            raise CopyBusy("The copy that is there is being deleted.")
        if copy is None or copy.damage == MANIFEST_MISSING:
            copy = _new_copy(repository, snapshot) if copy is None else _unsealed(copy)
            hold(workspace, holder=holder_of(copy), sequence=snapshot.sequence)
            record_audit(
                "snapshot.upload_requested",
                actor=actor,
                workspace_id=workspace.id,
                subject=snapshot.name,
                details={"target": target.name},
            )
        if copy.state == CopyState.UPLOADING:
            enqueue(UPLOAD, str(copy.public_id), workspace_id=workspace.id, actor=str(actor))
    return copy


def _new_copy(repository: Repository, snapshot: Snapshot) -> RemoteCopy:
    taken = set(RemoteCopy.objects.filter(repository=repository).values_list("name", flat=True))
    return RemoteCopy.objects.create(
        repository=repository,
        name=next_name(snapshot.name, taken),
        snapshot=snapshot,
        writer=repository.writer,
        kind=snapshot.kind,
        state=CopyState.UPLOADING,
        sequence=snapshot.sequence,
        files=snapshot.files,
        size_bytes=snapshot.size_bytes,
        message=snapshot.message,
        tags=snapshot.tags,
        is_pinned=snapshot.is_pinned,
        created_at=snapshot.created_at,
    )


def _unsealed(copy: RemoteCopy) -> RemoteCopy:
    """A copy that is uploaded once more: most of what it needs is there."""
    copy.state, copy.sealed_at, copy.damage = CopyState.UPLOADING, None, ""
    copy.save(update_fields=["state", "sealed_at", "damage"])
    return copy


def request_verify(copy: RemoteCopy, mode: str, *, actor: Actor) -> Job:
    """Asks for a look at a copy. Raises `NotRestorable` for one that is not whole, or is being deleted."""
    if copy.state != CopyState.SEALED:
        raise NotRestorable("The upload of this copy is not complete.")
    with transaction.atomic():
        if lock_sealed(copy) is None:
            raise NotRestorable("The copy is being deleted.")
        return enqueue(
            VERIFY,
            f"{copy.public_id}:{VerifyMode(mode)}",
            workspace_id=copy.repository.workspace_id,
            actor=str(actor),
        )


def lock_sealed(copy: RemoteCopy) -> RemoteCopy | None:
    """Its row as it is now, if it is whole; nobody deletes it before this transaction ends."""
    rows = RemoteCopy.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(pk=copy.pk, state=CopyState.SEALED).first()


def open_job(copy: RemoteCopy) -> Job | None:
    """The job that uploads a copy, while it waits or runs."""
    return open_job_of(UPLOAD, str(copy.public_id))


def pin_copy(copy: RemoteCopy, *, is_pinned: bool, actor: Actor) -> RemoteCopy:
    """Keeps a copy from being deleted, also where retention has let it go already; or no longer does."""
    with transaction.atomic():
        changed = RemoteCopy.objects.filter(pk=copy.pk).exclude(is_pinned=is_pinned).exclude(state=CopyState.DELETING)
        if changed.update(is_pinned=is_pinned, doomed_at=None):
            event = "copy.pinned" if is_pinned else "copy.unpinned"
            record_audit(event, actor=actor, workspace_id=copy.repository.workspace_id, subject=copy.name)
        elif RemoteCopy.objects.filter(pk=copy.pk, state=CopyState.DELETING).exists():
            raise CopyBusy("The copy is being deleted.")
    copy.is_pinned = is_pinned
    return copy


def refresh(repository: Repository) -> int:
    """Reads from the target which copies lie there, and how many do.

    Those of other hubs get a row, and lose it when they are gone. Of this hub's own a missing manifest is written
    down. Raises what the target raises.
    """
    place = place_of_repository(repository)
    # Before the listing: what is sealed after it is not missing.
    known = {copy.name: copy for copy in RemoteCopy.objects.filter(repository=repository)}
    listed = {}
    for entry in place.names(behind=BEHIND_RESERVED):
        name = copy_of(entry.name)
        if name is not None and NAME.fullmatch(name):
            listed[name] = entry
    for header in _headers(place, sorted(listed.keys() - known.keys())):
        _add_found(repository, header, listed[header.name].size_bytes)
    sealed = [copy for copy in known.values() if copy.state == CopyState.SEALED]
    _note_missing(repository, [copy for copy in sealed if copy.name not in listed])
    back = [copy.pk for copy in sealed if copy.name in listed and copy.damage == MANIFEST_MISSING]
    _note_back(repository, back)
    Repository.objects.filter(pk=repository.pk).update(refreshed_at=timezone.now())
    return len(listed)


def _headers(place: Place, names: list[str]) -> Iterator[Header]:
    """What the manifests of these copies say, without those that are gone or cannot be read."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="manifests") as pool:
        try:
            for header in pool.map(partial(_header, place), names):
                if header is not None:
                    yield header
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _header(place: Place, name: str) -> Header | None:
    """Runs in a thread of its own."""
    try:
        return header_at(place, name)
    except ObjectMissing:
        return None
    except (CopyDamaged, FormatUnknown) as error:
        logger.warning("manifest_unreadable", copy=name, code=error.code)
        return None


def _add_found(repository: Repository, header: Header, manifest_bytes: int) -> None:
    # Two targets may be one place under two names.
    is_taken = RemoteCopy.objects.filter(public_id=header.id).exclude(repository=repository).exists()
    RemoteCopy.objects.get_or_create(
        repository=repository,
        name=header.name,
        defaults={
            "public_id": uuid7() if is_taken else header.id,
            "writer": header.writer,
            "parent": header.parent,
            "vector": vector_json(header.vector),
            "kind": header.kind,
            "state": CopyState.SEALED,
            "files": header.files,
            "size_bytes": header.size_bytes,
            "manifest_bytes": manifest_bytes,
            "created_at": header.created_at,
            "sealed_at": timezone.now(),
        },
    )


def _note_back(repository: Repository, copy_ids: list[int]) -> None:
    """Copies whose manifests were gone, and are there again; their packs may still be lost."""
    lost = Pack.objects.filter(state=PackState.LOST, copy_links__copy__in=copy_ids).distinct()
    with transaction.atomic():
        RemoteCopy.objects.filter(pk__in=copy_ids).update(damage="")
        note_lost_packs(repository, list(lost.values_list("pk", flat=True)))


def _note_missing(repository: Repository, missing: list[RemoteCopy]) -> None:
    own = [copy.pk for copy in missing if copy.writer == repository.writer]
    RemoteCopy.objects.filter(pk__in=own).update(damage=MANIFEST_MISSING)
    others = [copy.pk for copy in missing if copy.writer != repository.writer]
    is_open = Restore.objects.filter(copy=OuterRef("pk"), state=RestoreState.OPEN)
    RemoteCopy.objects.filter(pk__in=others).exclude(Exists(is_open)).delete()
