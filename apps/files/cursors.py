"""A client's place in the feed as opaque text. Pure.

Not signed: a forged cursor can only ask for other changes of a workspace that its bearer may read anyway, and signing
would force everybody to resync when keys rotate. The checksum tells damage from history.
"""

import base64
import binascii
import struct
import zlib
from dataclasses import dataclass
from uuid import UUID

from apps.common.errors import BadCursor

_FORMAT = 1
_BODY = struct.Struct(">B16s16sQQ")
_CHECKSUM = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """`purged` is the purge mark from when the walk began from nothing: it misses none of what was gone by then."""

    public_id: UUID
    epoch: UUID
    sequence: int
    purged: int = 0

    def __str__(self) -> str:
        body = _BODY.pack(_FORMAT, self.public_id.bytes, self.epoch.bytes, self.sequence, self.purged)
        return base64.urlsafe_b64encode(body + _CHECKSUM.pack(zlib.crc32(body))).rstrip(b"=").decode()


def parse_cursor(text: str) -> FeedCursor:
    """Raises `BadCursor` for any text that `str(FeedCursor)` never gave."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    body, checksum = raw[: _BODY.size], raw[_BODY.size :]
    if len(body) != _BODY.size or checksum != _CHECKSUM.pack(zlib.crc32(body)):
        raise BadCursor
    form, public_id, epoch, sequence, purged = _BODY.unpack(body)
    if form != _FORMAT:
        raise BadCursor
    cursor = FeedCursor(UUID(bytes=public_id), UUID(bytes=epoch), sequence, purged)
    if str(cursor) != text:  # Base64 has several spellings of the same bytes.
        raise BadCursor
    return cursor
