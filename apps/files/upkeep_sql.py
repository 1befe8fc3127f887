"""Set-based statements of background work: uploads, retention, collection, the end of a workspace."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from apps.common.errors import NotFound
from apps.files.models import SEQUENCE_BITS

_LOCK_COUNTER = """
SELECT last_sequence, live_files, live_bytes
  FROM workspaces_workspacecounter WHERE workspace_id = %s FOR NO KEY UPDATE
"""

_BEHIND = """
SELECT c.workspace_id FROM workspaces_workspacecounter c
  JOIN workspaces_workspace w ON w.id = c.workspace_id AND w.archived_at IS NULL
  LEFT JOIN files_feedcheckpoint p ON p.workspace_id = c.workspace_id AND p.consumer = %s
 WHERE c.last_sequence > coalesce(p.sequence, 0)
"""
_BEHIND_AMONG = f"{_BEHIND} AND c.workspace_id = ANY(%s)"

# Bytes that no head needs and that lie in the bucket. A writer that makes one of these a head again at the same moment
# loses only the fast read path: the bytes are in the bucket.
_DROP_SUPERSEDED = """
UPDATE blobs_blob b SET inline = NULL
 WHERE b.id IN (SELECT blob_id FROM files_fileversion WHERE id = ANY(%s) UNION SELECT unnest(%s::bigint[]))
   AND b.inline IS NOT NULL AND b.object_key IS NOT NULL
   AND NOT EXISTS (SELECT FROM files_fileversion v JOIN files_file f ON f.head = v.id WHERE v.blob_id = b.id)
"""

# A window of versions whatever follows them: a walk over a large workspace is many short statements.
_WITH_SUCCESSORS = """
SELECT v.id, s.id
  FROM (SELECT id, file_id FROM files_fileversion WHERE id > %s AND id <= %s ORDER BY id LIMIT %s) v
  LEFT JOIN LATERAL (
       SELECT id FROM files_fileversion n WHERE n.file_id = v.file_id AND n.id > v.id ORDER BY n.id LIMIT 1) s ON true
 ORDER BY v.id
"""

_BARE_TOMBSTONES = """
SELECT f.head FROM files_file f
 WHERE f.head > %s AND f.head <= %s AND f.is_deleted
   AND NOT EXISTS (SELECT FROM files_fileversion v WHERE v.file_id = f.id AND v.id < f.head)
 ORDER BY f.head LIMIT %s
"""

_REMOVE_VERSIONS = """
WITH gone AS (DELETE FROM files_fileversion WHERE id = ANY(%s) RETURNING id)
UPDATE workspaces_workspace SET history_floor = greatest(history_floor, (SELECT max(id) & 1099511627775 FROM gone))
 WHERE id = %s AND EXISTS (SELECT FROM gone)
RETURNING (SELECT count(*) FROM gone)
"""

# Written again since they were listed: their head has another number and they stay.
_REMOVE_TOMBSTONES = """
WITH doomed AS (
    SELECT id, head FROM files_file WHERE head = ANY(%s) AND is_deleted),
gone_versions AS (
    DELETE FROM files_fileversion v USING doomed WHERE v.file_id = doomed.id),
gone AS (
    DELETE FROM files_file f USING doomed WHERE f.id = doomed.id RETURNING doomed.head)
UPDATE workspaces_workspace
   SET purged_sequence = greatest(purged_sequence, (SELECT max(head) & 1099511627775 FROM gone))
 WHERE id = %s AND EXISTS (SELECT FROM gone)
RETURNING (SELECT count(*) FROM gone)
"""

_UNREFERENCED = """
SELECT b.id FROM blobs_blob b
 WHERE b.workspace_id = %s AND b.id > %s AND b.created_at < %s
   AND NOT EXISTS (SELECT FROM files_fileversion v WHERE v.blob_id = b.id)
 ORDER BY b.id LIMIT %s
"""

_COLLECT = """
WITH gone AS (
    DELETE FROM blobs_blob b
     WHERE b.id = ANY(%s) AND NOT EXISTS (SELECT FROM files_fileversion v WHERE v.blob_id = b.id)
    RETURNING b.object_key, b.size_bytes),
orphans AS (
    INSERT INTO blobs_objectintent (object_key, created_at, expired_at)
    SELECT object_key, now(), now() FROM gone WHERE object_key IS NOT NULL),
counted AS (
    SELECT count(*) AS number, coalesce(sum(size_bytes), 0)::bigint AS size_bytes FROM gone)
UPDATE workspaces_workspacecounter SET stored_bytes = stored_bytes - counted.size_bytes
  FROM counted WHERE workspace_id = %s
