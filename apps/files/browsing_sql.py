"""What people look at in a workspace: one folder, the paths that hold a word, the latest change sets."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from apps.files.models import SEQUENCE_BITS
from apps.files.paths import after_prefix
from apps.files.sql import SEQUENCE_MASK

# From entry to entry by the index: a folder costs one step, whatever lies below it. Paths hold no control characters,
# so nothing lies between a path and the same with a space; "0" follows "/" in every encoding that counts bytes.
_FOLDER = """
WITH RECURSIVE entry AS (
    (SELECT f.path, f.head, f.is_deleted, f.size_bytes, f.content_type, f.changed_at, 1 AS position
       FROM files_file f
      WHERE f.workspace_id = %(workspace)s AND f.path >= %(from)s AND (%(end)s::text = '' OR f.path < %(end)s)
        AND (%(tombstones)s OR NOT f.is_deleted)
      ORDER BY f.path LIMIT 1)
    UNION ALL
    SELECT n.path, n.head, n.is_deleted, n.size_bytes, n.content_type, n.changed_at, e.position + 1
      FROM entry e CROSS JOIN LATERAL (
           SELECT f.* FROM files_file f
            WHERE f.workspace_id = %(workspace)s AND (%(end)s::text = '' OR f.path < %(end)s)
              AND f.path >= CASE WHEN position('/' IN substr(e.path, %(skipped)s)) = 0 THEN e.path || ' '
                                 ELSE %(prefix)s || split_part(substr(e.path, %(skipped)s), '/', 1) || '0' END
              AND (%(tombstones)s OR NOT f.is_deleted)
            ORDER BY f.path LIMIT 1) n
     WHERE e.position < %(limit)s)
SELECT path, head & 1099511627775, is_deleted, size_bytes, content_type, changed_at FROM entry ORDER BY position
"""

_COUNTS = """
SELECT CASE WHEN position('/' IN substr(path, %(skipped)s)) = 0 THEN ''
            ELSE split_part(substr(path, %(skipped)s), '/', 1) END,
       count(*)
  FROM files_file
 WHERE workspace_id = %(workspace)s AND path >= %(prefix)s AND (%(end)s::text = '' OR path < %(end)s)
   AND NOT is_deleted
 GROUP BY 1
"""

_DIGESTS = """
SELECT DISTINCT sha256 FROM files_file
 WHERE workspace_id = %(workspace)s AND path >= %(prefix)s AND (%(end)s::text = '' OR path < %(end)s)
   AND NOT is_deleted
 ORDER BY sha256 LIMIT %(limit)s
"""

_SEARCH = """
SELECT path, head & 1099511627775, is_deleted, size_bytes, content_type, changed_at
  FROM files_file
 WHERE workspace_id = %s AND path > %s AND path COLLATE "default" ILIKE %s AND (%s OR NOT is_deleted)
 ORDER BY path LIMIT %s
"""

_CHANGE_SETS = """
SELECT id & 1099511627775, last & 1099511627775, origin, actor, message, put_count, delete_count, created_at
  FROM files_changeset WHERE id > %s AND id < %s ORDER BY id DESC LIMIT %s
"""


class PathRow(NamedTuple):
    """The newest state of a path."""

    path: str
    version: int
    is_deleted: bool
    size_bytes: int
    content_type: str
    changed_at: datetime


class ChangeSetRow(NamedTuple):
    """A change set without its versions; `first` and `last` are sequences."""

    first: int
    last: int
    origin: str
    actor: str
    message: str
    put_count: int
    delete_count: int
    created_at: datetime


def folder_rows(workspace_id: int, prefix: str, start: str, *, tombstones: bool, limit: int) -> list[PathRow]:
    """One path for each entry of a folder, from `start` on: the file itself, or the first file of a folder in it.

    `prefix` is empty or ends with a slash. As many index lookups as entries; tombstones that are not asked for are
    stepped over one by one.
    """
    values = _below(workspace_id, prefix) | {"from": start, "tombstones": tombstones, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_FOLDER, values)
        return [PathRow(*row) for row in cursor.fetchall()]


def folder_counts(workspace_id: int, prefix: str) -> dict[str, int]:
    """How many live files lie below each folder of a folder; under "" those in itself. Reads all paths below it."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, _below(workspace_id, prefix))
        return dict(cursor.fetchall())


def digest_rows(workspace_id: int, prefix: str, limit: int) -> list[bytes]:
    """The SHA-256 of live files' contents, each once and in order. Reads all files below the folder."""
    with connection.cursor() as cursor:
        cursor.execute(_DIGESTS, _below(workspace_id, prefix) | {"limit": limit})
        return [bytes(digest) for (digest,) in cursor.fetchall()]


def _below(workspace_id: int, prefix: str) -> dict[str, int | str]:
    """What the statements about a folder have in common. `prefix` is empty or ends with a slash."""
    end = after_prefix(prefix) if prefix else ""
    return {"workspace": workspace_id, "prefix": prefix, "skipped": len(prefix) + 1, "end": end}


def search_rows(workspace_id: int, words: str, after: str, *, tombstones: bool, limit: int) -> list[PathRow]:
    """Paths that hold `words`, whatever the case, in order. Reads every path of the workspace behind `after`."""
    pattern = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    with connection.cursor() as cursor:
        cursor.execute(_SEARCH, (workspace_id, after, pattern, tombstones, limit))
        return [PathRow(*row) for row in cursor.fetchall()]


def change_set_rows(workspace_id: int, before: int | None, limit: int) -> list[ChangeSetRow]:
    """The latest change sets that begin before a sequence, newest first. By the primary key."""
    base = workspace_id << SEQUENCE_BITS
    end = base | (before if before is not None else SEQUENCE_MASK)
    with connection.cursor() as cursor:
        cursor.execute(_CHANGE_SETS, (base, end, limit))
        return [ChangeSetRow(*row) for row in cursor.fetchall()]
