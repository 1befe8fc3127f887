"""What a folder's last syncs have left: the base of each path, and how the hub looked. A SQLite file in the folder.

Losing it loses no text: a folder without a base deletes nothing and keeps both where sides differ.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from memoryhub.client.folder.decisions import Base, Remote
from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.scanning import Found

FORMAT = 2
"""Of the tables. Older ones are made anew, except for what the folder belongs to."""

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base (
    path TEXT PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    seen_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remote (
    path TEXT PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT, size_bytes INTEGER NOT NULL
) WITHOUT ROWID;
"""
_LOCAL = """
CREATE TEMP TABLE local (
    path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""
_OUTDATED = """
DROP TABLE IF EXISTS base;
DROP TABLE IF EXISTS remote;
DELETE FROM about WHERE name = 'cursor';
"""

# Everything that is not plainly in step: there is a base, the hub has its version and its bytes, and the file is as it
# was when its bytes were read, which was long enough after its last change for that to show in its time.
_AS_SEEN = """
l.size_bytes = b.size_bytes AND l.mtime_ns = b.mtime_ns AND l.inode = b.inode AND l.ctime_ns = b.ctime_ns
AND b.mtime_ns < b.seen_ns - :grain
"""
_DIFFERENCES = """
SELECT p.path, b.version, b.sha256, r.version, r.sha256, r.size_bytes,
       l.size_bytes, l.mtime_ns, l.inode, l.ctime_ns, {as_seen}
  FROM (SELECT path FROM base WHERE {chosen} UNION SELECT path FROM remote WHERE {chosen}
        UNION SELECT path FROM local WHERE {chosen}) p
  LEFT JOIN base b ON b.path = p.path
  LEFT JOIN remote r ON r.path = p.path
  LEFT JOIN local l ON l.path = p.path
 WHERE NOT coalesce(b.version = r.version AND b.sha256 IS r.sha256 AND {as_seen}, false)
   AND NOT (b.path IS NULL AND l.path IS NULL AND r.sha256 IS NULL)
 ORDER BY p.path LIMIT :limit
"""
_NEXT = _DIFFERENCES.format(as_seen=_AS_SEEN, chosen="path > :after")
_ONE = _DIFFERENCES.format(as_seen=_AS_SEEN, chosen="path = :path")


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not plainly in step.

    `is_as_seen` when the file looks as it did when its base was written.
    """

    path: str
    base: Base | None
    remote: Remote | None
    found: Found | None
    is_as_seen: bool

    @property
    def is_on_hub(self) -> bool:
        return self.remote is not None and self.remote.sha256 is not None


@dataclass(frozen=True, slots=True)
class Agreed:
    """Both sides have the bytes of `base`. The file was as found when they were read, at `seen_ns`."""

    path: str
    base: Base
    found: Found
    seen_ns: int


