"""Content on its way into a workspace: fetched and proven before anything is changed."""

import errno
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Self
from uuid import UUID

from apps.blobs.actions import store_object
from apps.blobs.content import Content
from apps.blobs.errors import refusal_of_disk
from apps.blobs.objects import scratch_file
from apps.blobs.room import check_room
from apps.snapshots.format.errors import CopyDamaged

_Row = tuple[bytes, bytes, int, bytes | None, str | None]
_TABLES = """
PRAGMA journal_mode = off;
PRAGMA synchronous = off;
CREATE TABLE content (sha256 BLOB PRIMARY KEY, md5 BLOB, size INTEGER, data BLOB, object_key TEXT) WITHOUT ROWID;
CREATE TABLE claimed (sha256 BLOB PRIMARY KEY) WITHOUT ROWID;
"""


class Stage:
    """Small content in a scratch file of this machine, large content as objects that a row will name.

    What is never named is swept away like any other upload that got no commit. Used as a context manager.
    """

    def __init__(self, workspace_public_id: UUID, *, inline_max: int) -> None:
        self._public_id = workspace_public_id
        self._inline_max = inline_max
        self._open = ExitStack()
        self.files = 0
        self.size_bytes = 0

    def __enter__(self) -> Self:
        _file, path = self._open.enter_context(scratch_file())
        self._database = self._open.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
        self._database.executescript(_TABLES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def claim(self, sha256: bytes) -> bool:
        """Whether this is the first to ask for the content. Raises `StorageFull`."""
        return self._written("INSERT OR IGNORE INTO claimed VALUES (?)", (sha256,)) == 1

    def put(self, sha256: bytes, size_bytes: int, chunks: Iterator[bytes]) -> None:
        """Takes content in. Raises `CopyDamaged` where it has another sha256, `StorageFull`."""
        if size_bytes <= self._inline_max:
            data = b"".join(chunks)
            _prove(hashlib.sha256(data).digest(), sha256)
            row: _Row = (sha256, _md5(data), len(data), data, None)
        else:
            row = self._stored(sha256, size_bytes, chunks)
        self._written("INSERT OR IGNORE INTO content VALUES (?, ?, ?, ?, ?)", row)
        self.files += 1
        self.size_bytes += size_bytes

    def _written(self, statement: str, row: tuple[object, ...]) -> int:
        try:
            return self._database.execute(statement, row).rowcount
        except sqlite3.OperationalError as error:
            raise refusal_of_disk(OSError(errno.ENOSPC, str(error)), "take content in") from error

    def _stored(self, sha256: bytes, size_bytes: int, chunks: Iterator[bytes]) -> _Row:
        check_room(object_bytes=size_bytes)
        digest, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with scratch_file() as (file, path):
            try:
                for chunk in chunks:
                    digest.update(chunk)
                    md5.update(chunk)
                    size += file.write(chunk)
                file.flush()
            except OSError as error:
                raise refusal_of_disk(error, "take content in") from error
            _prove(digest.digest(), sha256)
            return sha256, md5.digest(), size, None, store_object(self._public_id, path)

    def content(self, sha256: bytes) -> Content:
        """The content by its sha256; one that was not staged is known to the workspace."""
        row = self._database.execute(
            "SELECT md5, size, data, object_key FROM content WHERE sha256 = ?", (sha256,)
        ).fetchone()
        return Content(sha256) if row is None else Content(sha256, row[0], row[1], inline=row[2], object_key=row[3])


def _prove(found: bytes, expected: bytes) -> None:
    if found != expected:
        raise CopyDamaged("The content of a file does not have its sha256.")


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
