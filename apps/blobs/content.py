"""What is known of some bytes. Pure."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from apps.blobs.spooling import Spooled


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes on their way into a version.

    The bytes themselves (`inline`), a spooled file of them (`spool`), or the key of an object that already holds them.
    With none of these the workspace must have a blob with this sha256, and `md5` and `size_bytes` are taken from it.
    """

    sha256: bytes
    md5: bytes = b""
    size_bytes: int = 0
    inline: bytes | None = None
    object_key: str | None = None
    spool: Path | None = None

    @classmethod
    def of_bytes(cls, data: bytes) -> "Content":
        """Content in memory."""
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        return cls(hashlib.sha256(data).digest(), md5, len(data), inline=data)

    @classmethod
    def of_spooled(cls, body: Spooled) -> "Content":
        """A spooled body; good as long as its spool."""
        return cls(body.sha256, body.md5, body.size_bytes, inline=body.data, spool=body.path)


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """Where the bytes of a blob lie: in the row, in an object, or in both."""

    sha256: bytes
    size_bytes: int
    inline: bytes | None
    object_key: str | None
