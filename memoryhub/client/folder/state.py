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
from memoryhub.client.folder.scanning import Found

FORMAT = "1"

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base (
    path TEXT PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, seen_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remote (
    path TEXT PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT, size_bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TEMP TABLE local (
    path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL
) WITHOUT ROWID;
"""

# Everything that is not plainly in step: there is a base, the hub is at its version, and the file is as it was when
# its bytes were read, which was long enough after its last change for that to show in its time.
_DIFFERENCES = """
SELECT p.path, b.version, b.sha256, r.version, r.sha256, r.size_bytes,
       l.size_bytes, l.mtime_ns, l.inode,
       l.size_bytes = b.size_bytes AND l.mtime_ns = b.mtime_ns AND l.inode = b.inode AND b.mtime_ns < b.seen_ns - :grain
  FROM (SELECT path FROM base WHERE path > :after UNION SELECT path FROM remote WHERE path > :after
        UNION SELECT path FROM local WHERE path > :after) p
  LEFT JOIN base b ON b.path = p.path
  LEFT JOIN remote r ON r.path = p.path
  LEFT JOIN local l ON l.path = p.path
 WHERE NOT coalesce(
           b.version = r.version AND l.size_bytes = b.size_bytes AND l.mtime_ns = b.mtime_ns AND l.inode = b.inode
           AND b.mtime_ns < b.seen_ns - :grain, false)
   AND NOT (b.path IS NULL AND l.path IS NULL AND r.sha256 IS NULL)
 ORDER BY p.path LIMIT :limit
"""


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


class State:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, file: Path) -> Self:
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = FILE")
        connection.executescript(_TABLES)
        return cls(connection)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
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

    # --- The base

    def agree(self, rows: Iterable[tuple[str, Base, Found, int]]) -> None:
        """Writes down that both sides have the same bytes; the last number is when they were read (ns)."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (path, base.version, base.sha256, found.size_bytes, found.mtime_ns, found.inode, seen_ns)
                for path, base, found, seen_ns in rows
            ),
        )

    def forget(self, paths: Iterable[str]) -> None:
        self._connection.executemany("DELETE FROM base WHERE path = ?", ((path,) for path in paths))

    def count(self) -> int:
        """Paths that both sides have had."""
        return int(self._connection.execute("SELECT count(*) FROM base").fetchone()[0])

    def paths(self) -> Iterator[str]:
        """Of all files of the base and the hub."""
        rows = self._connection.execute(
            "SELECT path FROM base UNION SELECT path FROM remote WHERE sha256 IS NOT NULL ORDER BY path"
        )
        return (row[0] for row in rows)

    # --- Comparing

    def set_local(self, found: Iterable[Found]) -> None:
        """What a scan has found, for `differences`."""
        self._connection.execute("BEGIN")
        self._connection.execute("DELETE FROM local")
        self._connection.executemany(
            "INSERT OR REPLACE INTO local VALUES (?, ?, ?, ?)",
            ((each.path, each.size_bytes, each.mtime_ns, each.inode) for each in found),
        )
        self._connection.execute("COMMIT")

    def differences(self, after: str, limit: int, *, clock_grain_ns: int) -> list[Difference]:
        """The next ones behind a path, in the order of paths."""
        values = {"after": after, "limit": limit, "grain": clock_grain_ns}
        return [_difference(*row) for row in self._connection.execute(_DIFFERENCES, values)]

    def count_differences(self, *, clock_grain_ns: int) -> int:
        """How many paths are not plainly in step."""
        values = {"after": "", "limit": -1, "grain": clock_grain_ns}
        return sum(1 for _ in self._connection.execute(_DIFFERENCES, values))


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
    is_as_seen: int | None,
) -> Difference:
    return Difference(
        path,
        None if base_version is None else Base(base_version, base_sha256),
        None if version is None else Remote(version, sha256, size_bytes),
        None if found_bytes is None else Found(path, found_bytes, mtime_ns, inode),
        bool(is_as_seen),
    )
