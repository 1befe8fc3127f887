"""Blobs as background work sees them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from django.core.files.storage import storages
from django.db.models import QuerySet

from apps.blobs import sql
from apps.blobs.content import StoredBlob
from apps.blobs.local import LocalBlobStorage
from apps.blobs.models import Blob


@dataclass(frozen=True, slots=True)
class InlineBlob:
    """A blob whose only bytes are those in its row."""

    id: int
    data: bytes


def copies_small_blobs() -> bool:
    """Whether small blobs are copied out of the database: not when objects lie on this machine's own disk."""
    return not isinstance(storages["blobs"], LocalBlobStorage)


def waiting_for_upload(workspace_id: int | None = None) -> QuerySet[Blob]:
    """Blobs without an object, of one workspace or all."""
    blobs = Blob.objects.filter(object_key=None)
    return blobs if workspace_id is None else blobs.filter(workspace_id=workspace_id)


def inline_blobs(blob_ids: Sequence[int], *, at_once: int) -> Iterator[list[InlineBlob]]:
    """Those of the blobs that have no object yet, with their bytes, `at_once` in memory."""
    for start in range(0, len(blob_ids), at_once):
        rows = Blob.objects.filter(id__in=blob_ids[start : start + at_once], object_key=None)
        if batch := [InlineBlob(row.id, bytes(row.inline or b"")) for row in rows.only("id", "inline")]:
            yield batch


def stored_blobs(workspace_id: int, digests: Collection[bytes]) -> dict[bytes, StoredBlob]:
    """Where the bytes of blobs lie, those of small ones included, by their sha256; unknown ones are left out."""
    return sql.stored_blobs(workspace_id, digests)


def known_digests(workspace_id: int, digests: Collection[bytes]) -> set[bytes]:
    """Those of the digests that the workspace has bytes of."""
    return sql.known_digests(workspace_id, digests)
