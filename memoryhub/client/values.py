"""What the calls take and give."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from memoryhub.client.errors import Refused

ANY: Literal["any"] = "any"
"""As `if_version`: whatever is there. 0 means that nothing may live there, a number that exactly this version does.

It does not shield a single write from being done twice: see `Client`.
"""
IfVersion = int | Literal["any"]


@dataclass(frozen=True, slots=True)
class FileState:
    """A path at one version. Of a tombstone the digests are None. Times are aware; digests lower-case hex."""

    path: str
    version: int
    is_deleted: bool
    sha256: str | None
    md5: str | None
    size_bytes: int
    content_type: str
    changed_at: datetime

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        return cls(
            row["path"],
            row["version"],
            row["is_deleted"],
            row["sha256"],
            row["md5"],
            row["size_bytes"],
            row["content_type"],
            datetime.fromisoformat(row["changed_at"]),
        )


@dataclass(frozen=True, slots=True)
class Version:
    """One version in the history of a path, with who wrote it and why."""

    version: int
    is_deleted: bool
    sha256: str | None
    size_bytes: int
    content_type: str
    changed_at: datetime
    origin: str
    actor: str
    message: str

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        return cls(
            row["version"],
            row["is_deleted"],
            row["sha256"],
            row["size_bytes"],
            row["content_type"],
            datetime.fromisoformat(row["changed_at"]),
            row["origin"],
            row["actor"],
            row["message"],
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What a write made of a path: `result` is created, updated, deleted or unchanged.

    `version` is None where the answer was lost and the path was found as wished, already deleted.
    """

    path: str
    result: str
    version: int | None
    sha256: str | None

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        return cls(row["path"], row["result"], row["version"], row["sha256"])


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """One item of a batch that was not written, with the error that a single call would have raised."""

    path: str
    error: Refused


@dataclass(frozen=True, slots=True)
class Put:
    """One file of a batch: its bytes, or, with None, the sha256 of bytes that the workspace has already.

    Raises TypeError for content that is no bytes, ValueError for both or neither.
    """

    path: str
    content: bytes | None
    if_version: IfVersion
    content_type: str = "application/octet-stream"
    from_sha256: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.content, bytes | None):
            raise TypeError(f"The content of a file in a batch is bytes, not {type(self.content).__name__}.")
        if (self.content is None) == (self.from_sha256 is None):
            raise ValueError("A file of a batch has either its content or from_sha256.")


@dataclass(frozen=True, slots=True)
class Delete:
    """One deletion of a batch."""

    path: str
    if_version: IfVersion


@dataclass(frozen=True, slots=True)
class Transfer:
    """A copy or a move. `if_version` is the target's; `source_version` None takes the newest."""

    source: str
    target: str
    if_version: IfVersion = 0
    source_version: int | None = None


@dataclass(frozen=True, slots=True)
class Revert:
    """Bring a path back to the state it had at `version`."""

    path: str
    version: int
    if_version: IfVersion


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a file without reading it."""

    path: str
    version: int
    sha256: str
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a batch of reads, with its bytes."""

    path: str
    version: int
    sha256: str
    content_type: str
    changed_at: datetime
    content: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the feed: the newest state of each path that changed. `cursor` is where the next page begins."""

    items: list[FileState]
    cursor: str
    has_more: bool
    etag: str


@dataclass(frozen=True, slots=True)
class History:
    """Versions of a path, newest first; `next_cursor` None on the last page."""

    items: list[Version]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Purged:
    """How many versions are gone for good, and how many something holds."""

    removed: int
    held: int


@dataclass(frozen=True, slots=True)
class WorkspaceInfo:
    """A workspace as its token sees it. `id` stays the same when the hub moves to another address."""

    id: str
    slug: str
    name: str
    live_files: int
    live_bytes: int


Content = bytes | Path
"""Bytes, or a file that is sent as it is read."""
