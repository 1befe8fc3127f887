"""What is where, what was, and what has changed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from apps.common.errors import BadCursor, CursorExpired, EpochChanged, NotFound
from apps.files import browsing_sql, sql
from apps.files.browsing_sql import ChangeSetRow, PathRow
from apps.files.cursors import FeedCursor
from apps.files.models import SEQUENCE_BITS, ChangeSet, FeedCheckpoint, FileVersion
from apps.files.sql import BlobRow, HistoryRow, Position, StateRow

VERSIONS_AT_ONCE = 5000


def position(workspace_id: int) -> Position:
    """Where the workspace's history stands. Raises `NotFound` for an archived one."""
    return sql.position(workspace_id)


def blob_at(workspace_id: int, path: str, version: int | None = None) -> BlobRow:
    """A live state of a path, the newest or the one of exactly this version. Raises `NotFound`."""
    row = sql.head_row(workspace_id, path) if version is None else sql.version_row(workspace_id, path, version)
    if row is None or row.is_deleted:
        raise NotFound
    return row


def head_at(workspace_id: int, path: str) -> BlobRow | None:
    """The newest state of a path, a tombstone too; None for a path that was never written."""
    return sql.head_row(workspace_id, path)


def last_change_at(workspace_id: int, at: Position) -> datetime:
    """When the newest change up to a position was made; of an empty workspace, when that was made. `NotFound`."""
    return sql.last_change_at(workspace_id, at.last_sequence)


def blobs_at(workspace_id: int, paths: Sequence[str]) -> dict[str, BlobRow]:
    """The newest states of many paths, tombstones too; paths that were never written are left out. One query."""
    return sql.head_rows(workspace_id, paths) if paths else {}