RETURNING counted.number, counted.size_bytes
"""

# Tables whose keys are change numbers, referring ones first.
_NUMBERED_TABLES = ("files_fileversion", "files_file", "files_changeset")

_PURGE_NUMBERED = """
DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id > %(low)s AND id < %(high)s LIMIT %(limit)s)
"""

_PURGE_STEPS = (
    *(_PURGE_NUMBERED.format(table=table) for table in _NUMBERED_TABLES),
    "DELETE FROM files_hold WHERE workspace_id = %(workspace)s",
    "DELETE FROM files_feedcheckpoint WHERE workspace_id = %(workspace)s",
    """
    WITH gone AS (
        DELETE FROM blobs_blob
         WHERE id IN (SELECT id FROM blobs_blob WHERE workspace_id = %(workspace)s LIMIT %(limit)s)
        RETURNING id, object_key),
    orphans AS (
        INSERT INTO blobs_objectintent (object_key, created_at, expired_at)
        SELECT object_key, now(), now() FROM gone WHERE object_key IS NOT NULL)
    SELECT id FROM gone
    """,
)


class CounterRow(NamedTuple):
    last_sequence: int
    live_files: int
    live_bytes: int


def locked_counter(workspace_id: int) -> CounterRow:
    """Locks the row that every write of the workspace locks. Call inside a transaction. Raises `NotFound`."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_COUNTER, [workspace_id])
        row = cursor.fetchone()
    if row is None:
        raise NotFound
    return CounterRow._make(row)


def workspaces_behind(consumer: str, *, among: Collection[int] | None = None) -> list[int]:
    """Workspaces that have changes which the consumer's checkpoint does not cover; only those `among` if given."""
    with connection.cursor() as cursor:
        if among is None:
            cursor.execute(_BEHIND, [consumer])
        else:
            cursor.execute(_BEHIND_AMONG, [consumer, list(among)])
        return [row[0] for row in cursor.fetchall()]


def drop_superseded_bytes(workspace_id: int, blob_ids: Sequence[int], parent_versions: Sequence[int]) -> int:
    """Lets uploaded bytes leave the rows of blobs that are no file's head; how many did."""
    base = workspace_id << SEQUENCE_BITS
    with connection.cursor() as cursor:
        cursor.execute(_DROP_SUPERSEDED, [[base | version for version in parent_versions], list(blob_ids)])
        return cursor.rowcount


def versions_with_successors(
    workspace_id: int, *, after: int, cutoff: int, limit: int
) -> tuple[list[tuple[int, int]], int]:
    """(version, successor) of the superseded among the next `limit` versions up to the cutoff, and how far they reach.

    All are sequences, by version; the reach is the cutoff when no version is left before it.
    """
    base = workspace_id << SEQUENCE_BITS
    with connection.cursor() as cursor:
        cursor.execute(_WITH_SUCCESSORS, [base | after, base | cutoff, limit])
        rows = cursor.fetchall()
    reached = rows[-1][0] - base if len(rows) == limit else cutoff
    return [(version - base, successor - base) for version, successor in rows if successor is not None], reached


def bare_tombstones(workspace_id: int, *, after: int, cutoff: int, limit: int) -> list[int]:
    """Versions of tombstones that have no history left, after < version <= cutoff."""
    base = workspace_id << SEQUENCE_BITS
    with connection.cursor() as cursor:
        cursor.execute(_BARE_TOMBSTONES, [base | after, base | cutoff, limit])
        return [row[0] - base for row in cursor.fetchall()]


def remove_versions(workspace_id: int, versions: Sequence[int]) -> int:
    """Deletes versions and raises `history_floor`; how many. Call inside a transaction that holds the counter row."""
    return _removed(_REMOVE_VERSIONS, workspace_id, versions)


def remove_tombstones(workspace_id: int, heads: Sequence[int]) -> int:
    """Deletes tombstoned paths that still have these heads, and raises `purged_sequence`; how many.

    Call inside a transaction that holds the counter row.
    """
    return _removed(_REMOVE_TOMBSTONES, workspace_id, heads)


def unreferenced_blobs(workspace_id: int, *, after: int, before: datetime, limit: int) -> list[int]:
    """Keys of blobs that no version names, stored before `before`: candidates, to be judged again under the lock."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREFERENCED, [workspace_id, after, before, limit])
        return [row[0] for row in cursor.fetchall()]


def collect_blobs(workspace_id: int, blob_ids: Sequence[int]) -> tuple[int, int]:
    """Deletes those that still no version names; their objects become expired intents. Number and bytes.

    Call inside a transaction that holds the counter row.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COLLECT, [list(blob_ids), workspace_id])
        number, size_bytes = cursor.fetchone()
    return number, size_bytes


def purge_some(workspace_id: int, limit: int) -> int:
    """Deletes up to `limit` rows of a workspace from the first table that still has some; 0 when none is left."""
    low = workspace_id << SEQUENCE_BITS
    arguments = {"workspace": workspace_id, "low": low, "high": low + (1 << SEQUENCE_BITS), "limit": limit}
    with connection.cursor() as cursor:
        for step in _PURGE_STEPS:
            cursor.execute(step, arguments)
            if cursor.rowcount:
                return cursor.rowcount
    return 0


def _removed(statement: str, workspace_id: int, versions: Sequence[int]) -> int:
    base = workspace_id << SEQUENCE_BITS
    with connection.cursor() as cursor:
        cursor.execute(statement, [[base | version for version in versions], workspace_id])
        row = cursor.fetchone()
    return row[0] if row else 0
