"""Taking copies and packs out of a target, each step safe to be killed at and to be run again.

A manifest goes before the row of its copy: that row keeps the packs, so that nobody ever lists a manifest without them.
The row of a pack goes before its object, which is then doomed by name: a name that is gone can not be linked any more.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import NotFound
from apps.files.holds import release
from apps.jobs.actions import enqueue
from apps.jobs.models import OPEN_STATES, Job
from apps.snapshots.copies import VERIFY
from apps.snapshots.errors import CopyBusy, Pinned
from apps.snapshots.format.errors import CopyDamaged, FormatUnknown
from apps.snapshots.format.names import manifest_name, pack_name
from apps.snapshots.format.reading import header_at
from apps.snapshots.models import (
    CopyPack,
    CopyState,
    DoomedObject,
    Pack,
    PackState,
    RemoteCopy,
    Repository,
    Restore,
    RestoreState,
    VerifyMode,
)
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import DeleteRefused, ObjectMissing
from apps.snapshots.repositories import UPLOAD, has_open_upload, holder_of
from apps.snapshots.targets import place_of_repository

PRUNE = "snapshots.prune"
OBJECTS_AT_ONCE = 200


def request_prune(workspace_id: int, *, actor: Actor) -> Job:
    """Asks for what retention and the targets of a workspace have to let go."""
    return enqueue(PRUNE, str(workspace_id), workspace_id=workspace_id, actor=str(actor))


# --- Copies


def delete_copy(copy: RemoteCopy, *, actor: Actor) -> None:
    """Removes a copy from its target; its packs go with the next prunings.

    Where the target fails, the next pruning goes on with it. Raises `Pinned`, `CopyBusy` while something reads it,
    `NotFound`, `DeleteRefused`, after which it is as it was, and what else the target raises.
    """
    place = place_of_repository(copy.repository)
    with transaction.atomic():
        row = begin_removal(copy)
    try:
        finish_removal(row, place, actor=actor)
    except DeleteRefused:
        give_back(row, doomed_at=copy.doomed_at)
        raise


def begin_removal(copy: RemoteCopy, *, only: Q | None = None) -> RemoteCopy:
    """From here on nobody can restore from the copy, verify it or upload it. Call inside a transaction.

    Raises `Pinned`, `CopyBusy` while one of these goes on, `NotFound` where it is gone or is not such a one any more.
    """
    # In the order in which an upload is asked for: the repository, then the copy.
    Repository.objects.select_for_update(no_key=True, of=("self",)).get(pk=copy.repository_id)
    rows = RemoteCopy.objects.select_related("repository__workspace", "repository__target")
    row = rows.select_for_update(of=("self",)).filter(only or Q(), pk=copy.pk).first()
    if row is None:
        raise NotFound("The copy is gone.")
    if row.is_pinned:
        raise Pinned("Unpin it first.")
    # Only now that it is locked: who asked before has committed, who asks later sees that it is going.
    if is_in_use(row):
        raise CopyBusy("A restore, a verification or an upload is at work on it.")
    row.state, row.doomed_at = CopyState.DELETING, row.doomed_at or timezone.now()
    row.save(update_fields=["state", "doomed_at"])
    return row


def is_in_use(copy: RemoteCopy) -> bool:
    """Whether a restore reads the copy, or one that merges may read it for what both sides had in common; or a job of
    its own is open.
    """
    restores = Restore.objects.filter(state=RestoreState.OPEN).filter(
        Q(copy=copy) | Q(is_merge=True, copy__repository_id=copy.repository_id)
    )
    jobs = Job.objects.filter(state__in=OPEN_STATES).filter(
        Q(kind=UPLOAD, subject=str(copy.public_id))
        | Q(kind=VERIFY, subject__in=[f"{copy.public_id}:{mode}" for mode in VerifyMode.values])
    )
    return restores.exists() or jobs.exists()


def give_back(copy: RemoteCopy, *, doomed_at: datetime | None) -> None:
    """Takes a removal back, while the manifest is still there."""
    state = CopyState.UPLOADING if copy.sealed_at is None else CopyState.SEALED
    RemoteCopy.objects.filter(pk=copy.pk, state=CopyState.DELETING).update(state=state, doomed_at=doomed_at)


def finish_removal(copy: RemoteCopy, place: Place, *, actor: Actor) -> None:
    """Removes the manifest, then the row. Raises what the target raises; after `DeleteRefused` give it back."""
    if _has_its_manifest(copy, place):
        place.delete(manifest_name(copy.name))
    repository = copy.repository
    with transaction.atomic():
        gone, _ = RemoteCopy.objects.filter(pk=copy.pk, state=CopyState.DELETING).delete()
        if gone:
            release(repository.workspace, holder=holder_of(copy))
            record_audit(
                "copy.deleted",
                actor=actor,
                workspace_id=repository.workspace_id,
                subject=copy.name,
                details={"target": repository.target.name},
            )


def _has_its_manifest(copy: RemoteCopy, place: Place) -> bool:
    """Whether the manifest under the copy's name is there and the copy's: an upload that failed early had no name yet,
    and another hub may have taken it.
    """
    try:
        return header_at(place, copy.name).id == copy.public_id
    except ObjectMissing:
        return False
    except (CopyDamaged, FormatUnknown):
        # Nobody can tell; but once this hub has written it there.
        return copy.sealed_at is not None


# --- Packs and other objects


def remove_packs(repository: Repository, *, doomed_before: datetime, limit: int, now: datetime) -> tuple[int, int]:
    """Forgets some of the packs that no copy has needed for long, and dooms their objects. Call inside a transaction.

    How many went, and their bytes; 0 when none is left that may go.
    """
    doomed = Pack.objects.filter(repository=repository, doomed_at__lte=doomed_before)
    if has_open_upload(repository):
        doomed = doomed.exclude(state=PackState.UPLOADING)
    unlinked = doomed.exclude(Exists(CopyPack.objects.filter(pack=OuterRef("pk")))).order_by("pk")
    # An upload that uses one again holds the row, and has it doomed no more when it commits; or it waits here until
    # the row is gone.
    rows = list(unlinked.select_for_update(skip_locked=True, of=("self",))[:limit])
    DoomedObject.objects.bulk_create(
        DoomedObject(repository=repository, name=pack_name(bytes(row.digest)), created_at=now) for row in rows
    )
    Pack.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows), sum(row.stored_bytes for row in rows)


def sweep_objects(repository: Repository, place: Place, *, check: Callable[[], None]) -> int:
    """Deletes the objects that are doomed by name, how ever long ago; how many. Raises what the target raises."""
    swept = 0
    while rows := list(DoomedObject.objects.filter(repository=repository).order_by("pk")[:OBJECTS_AT_ONCE]):
        for row in rows:
            check()
            place.delete(row.name)
            DoomedObject.objects.filter(pk=row.pk).delete()
            swept += 1
    return swept


def note_refusal(repository: Repository, *, now: datetime) -> None:
    """Writes down that the target lets nothing be deleted, unless it is known."""
    Repository.objects.filter(pk=repository.pk, undeletable_since=None).update(undeletable_since=now)


def note_deletion(repository: Repository) -> None:
    """Writes down that the target lets things be deleted."""
    Repository.objects.filter(pk=repository.pk, undeletable_since__isnull=False).update(undeletable_since=None)