def versions_at(workspace_id: int, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], BlobRow]:
    """The states that paths got at exactly these versions; pairs that never were are left out. One query.

    A tombstone has no digests.
    """
    return sql.version_rows(workspace_id, wanted) if wanted else {}


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Newest states of changed paths, oldest change first, and the cursor for the next page."""

    states: list[StateRow]
    cursor: FeedCursor
    has_more: bool


def changes_since(workspace_id: int, at: Position, cursor: FeedCursor | None, limit: int) -> ChangesPage:
    """Each path that changed after the cursor, once, with its newest state; tombstones too.

    Costs as much as there are changes, whatever the workspace holds. A path that changes while the feed is read comes
    again later; none is missed, because numbers are given out under a lock and read up to the committed last one.
    `at` is a `position` read before. Raises `CursorExpired`, `EpochChanged`, or `BadCursor` for another workspace's
    cursor.
    """
    since = _sequence_of(cursor, at) if cursor else 0
    states = sql.change_rows(workspace_id, since, at.last_sequence, limit + 1)
    if cursor and _misses_tombstones(cursor, sql.position(workspace_id)):
        raise CursorExpired  # Tombstones went while the rows were read.
    has_more = len(states) > limit
    states = states[:limit]
    reached = states[-1].version if has_more else at.last_sequence
    purged = cursor.purged if cursor else at.purged_sequence
    return ChangesPage(states, FeedCursor(at.public_id, at.epoch, reached, purged), has_more)


def _sequence_of(cursor: FeedCursor, at: Position) -> int:
    if cursor.public_id != at.public_id:
        raise BadCursor("The cursor belongs to another workspace.")
    if cursor.epoch != at.epoch or cursor.sequence > at.last_sequence:
        raise EpochChanged
    if _misses_tombstones(cursor, at):
        raise CursorExpired
    return cursor.sequence


def _misses_tombstones(cursor: FeedCursor, at: Position) -> bool:
    return max(cursor.sequence, cursor.purged) < at.purged_sequence


@dataclass(frozen=True, slots=True)
class VersionOfSet:
    """One version inside a change set."""

    path: str
    version: int
    blob_id: int | None
    size_bytes: int
    content_type: str
    parent_version: int | None


@dataclass(frozen=True, slots=True)
class SetOfChanges:
    """A change set with every version in it, in order."""

    first: int
    last: int
    origin: str
    actor: str
    message: str
    created_at: datetime
    versions: list[VersionOfSet]


def change_sets_since(workspace_id: int, sequence: int, *, limit: int) -> list[SetOfChanges]:
    """The next whole change sets after a sequence, every version in order: for exports, audit and background work.

    At most `limit` sets, and fewer when they are large. Versions that retention has removed are missing from their
    sets. Two queries.
    """
    base = workspace_id << SEQUENCE_BITS
    sets = list(
        ChangeSet.objects.filter(id__gt=base | sequence, id__lt=base + (1 << SEQUENCE_BITS)).order_by("id")[:limit]
    )
    if not sets:
        return []
    sets = sets[: _sets_within(sets, VERSIONS_AT_ONCE)]
    rows = FileVersion.objects.filter(id__gte=sets[0].id, id__lte=sets[-1].last).select_related("file").order_by("id")
    versions = iter(rows)
    upcoming = next(versions, None)
    answer = []
    for change_set in sets:
        own: list[VersionOfSet] = []
        while upcoming is not None and upcoming.id <= change_set.last:
            own.append(_version_of_set(upcoming))
            upcoming = next(versions, None)
        answer.append(_set_of_changes(change_set, own))
    return answer


def _sets_within(sets: list[ChangeSet], versions: int) -> int:
    """How many of the sets hold at most so many versions together; at least one."""
    sizes = accumulate(row.put_count + row.delete_count for row in sets)
    return max(1, sum(size <= versions for size in sizes))


def _version_of_set(row: FileVersion) -> VersionOfSet:
    return VersionOfSet(
        row.file.path,
        row.id & sql.SEQUENCE_MASK,
        row.blob_id,
        row.size_bytes,
        row.content_type,
        row.parent & sql.SEQUENCE_MASK if row.parent else None,
    )


def _set_of_changes(row: ChangeSet, versions: list[VersionOfSet]) -> SetOfChanges:
    return SetOfChanges(
        row.id & sql.SEQUENCE_MASK,
        row.last & sql.SEQUENCE_MASK,
        row.origin,
        row.actor,
        row.message,
        row.created_at,
        versions,
    )


def history(workspace_id: int, path: str, *, before: int | None, limit: int) -> list[HistoryRow]:
    """Versions of a path, newest first, with who made them and why. Raises `NotFound` for a path never written."""
    rows = sql.history_rows(workspace_id, path, before, limit)
    if not rows and sql.head_row(workspace_id, path) is None:
        raise NotFound
    return rows


def index_pages(workspace_id: int, *, prefix: str, tombstones: bool) -> Iterator[str]:
    """The index rows of a workspace by path, as JSON text of up to 10,000 rows at a time, without brackets around.

    Read the position first: rows may be newer than it, and the next delta then tells them again.
    """
    return sql.index_pages(workspace_id, prefix, tombstones)


def index_members(
    workspace_id: int, *, prefix: str, hidden: str | None = None, version_base: int | None = None
) -> Iterator[str]:
    """The index by path, tombstones too, as members of a JSON object: for older wires.

    Text of up to 10,000 members at a time, without braces around: the path below `prefix`, then md5 (of a tombstone:
    of its last content), last_modified, size, version (its sequence plus `version_base`, left out without one),
    is_deleted. Paths with a segment `hidden` are left out. Read the position first, as for `index_pages`.
    """
    return sql.index_members(workspace_id, prefix, hidden, version_base)


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """What one folder shows: a file with its newest state, or a folder (`state` None)."""

    name: str
    path: str
    state: PathRow | None

    @property
    def behind(self) -> str:
        """Where the entries after this one begin, for `folder_entries`."""
        return self.path + (" " if self.state else "0")


def folder_entries(
    workspace_id: int, prefix: str, *, start: str = "", tombstones: bool = False, limit: int
) -> list[FolderEntry]:
    """Entries of a folder, in the order of their paths' bytes, from the beginning or from `behind` another one.

    `prefix` is a checked prefix. A folder is there while a file is below it. One query, an index lookup an entry.
    """
    start = max(start, prefix)
    rows = browsing_sql.folder_rows(workspace_id, prefix, start, tombstones=tombstones, limit=limit)
    return [_folder_entry(prefix, row) for row in rows]


def _folder_entry(prefix: str, row: PathRow) -> FolderEntry:
    name, slash, _below = row.path[len(prefix) :].partition("/")
    return FolderEntry(name, prefix + name, None if slash else row)


def counts_by_folder(workspace_id: int, prefix: str) -> dict[str, int]:
    """How many live files lie below each folder in a folder; under "" those that lie in no other.

    `prefix` is a checked prefix. Reads the paths of all of them.
    """
    return browsing_sql.folder_counts(workspace_id, prefix)


def content_digests(workspace_id: int, prefix: str, *, limit: int) -> list[bytes]:
    """The SHA-256 of the contents of live files below a folder, each once and in order."""
    return browsing_sql.digest_rows(workspace_id, prefix, limit)


def paths_with(
    workspace_id: int, words: str, *, after: str = "", tombstones: bool = False, limit: int
) -> list[PathRow]:
    """Newest states of the paths that hold `words`, whatever the case, in order. Reads all paths of the workspace."""
    return browsing_sql.search_rows(workspace_id, words, after, tombstones=tombstones, limit=limit)


def latest_change_sets(workspace_id: int, *, before: int | None = None, limit: int) -> list[ChangeSetRow]:
    """Change sets, newest first, from before a sequence on. One query by the primary key."""
    return browsing_sql.change_set_rows(workspace_id, before, limit)


def change_set_at(workspace_id: int, first: int) -> ChangeSetRow:
    """The change set that begins at a sequence. Raises `NotFound`."""
    found = browsing_sql.change_set_rows(workspace_id, first + 1, 1)
    if not found or found[0].first != first:
        raise NotFound
    return found[0]


def versions_of_set(workspace_id: int, first: int, last: int, *, limit: int) -> list[VersionOfSet]:
    """What was written between two sequences, in order. Versions that retention has removed are missing."""
    base = workspace_id << SEQUENCE_BITS
    rows = FileVersion.objects.filter(id__gte=base | first, id__lte=base | last).select_related("file").order_by("id")
    return [_version_of_set(row) for row in rows[:limit]]


UPLOAD = "upload"
"""The uploader's name as a reader of the feed."""


def uploaded_to(workspace_ids: Collection[int]) -> dict[int, int]:
    """How far the uploader has come in these workspaces, as sequences; those without a word it has not begun."""
    rows = FeedCheckpoint.objects.filter(workspace_id__in=workspace_ids, consumer=UPLOAD)
    return dict(rows.values_list("workspace_id", "sequence"))


def versions_to_upload(workspace_id: int, *, limit: int) -> list[VersionOfSet]:
    """The next versions whose bytes lie in the database only, in order. Looks behind the uploader's checkpoint."""
    base = workspace_id << SEQUENCE_BITS
    reached = uploaded_to([workspace_id]).get(workspace_id, 0)
    rows = FileVersion.objects.filter(id__gt=base | reached, id__lt=base + (1 << SEQUENCE_BITS), blob__object_key=None)
    rows = rows.exclude(blob=None).select_related("file").order_by("id")
    return [_version_of_set(row) for row in rows[:limit]]
