"""Storing bytes before the rows that name them."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import structlog
from django.utils import timezone

from apps.blobs import sql
from apps.blobs.errors import BlobCorrupt
from apps.blobs.models import Blob, ObjectIntent
from apps.blobs.objects import delete_object, new_object_key, object_size, read_object, write_object
from apps.blobs.queries import InlineBlob
from apps.common.errors import Unavailable

logger = structlog.get_logger(__name__)

LARGEST_READ_BYTES = 64 * 1024 * 1024
"""Of a known object that is checked while its bytes are sent once more."""


def store_object(workspace_public_id: UUID, source: bytes | Path) -> str:
    """Writes an object under a fresh key and returns the key; its intent stays until a commit names it.

    Not inside a transaction: the intent must be seen when the process dies during the upload.
    """
    key = new_object_key(workspace_public_id)
    ObjectIntent.objects.create(object_key=key)
    write_object(key, source)
    return key


def drop_unnamed(key: str) -> None:
    """Removes an object at once that its commit did not name: the change was refused, or the bytes are known already.

    One that a row names has no intent any more, and stays. Where the storage is away the sweep does it later.
    """
    if ObjectIntent.objects.filter(object_key=key, expired_at=None).update(expired_at=timezone.now()):
        with suppress(Unavailable):
            delete_object(key)
            ObjectIntent.objects.filter(object_key=key).delete()


def bring_back_object(workspace_id: int, workspace_public_id: UUID, sha256: bytes, source: Path) -> None:
    """Stores bytes anew where the workspace knows them, but the object that held them is gone or damaged.

    Not inside a transaction. Raises `Unavailable` or `StorageFull`.
    """
    blob = Blob.objects.filter(workspace_id=workspace_id, sha256=sha256, inline=None).defer("inline").first()
    if blob is None or blob.object_key is None or _is_sound(blob.object_key, blob.size_bytes, sha256):
        return
    key = store_object(workspace_public_id, source)
    sql.replace_object(blob.id, lost=blob.object_key, key=key)
    drop_unnamed(key)
    logger.warning("blob_brought_back", blob_id=blob.id)


def _is_sound(key: str, size_bytes: int, sha256: bytes) -> bool:
    """Reads the object, if that is not too much for a request; of a larger one the size must do."""
    try:
        if object_size(key) != size_bytes:
            return False
        if size_bytes > LARGEST_READ_BYTES:
            return True
        digest = hashlib.sha256()
        for chunk in read_object(key, 0, size_bytes):
            digest.update(chunk)
        return digest.digest() == sha256
    except BlobCorrupt:
        return False


def store_blobs(workspace_public_id: UUID, blobs: Sequence[InlineBlob], *, threads: int) -> list[tuple[int, str]]:
    """Copies blobs from their rows into objects, and pairs each with its key. Not inside a transaction.

    Killed anywhere it leaves intents, and the sweep finds them.
    """
    keys = [new_object_key(workspace_public_id) for _ in blobs]
    sql.add_intents(keys)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write_object, keys, [blob.data for blob in blobs]))
    return [(blob.id, key) for blob, key in zip(blobs, keys, strict=True)]


def name_objects(pairs: Sequence[tuple[int, str]]) -> int:
    """Lets blobs name the objects that hold their bytes; how many did, the others have one or are gone.

    Call inside a transaction that holds the workspace's counter row.
    """
    return sql.name_objects(pairs)
