"""Makes lost packs again from the content that this hub still has, so that the copies that need them are whole again.

A pack is named by its content and its salt, which is known: made again, it has the name that manifests give.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef

from apps.blobs.content import StoredBlob
from apps.blobs.errors import BlobCorrupt
from apps.blobs.objects import blob_chunks
from apps.blobs.queries import known_digests, stored_blobs
from apps.jobs.runs import JobRun
from apps.snapshots import sql
from apps.snapshots.copies import MANIFEST_MISSING, refresh
from apps.snapshots.format.names import pack_name
from apps.snapshots.format.packs import PackDraft, sealed_pack
from apps.snapshots.format.sealing import Seal
from apps.snapshots.losses import note_whole_packs
from apps.snapshots.models import CopyPack, CopyState, CutFile, Pack, PackedChunk, PackState, Repository
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import TargetDenied

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where a chunk lies in a large file."""

    file_sha256: bytes
    start: int
    size_bytes: int


def mend_packs(run: JobRun, repository: Repository, place: Place, seal: Seal) -> int:
    """Makes those lost packs again that a whole copy needs and whose content is here; how many. Safe to kill anywhere.

    What cannot be made again is forgotten: an upload sends that content in another pack. Raises what the target
    raises, but for a refusal to replace what is damaged.
    """
    lost = Pack.objects.filter(repository=repository, state=PackState.LOST)
    if not lost.exists():
        return 0
    # Packs of copies whose manifests are gone are of no use.
    refresh(repository)
    mended = 0
    for pack in _worth_mending(repository, seal):
        run.check()
        if _mend(run, pack, place, seal):
            mended += 1
        else:
            sql.forget_chunks([pack.pk])
            logger.warning("pack_not_mended", repository_id=repository.pk, pack_id=pack.pk)
    return mended


def _worth_mending(repository: Repository, seal: Seal) -> list[Pack]:
    """Those that a copy with a manifest needs, as far as it is known what was in them."""
    needs = CopyPack.objects.filter(pack=OuterRef("pk"), copy__state=CopyState.SEALED)
    lost = Pack.objects.filter(repository=repository, state=PackState.LOST, key_id=seal.key_id)
    needed = lost.filter(Exists(needs.exclude(copy__damage=MANIFEST_MISSING)))
    return list(needed.filter(Exists(PackedChunk.objects.filter(pack=OuterRef("pk")))).order_by("pk"))


def _mend(run: JobRun, pack: Pack, place: Place, seal: Seal) -> bool:
    digest = bytes(pack.digest)
    try:
        payload = _payload(pack)
    except BlobCorrupt:
        return False
    if payload is None or seal.digest(payload) != digest:
        return False
    stored = sealed_pack(payload, digest, seal)
    try:
        # No copy of another content can come under this name, so that it does not matter what lies there.
        place.put(pack_name(digest), stored)
    except TargetDenied:
        return False
    with transaction.atomic(durable=True):
        run.hold_fence()
        Pack.objects.filter(pk=pack.pk).update(stored_bytes=len(stored))
        note_whole_packs(pack.repository, [pack.pk])
    return True


def _payload(pack: Pack) -> bytes | None:
    """What was in the pack, None where not all of it is known and here. Raises `BlobCorrupt`."""
    rows = PackedChunk.objects.filter(pack=pack).order_by("index").values_list("sha256", "size_bytes")
    chunks = {bytes(sha256): size_bytes for sha256, size_bytes in rows}
    workspace_id = pack.repository.workspace_id
    blobs = stored_blobs(workspace_id, chunks.keys())
    pieces = _pieces(pack.repository, chunks.keys() - blobs.keys())
    files = stored_blobs(workspace_id, {piece.file_sha256 for piece in pieces.values()})
    draft = PackDraft(0, salt=bytes(pack.salt))
    for sha256, size_bytes in chunks.items():
        chunk = _chunk(sha256, blobs, pieces, files)
        if chunk is None or len(chunk) != size_bytes:
            return None
        draft.add(sha256, chunk)
    return draft.payload()


def _chunk(
    sha256: bytes,
    blobs: Mapping[bytes, StoredBlob],
    pieces: Mapping[bytes, _Piece],
    files: Mapping[bytes, StoredBlob],
) -> bytes | None:
    blob = blobs.get(sha256)
    if blob is not None:
        return b"".join(blob_chunks(blob, 0, blob.size_bytes))
    piece = pieces.get(sha256)
    file = files.get(piece.file_sha256) if piece is not None else None
    if piece is None or file is None:
        return None
    return b"".join(blob_chunks(file, piece.start, piece.size_bytes))


def _pieces(repository: Repository, wanted: Collection[bytes]) -> dict[bytes, _Piece]:
    """Where chunks lie in large files that are here. Looks through how all of those were cut: 40 bytes for each MiB."""
    found: dict[bytes, list[_Piece]] = {}
    if not wanted:
        return {}
    cut_files = CutFile.objects.filter(repository=repository).values_list("sha256", "chunks")
    for sha256, cuts in cut_files.iterator():
        start = 0
        for piece, size_bytes in sql.CUT_PIECE.iter_unpack(cuts):
            if piece in wanted:
                found.setdefault(piece, []).append(_Piece(bytes(sha256), start, size_bytes))
            start += size_bytes
    holders = {place.file_sha256 for places in found.values() for place in places}
    here = known_digests(repository.workspace_id, holders)
    return {piece: place for piece, places in found.items() for place in places if place.file_sha256 in here}
