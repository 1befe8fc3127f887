"""Brings a snapshot into its target: packs first, the manifest last."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from django.db import transaction
from django.utils import timezone

from apps.blobs.objects import scratch_file
from apps.common.errors import DomainError, NotFound
from apps.common.http import Transient
from apps.files.as_of import ROWS_AT_ONCE, files_as_of
from apps.files.as_of_sql import AsOfRow
from apps.files.holds import release
from apps.files.queries import position
from apps.jobs.runs import JobRun
from apps.snapshots.format.errors import CopyDamaged, FormatUnknown
from apps.snapshots.format.manifests import Details, Entry, Header, ManifestWriter, PackRef
from apps.snapshots.format.names import manifest_name
from apps.snapshots.format.reading import header_at, unlisted
from apps.snapshots.format.sealing import Seal
from apps.snapshots.lineage import grown, vector_json, vector_of
from apps.snapshots.losses import note_lost_packs
from apps.snapshots.mending import mend_packs
from apps.snapshots.models import CopyPack, CopyState, Pack, PackState, RemoteCopy, RemoteTarget, Repository, TargetKind
from apps.snapshots.names import next_name
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import ObjectExists, ObjectMissing, TargetUnavailable
from apps.snapshots.repositories import UPLOAD, holder_of
from apps.snapshots.sending import ContentSender
from apps.snapshots.targets import place_of_repository, writing_seal

KIND = UPLOAD
MAX_ATTEMPTS = 20
"""With the waits between them some hours; the planner asks again after that."""
TIME_LIMIT_S = 24 * 3600.0
NOT_HELD = "The target does not hold what it said that it wrote."
BARE = (
    "The directory is empty, although copies were sent to it: perhaps it is not mounted. If it is meant to be empty, "
    "remove the target and add it again."
)


def upload(run: JobRun) -> dict[str, int | str]:
    """Uploads the copy that is the job's subject. Safe to kill anywhere and to run again: what has arrived stays.

    Raises what the target raises, `BlobCorrupt` for a file whose bytes are damaged here.
    """
    copy = (
        RemoteCopy.objects.select_related("repository__target", "repository__workspace", "snapshot")
        .filter(public_id=run.subject)
        .first()
    )
    if copy is None or copy.state == CopyState.DELETING:
        raise NotFound("The copy was deleted before it was uploaded.")
    if copy.state == CopyState.SEALED:
        return {"copy": copy.name, "new_bytes": 0}
    try:
        return _uploaded(run, copy)
    except (DomainError, Transient) as error:
        _note_failure(copy.repository, error)
        raise


def _uploaded(run: JobRun, copy: RemoteCopy) -> dict[str, int | str]:
    place = place_of_repository(copy.repository)
    _take_name(copy, place)
    seal = writing_seal(copy.repository, place)
    _find_lost_packs(copy.repository, place)
    mend_packs(run, copy.repository, place, seal)
    writer = ManifestWriter()
    with ContentSender(run, copy, place, seal) as sender:
        for page in _pages(copy):
            for row, chunks in sender.refs(page):
                changed_at = round(row.changed_at.timestamp() * 1000)
                writer.add(Entry(row.path, row.sha256, row.size_bytes, row.content_type, changed_at, chunks))
            run.progress(writer.size_bytes, copy.size_bytes, f"{writer.files} files")
        sender.finish()
    _require_packs(copy.repository, place, sender.packs)
    with scratch_file() as (file, path):
        digest, manifest_bytes = _write_manifest(file, copy, writer, sender, seal)
        run.flush_progress()
        run.check()
        _put_manifest(place, copy, path)
    written = place.stat(manifest_name(copy.name))
    if written is None or written.size_bytes != manifest_bytes:
        raise TargetUnavailable(NOT_HELD)
    facts = {
        "files": writer.files,
        "new_bytes": sender.totals.new_bytes,
        "reused_bytes": sender.totals.reused_bytes,
        "sent_bytes": sender.totals.sent_bytes + manifest_bytes,
    }
    with transaction.atomic(durable=True):
        run.hold_fence()
        sums = facts | {"size_bytes": writer.size_bytes, "manifest_sha256": digest, "manifest_bytes": manifest_bytes}
        _seal(copy, sender.packs, sums)
    return {"copy": copy.name, **facts}


def _seal(copy: RemoteCopy, packs: Sequence[PackRef], sums: dict[str, Any]) -> None:
    """The copy is whole from here on, and the workspace has grown from it. Call inside a transaction."""
    # As the manifest tells it.
    parent, vector = copy.repository.head, vector_of(copy.repository.vector)
    RemoteCopy.objects.filter(pk=copy.pk).update(
        state=CopyState.SEALED, sealed_at=timezone.now(), parent=parent, vector=vector_json(vector), damage="", **sums
    )
    # Of packs that an earlier run has sent, and that were lost.
    needed = [pack.digest for pack in packs]
    CopyPack.objects.filter(copy=copy).exclude(pack__digest__in=needed).delete()
    repository = Repository.objects.select_for_update(no_key=True, of=("self",)).get(pk=copy.repository_id)
    repository.failing_since, repository.failure = None, ""
    before = vector_of(repository.vector)
    repository.vector = vector_json(grown(before, vector, {copy.writer: copy.public_id}))
    # An older state that is sent late leaves the workspace where it is, and so does a restore from another hub's copy.
    if copy.sequence >= repository.head_sequence and repository.head in (parent, before.get(copy.writer)):
        repository.head, repository.head_sequence = copy.public_id, copy.sequence
    repository.save(update_fields=["failing_since", "failure", "vector", "head", "head_sequence"])
    release(repository.workspace, holder=holder_of(copy))


def _pages(copy: RemoteCopy) -> Iterator[list[AsOfRow]]:
    """The files of the snapshot by path, thousands at once."""
    last = ""
    while page := list(files_as_of(copy.repository.workspace_id, copy.sequence, after=last, limit=ROWS_AT_ONCE)):
        yield page
        last = page[-1].path


def _take_name(copy: RemoteCopy, place: Place) -> None:
    """Another name for the copy where a manifest of another copy lies under its own: two hubs, one second."""
    taken = set(
        RemoteCopy.objects.filter(repository=copy.repository).exclude(pk=copy.pk).values_list("name", flat=True)
    )
    while _is_taken(copy, place):
        taken.add(copy.name)
        copy.name = next_name(copy.name, taken)
        copy.save(update_fields=["name"])


def _is_taken(copy: RemoteCopy, place: Place) -> bool:
    try:
        return header_at(place, copy.name).id != copy.public_id
    except ObjectMissing:
        return False
    except (CopyDamaged, FormatUnknown):
        return True


def _find_lost_packs(repository: Repository, place: Place) -> None:
    """Compares the packs that the target should have with those that it lists: what is missing is sent again."""
    expected = {
        bytes(digest): (pk, size)
        for pk, digest, size in Pack.objects.filter(repository=repository, state=PackState.STORED).values_list(
            "pk", "digest", "stored_bytes"
        )
    }
    if not expected:
        return
    missing = unlisted(place, {digest: size for digest, (_, size) in expected.items()})
    if len(missing) == len(expected) and _is_bare(repository.target):
        raise TargetUnavailable(BARE)
    with transaction.atomic():
        note_lost_packs(repository, [expected[digest][0] for digest in missing])


def _is_bare(target: RemoteTarget) -> bool:
    """Whether nothing at all lies in a directory, not even a folder: as where its disk is not mounted."""
    if target.kind != TargetKind.DIRECTORY:
        return False
    directory = Path(target.options["directory"])
    return not directory.is_dir() or not any(directory.iterdir())


def _require_packs(repository: Repository, place: Place, packs: Sequence[PackRef]) -> None:
    """Raises `TargetUnavailable` where the target does not list what it said that it wrote: a copy of that is none."""
    missing = unlisted(place, {pack.digest: pack.stored_bytes for pack in packs})
    if missing:
        with transaction.atomic():
            rows = Pack.objects.filter(repository=repository, digest__in=missing)
            note_lost_packs(repository, list(rows.values_list("pk", flat=True)))
        raise TargetUnavailable(NOT_HELD)


def _write_manifest(
    file: IO[bytes], copy: RemoteCopy, writer: ManifestWriter, sender: ContentSender, seal: Seal
) -> tuple[bytes, int]:
    repository = copy.repository
    repository.refresh_from_db(fields=["head", "vector"])
    header = Header(
        id=copy.public_id,
        name=copy.name,
        workspace=repository.workspace.slug,
        writer=copy.writer,
        kind=copy.kind,
        created_at=copy.created_at,
        parent=repository.head,
        files=writer.files,
        size_bytes=writer.size_bytes,
        vector=vector_of(repository.vector),
    )
    details = Details(
        sequence=copy.sequence,
        epoch=str(position(repository.workspace_id).epoch),
        message=copy.message,
        tags=tuple(copy.tags),
        actor=copy.snapshot.actor if copy.snapshot else "",
        is_pinned=copy.is_pinned,
    )
    written = writer.write(file, header, details, sender.packs, seal)
    file.flush()
    return written


def _put_manifest(place: Place, copy: RemoteCopy, path: Path) -> None:
    """A run before this one may have put it there already; nobody else's is overwritten where the target can tell."""
    name = manifest_name(copy.name)
    try:
        place.put(name, path, fresh=True)
    except ObjectExists as error:
        if _is_taken(copy, place):
            raise Transient("Another hub has just written a copy of this name.") from error
        place.put(name, path)


def _note_failure(repository: Repository, error: DomainError | Transient) -> None:
    detail = error.detail or (error.title if isinstance(error, DomainError) else "")
    failing = Repository.objects.filter(pk=repository.pk)
    failing.update(failure=detail[:1000])
    failing.filter(failing_since=None).update(failing_since=timezone.now())
