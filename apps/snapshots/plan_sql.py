"""Set-based statements of the planner and the watch: one each for any number of workspaces.

Policies are few, at most one for each workspace; the statements read all of them, and look up the rest by index.
"""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

_NOTICE = """
UPDATE snapshots_snapshotpolicy p
   SET noticed_sequence = c.last_sequence, changed_since = coalesce(p.changed_since, %(now)s), changed_last = %(now)s
  FROM workspaces_workspacecounter c, workspaces_workspace w
 WHERE p.after_changes AND c.workspace_id = p.workspace_id AND c.last_sequence > p.noticed_sequence
   AND w.id = p.workspace_id AND w.archived_at IS NULL
"""

# Repositories with an upload that waits or runs. Open jobs are few, and indexed by kind and subject; OFFSET keeps the
# planner from turning the join around, and the text of other kinds' subjects away from the cast.
_BUSY = """
    SELECT c.repository_id
      FROM (SELECT subject FROM jobs_job
             WHERE kind = 'snapshots.upload' AND state IN ('queued', 'running') OFFSET 0) j
      JOIN snapshots_remotecopy c ON c.public_id = j.subject::uuid
"""

_OWED = f"""
WITH busy AS ({_BUSY})
SELECT p.workspace_id, p.target_id, s.id
  FROM snapshots_snapshotpolicy p
  JOIN snapshots_remotetarget t ON t.id = p.target_id AND (%(with_settings)s OR NOT t.is_from_settings)
  JOIN workspaces_workspace w ON w.id = p.workspace_id AND w.archived_at IS NULL
  JOIN LATERAL (
       SELECT id, sequence, created_at FROM snapshots_snapshot
        WHERE workspace_id = p.workspace_id AND kind <> 'safety' AND doomed_at IS NULL
          AND (p.after_changes OR kind = 'scheduled')
        ORDER BY id DESC LIMIT 1) s ON true
  LEFT JOIN snapshots_repository r ON r.target_id = p.target_id AND r.workspace_id = p.workspace_id
 WHERE (p.after_changes OR p.schedule <> '')
   AND (r.id IS NULL OR r.id NOT IN (SELECT repository_id FROM busy))
   AND NOT EXISTS (
       SELECT FROM snapshots_remotecopy c
        WHERE c.repository_id = r.id AND c.writer = r.writer AND c.state <> 'deleting'
          AND (c.snapshot_id >= s.id OR c.sequence > s.sequence
               OR (c.sequence = s.sequence AND c.created_at >= s.created_at)))
"""

_FAILED = f"""
WITH busy AS ({_BUSY})
SELECT c.id, j.finished_at, coalesce(r.failing_since, j.finished_at)
  FROM (SELECT DISTINCT ON (repository_id) id, repository_id, public_id, created_at
          FROM snapshots_remotecopy WHERE state = 'uploading'
         ORDER BY repository_id, created_at DESC, id DESC) c
  JOIN snapshots_repository r ON r.id = c.repository_id
  JOIN snapshots_remotetarget t ON t.id = r.target_id AND (%(with_settings)s OR NOT t.is_from_settings)
  JOIN workspaces_workspace w ON w.id = r.workspace_id AND w.archived_at IS NULL
  JOIN LATERAL (
       SELECT state, finished_at FROM jobs_job
        WHERE workspace_id = r.workspace_id AND kind = 'snapshots.upload' AND subject = c.public_id::text
        ORDER BY id DESC LIMIT 1) j ON j.state = 'failed'
 WHERE c.repository_id NOT IN (SELECT repository_id FROM busy)
   AND c.created_at > ALL (
       SELECT n.created_at FROM snapshots_remotecopy n
        WHERE n.repository_id = c.repository_id AND n.writer = r.writer AND n.state = 'sealed'
        ORDER BY n.created_at DESC, n.id DESC LIMIT 1)
"""

# Copies of this hub alone say how far it is: it knows their digests, and what sequence they are of.
_STANDINGS = """
SELECT p.workspace_id, w.slug, t.name, n.created_at,
       (SELECT created_at FROM files_changeset
         WHERE id > (p.workspace_id << 40 | coalesce(n.sequence, 0)) AND id < (p.workspace_id + 1) << 40
         ORDER BY id LIMIT 1),
       u.id IS NOT NULL, r.failing_since, p.skip_unchanged, p.alarm_after_hours
  FROM snapshots_snapshotpolicy p
  JOIN snapshots_remotetarget t ON t.id = p.target_id
  JOIN workspaces_workspace w ON w.id = p.workspace_id AND w.archived_at IS NULL
  LEFT JOIN snapshots_repository r ON r.target_id = p.target_id AND r.workspace_id = p.workspace_id
  LEFT JOIN LATERAL (
       SELECT created_at, sequence FROM snapshots_remotecopy
        WHERE repository_id = r.id AND writer = r.writer AND state = 'sealed' AND manifest_sha256 IS NOT NULL
        ORDER BY created_at DESC, id DESC LIMIT 1) n ON true
  LEFT JOIN LATERAL (
       SELECT id FROM snapshots_remotecopy WHERE repository_id = r.id AND state = 'uploading' LIMIT 1) u ON true
 WHERE %(workspace)s::bigint IS NULL OR p.workspace_id = %(workspace)s
 ORDER BY w.slug
"""


class OwedUpload(NamedTuple):
    """A snapshot that a policy's target has nothing as new as."""

    workspace_id: int
    target_id: int
    snapshot_id: int


class FailedUpload(NamedTuple):
    copy_id: int
    failed_at: datetime
    failing_since: datetime


class StandingRow(NamedTuple):
    """How a policy's target stands: its newest copy, the first change that it lacks, and what is on its way."""

    workspace_id: int
    slug: str
    target: str
    newest_at: datetime | None
    behind_since: datetime | None
    is_uploading: bool
    failing_since: datetime | None
    skips_unchanged: bool
    alarm_after_hours: int


def notice_changes(*, now: datetime) -> int:
    """Writes down which workspaces have changed since they were last looked at; how many have."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTICE, {"now": now})
        return cursor.rowcount


def owed_uploads(*, with_settings: bool) -> list[OwedUpload]:
    """The newest snapshot of each policy that its target lacks, where no upload is on its way to the target.

    Of a policy that follows changes the newest whoever made it, else the newest that was made on schedule; never one
    for safety. `with_settings` is whether the target of the settings is in use.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OWED, {"with_settings": with_settings})
        return [OwedUpload._make(row) for row in cursor.fetchall()]


def failed_uploads(*, with_settings: bool) -> list[FailedUpload]:
    """The newest unfinished copy of each repository whose job has failed for good, and nothing newer is there."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, {"with_settings": with_settings})
        return [FailedUpload._make(row) for row in cursor.fetchall()]


def standings(workspace_id: int | None = None) -> list[StandingRow]:
    """Of all policies that have a target, or of one workspace's, by slug."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDINGS, {"workspace": workspace_id})
        return [StandingRow._make(row) for row in cursor.fetchall()]
