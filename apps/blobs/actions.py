"""Storing bytes before the rows that name them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.utils import timezone

from apps.blobs import sql
from apps.blobs.models import ObjectIntent
from apps.blobs.objects import delete_object, new_object_key, write_object
from apps.blobs.queries import InlineBlob
from apps.common.errors import Unavailable


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
