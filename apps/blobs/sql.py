"""Set-based statements over blobs and intents."""

from collections.abc import Collection, Sequence

from django.db import connection, transaction

from apps.blobs.content import StoredBlob
from apps.common.database import hot_cursor

_ADD_INTENTS = """
INSERT INTO blobs_objectintent (object_key, created_at) SELECT key, now() FROM unnest(%s::text[]) AS key
"""

# Locked first, so that the sweep can not expire one that is about to be named.
_TAKE_INTENTS = """
SELECT object_key FROM blobs_objectintent WHERE object_key = ANY(%s) AND expired_at IS NULL
 ORDER BY object_key FOR UPDATE
"""

# A blob that was collected meanwhile, or uploaded by another worker, keeps what it has.
_NAME_OBJECTS = """
UPDATE blobs_blob b SET object_key = pair.key
  FROM unnest(%s::bigint[], %s::text[]) AS pair(id, key)
 WHERE b.id = pair.id AND b.object_key IS NULL AND pair.key = ANY(%s)
RETURNING b.object_key
"""

# The intent is locked, so that the sweep can not expire it meanwhile.
_REPLACE_OBJECT = """
UPDATE blobs_blob SET object_key = %(key)s
 WHERE id = %(id)s AND object_key = %(lost)s
   AND EXISTS (SELECT FROM blobs_objectintent WHERE object_key = %(key)s AND expired_at IS NULL FOR UPDATE)
"""

# One index lookup a digest.
_STORED = """
SELECT sha256, size_bytes, inline, object_key FROM blobs_blob WHERE workspace_id = %s AND sha256 = ANY(%b)
"""

_KNOWN = "SELECT sha256 FROM blobs_blob WHERE workspace_id = %s AND sha256 = ANY(%b)"

_DROP_INTENTS = "DELETE FROM blobs_objectintent WHERE object_key = ANY(%s)"


def add_intents(keys: Sequence[str]) -> None:
    """Announces objects that are about to be written."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD_INTENTS, [list(keys)])


def name_objects(pairs: Sequence[tuple[int, str]]) -> int:
    """Gives blobs their object keys and removes the intents of these; how many."""
    ids, keys = [blob_id for blob_id, _ in pairs], [key for _, key in pairs]
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_INTENTS, [keys])
        taken = [row[0] for row in cursor.fetchall()]
        cursor.execute(_NAME_OBJECTS, [ids, keys, taken])
        named = [row[0] for row in cursor.fetchall()]
        cursor.execute(_DROP_INTENTS, [named])
    return len(named)


def replace_object(blob_id: int, *, lost: str, key: str) -> None:
    """Lets a blob name another object than the one that is lost, if it still names that."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REPLACE_OBJECT, {"id": blob_id, "lost": lost, "key": key})
        if cursor.rowcount:
            cursor.execute(_DROP_INTENTS, [[key]])


def stored_blobs(workspace_id: int, digests: Collection[bytes]) -> dict[bytes, StoredBlob]:
    """The blobs of a workspace by their sha256, with the bytes of those that have them in their row."""
    with hot_cursor() as cursor:
        rows = cursor.execute(_STORED, [workspace_id, list(digests)], binary=True).fetchall()
    return {row[0]: StoredBlob(*row) for row in rows}


def known_digests(workspace_id: int, digests: Collection[bytes]) -> set[bytes]:
    """Which of the digests the workspace has a blob for."""
    with hot_cursor() as cursor:
        return {row[0] for row in cursor.execute(_KNOWN, [workspace_id, list(digests)], binary=True)}
