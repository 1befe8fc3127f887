"""Set-based statements over blobs and intents."""

from collections.abc import Sequence

from django.db import connection, transaction

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
