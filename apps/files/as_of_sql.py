"""A workspace as it was at a sequence, and what lies between two of them."""

from datetime import datetime
from typing import NamedTuple

from apps.common.database import hot_cursor
from apps.files.models import SEQUENCE_BITS

# A head that was there already is the state; for the others one lookup by (file, id).
_AS_OF = """
SELECT f.path, coalesce(v.id, f.head) & 1099511627775, coalesce(b.sha256, f.sha256), coalesce(b.md5, f.md5),
       coalesce(v.size_bytes, f.size_bytes), coalesce(v.content_type, f.content_type),
       coalesce(v.changed_at, f.changed_at)
  FROM files_file f
  LEFT JOIN LATERAL (
       SELECT v.* FROM files_fileversion v WHERE v.file_id = f.id AND v.id <= %(at)s ORDER BY v.id DESC LIMIT 1) v
            ON f.head > %(at)s
  LEFT JOIN blobs_blob b ON b.id = v.blob_id
 WHERE f.workspace_id = %(workspace)s AND f.path > %(after)s AND (%(end)s::text = '' OR f.path < %(end)s)
   AND f.id <= %(at)s AND CASE WHEN f.head <= %(at)s THEN NOT f.is_deleted ELSE v.blob_id IS NOT NULL END
 ORDER BY f.path LIMIT %(limit)s
"""

# As many lookups as paths were written in between, whatever the workspace holds.
_BETWEEN = """
SELECT f.path, a.id & 1099511627775, a.sha256, a.size_bytes, a.content_type,
       z.id & 1099511627775, z.sha256, z.size_bytes, z.content_type
  FROM (SELECT DISTINCT file_id FROM files_fileversion WHERE id > %(from)s AND id <= %(to)s) t
  -- OFFSET keeps the planner from reading all files where it guesses that many have changed.
  CROSS JOIN LATERAL (SELECT id, path FROM files_file WHERE id = t.file_id OFFSET 0) f
  LEFT JOIN LATERAL (
       SELECT v.id, b.sha256, v.size_bytes, v.content_type
         FROM files_fileversion v LEFT JOIN blobs_blob b ON b.id = v.blob_id
        WHERE v.file_id = f.id AND v.id <= %(from)s ORDER BY v.id DESC LIMIT 1) a ON true
  LEFT JOIN LATERAL (
       SELECT v.id, b.sha256, v.size_bytes, v.content_type
         FROM files_fileversion v LEFT JOIN blobs_blob b ON b.id = v.blob_id
        WHERE v.file_id = f.id AND v.id <= %(to)s ORDER BY v.id DESC LIMIT 1) z ON true
 WHERE f.path > %(after)s AND (%(end)s::text = '' OR f.path < %(end)s)
   AND (a.sha256, a.content_type) IS DISTINCT FROM (z.sha256, z.content_type)
   AND NOT (a.sha256 IS NULL AND z.sha256 IS NULL)
 ORDER BY f.path LIMIT %(limit)s
"""


class AsOfRow(NamedTuple):
    """A live path with the state that it had."""

    path: str
    version: int
    sha256: bytes
    md5: bytes
    size_bytes: int
    content_type: str
    changed_at: datetime


class DifferenceRow(NamedTuple):
    """A path with its states at both ends; `sha256` None where it was not live."""

    path: str
    before_version: int | None
    before_sha256: bytes | None
    before_bytes: int | None
    before_type: str | None
    after_version: int | None
    after_sha256: bytes | None
    after_bytes: int | None
    after_type: str | None


def as_of_rows(workspace_id: int, sequence: int, *, after: str, end: str, limit: int) -> list[AsOfRow]:
    """The next live paths behind `after` and before `end` (empty for no end) as of a sequence, by path."""
    at = workspace_id << SEQUENCE_BITS | sequence
    values = {"workspace": workspace_id, "at": at, "after": after, "end": end, "limit": limit}
    with hot_cursor() as cursor:
        return [AsOfRow._make(row) for row in cursor.execute(_AS_OF, values, binary=True).fetchall()]


def difference_rows(
    workspace_id: int, first: int, last: int, *, after: str, end: str, limit: int
) -> list[DifferenceRow]:
    """The next paths behind `after` whose states as of two sequences differ in bytes or type, by path."""
    base = workspace_id << SEQUENCE_BITS
    values = {"from": base | first, "to": base | last, "after": after, "end": end, "limit": limit}
    with hot_cursor() as cursor:
        return [DifferenceRow._make(row) for row in cursor.execute(_BETWEEN, values, binary=True).fetchall()]
