"""The values that the write path takes and gives. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from apps.blobs.content import Content
from apps.common.conditions import Condition
from apps.common.errors import DomainError, PreconditionFailed, QuotaExceeded
from apps.common.errors import NotFound as PathNotFound
from apps.files.errors import BlobMissing, NotApplied, PathCollision


class ChangeStatus(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    PRECONDITION_FAILED = "precondition_failed"
    NOT_FOUND = "not_found"
    QUOTA_EXCEEDED = "quota_exceeded"
    PATH_COLLISION = "path_collision"
    BLOB_MISSING = "blob_missing"
    NOT_APPLIED = "not_applied"


class Previous(StrEnum):
    """What the path was before."""

    NONE = "none"
    LIVE = "live"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class ChangeItem:
    """One wish: `content` for a put, None for a delete. The path has been checked."""

    path: str
    condition: Condition
    content: Content | None = None
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Write:
    """An item, with what its change set says of it. `always` writes a new version also of equal bytes."""

    item: ChangeItem
    origin: str
    actor: str
    message: str = ""
    always: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an item. The state fields are the path's state afterwards, or the one that refused it.

    `version` is None where the path was never written. `previous` is None for `not_applied`.
    """

    path: str
    status: ChangeStatus
    version: int | None
    is_deleted: bool | None
    sha256: bytes | None
    md5: bytes | None
    size_bytes: int | None
    content_type: str | None
    changed_at: datetime | None
    previous: Previous | None
    detail: str | None

    @property
    def is_applied(self) -> bool:
        """Whether the path now is as the item wished."""
        return self.status in _APPLIED

    @property
    def error(self) -> DomainError | None:
        """The refusal as an error, None for an applied item."""
        match self.status:
            case ChangeStatus.PRECONDITION_FAILED:
                live = self.version is not None and not self.is_deleted
                return PreconditionFailed(
                    "The path is in another state than the request expects.",
                    version=self.version if live else None,
                    sha256=self.sha256.hex() if live and self.sha256 else None,
                    md5=self.md5.hex() if live and self.md5 else None,
                )
            case ChangeStatus.NOT_FOUND:
                return PathNotFound()
            case ChangeStatus.QUOTA_EXCEEDED:
                return QuotaExceeded("The workspace has reached its quota.", limit=self.detail)
            case ChangeStatus.PATH_COLLISION:
                return PathCollision(twin=self.detail)
            case ChangeStatus.BLOB_MISSING:
                return BlobMissing()
            case ChangeStatus.NOT_APPLIED:
                return NotApplied()
        return None


_APPLIED = frozenset({ChangeStatus.CREATED, ChangeStatus.UPDATED, ChangeStatus.DELETED, ChangeStatus.UNCHANGED})