class State:
    """The open file. Whoever writes holds the folder's lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, file: Path | None) -> Self:
        """Makes a new one where there is none; without `file` one that goes with its closing.

        Raises `FolderError` for one that a newer program has written, and sqlite3.DatabaseError.
        """
        connection = sqlite3.connect(file or "", isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA temp_store = FILE")
            _make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    # --- About the folder

    def about(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_about(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    # --- The hub's side

    def replace_remote(self, rows: Iterable[tuple[str, Remote]]) -> None:
        """Call inside a transaction, with the cursor that belongs to the rows."""
        self._connection.execute("DELETE FROM remote")
        self.update_remote(rows)

    def update_remote(self, rows: Iterable[tuple[str, Remote]]) -> None:
        """Newer states only: an answer may arrive after the news of what came next."""
        self._connection.executemany(
            "INSERT INTO remote VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE"
            " SET version = excluded.version, sha256 = excluded.sha256, size_bytes = excluded.size_bytes"
            " WHERE excluded.version >= remote.version",
            ((path, remote.version, remote.sha256, remote.size_bytes) for path, remote in rows),
        )

    def remote(self, path: str) -> Remote | None:
        row = self._connection.execute(
            "SELECT version, sha256, size_bytes FROM remote WHERE path = ?", (path,)
        ).fetchone()
        return Remote(*row) if row else None

    # --- The base

    def agree(self, rows: Iterable[Agreed]) -> None:
        """Writes down what both sides have."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((row.path, row.base.version, row.base.sha256, *row.found[1:], row.seen_ns) for row in rows),
        )

    def forget(self, paths: Iterable[str]) -> None:
        self._connection.executemany("DELETE FROM base WHERE path = ?", ((path,) for path in paths))

    def count(self) -> int:
        """Paths that both sides have had."""
        return int(self._connection.execute("SELECT count(*) FROM base").fetchone()[0])

    def paths(self) -> Iterator[str]:
        """Of all files of the base and the hub: first those that both have, then the hub's, then the others.

        Nothing is asked for before the first is.
        """
        rows = self._connection.execute(
            "SELECT p.path FROM (SELECT path FROM base UNION SELECT path FROM remote WHERE sha256 IS NOT NULL) p"
            " LEFT JOIN base b ON b.path = p.path LEFT JOIN remote r ON r.path = p.path AND r.sha256 IS NOT NULL"
            " ORDER BY r.path IS NULL, b.path IS NULL, p.path"
        )
        for row in rows:
            yield row[0]

    # --- Comparing

    def set_local(self, found: Iterable[Found]) -> None:
        """What a scan has found, for `differences`."""
        with self.transaction():
            self._connection.execute("DELETE FROM local")
            self._connection.executemany("INSERT OR REPLACE INTO local VALUES (?, ?, ?, ?, ?)", found)

    def awaits_deletion(self, path: str) -> bool:
        """Whether a file that was found, under this name or below it, is deleted on the hub and not yet here."""
        rows = self._connection.execute(
            "SELECT 1 FROM local JOIN base USING (path) JOIN remote USING (path) WHERE remote.sha256 IS NULL"
            " AND (path = :path OR path > :path || '/' AND path < :path || '0') LIMIT 1",
            {"path": path},
        )
        return rows.fetchone() is not None

    def differences(self, after: str, limit: int, *, clock_grain_ns: int) -> list[Difference]:
        """The next ones behind a path, in the order of paths."""
        values = {"after": after, "limit": limit, "grain": clock_grain_ns}
        return [_difference(*row) for row in self._connection.execute(_NEXT, values)]

    def difference(self, path: str, *, clock_grain_ns: int) -> Difference | None:
        """That of one path; None where it is plainly in step."""
        row = self._connection.execute(_ONE, {"path": path, "limit": 1, "grain": clock_grain_ns}).fetchone()
        return _difference(*row) if row else None

    def differing(self, *, clock_grain_ns: int) -> Iterator[str]:
        """All paths that are not plainly in step."""
        values = {"after": "", "limit": -1, "grain": clock_grain_ns}
        return (row[0] for row in self._connection.execute(_NEXT, values))


def _make_tables(connection: sqlite3.Connection) -> None:
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form > FORMAT:
        raise FolderError("This folder was synced by a newer memoryhub. Bring this one up to date.")
    if form < FORMAT:
        has_tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone()
        connection.executescript(
            f"BEGIN; {_OUTDATED if has_tables else ''} {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT"
        )
    connection.executescript(_LOCAL)


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is the reason."""
    # Extended codes have the reason in their last byte.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(file: Path) -> Path:
    """Moves a state that cannot be read to another name, which is returned. Call when it is closed."""
    kept = file.with_name(f"{file.name}.damaged")
    file.replace(kept)
    for rest in ("-wal", "-shm"):
        file.with_name(file.name + rest).unlink(missing_ok=True)
    return kept


def _difference(
    path: str,
    base_version: int | None,
    base_sha256: str,
    version: int | None,
    sha256: str | None,
    size_bytes: int,
    found_bytes: int | None,
    mtime_ns: int,
    inode: int,
    ctime_ns: int,
    is_as_seen: int | None,
) -> Difference:
    return Difference(
        path,
        None if base_version is None else Base(base_version, base_sha256),
        None if version is None else Remote(version, sha256, size_bytes),
        None if found_bytes is None else Found(path, found_bytes, mtime_ns, inode, ctime_ns),
        bool(is_as_seen),
    )
