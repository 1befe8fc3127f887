"""`application/vnd.memoryhub.frames`: many files in one body.

A frame is a big-endian uint32, the length of its header; the header, a JSON object with `size_bytes`; and that many
bytes. A zero length ends the stream.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

from memoryhub.client.errors import DamagedAnswer

MEDIA_TYPE = "application/vnd.memoryhub.frames"
END = struct.pack(">I", 0)
_LENGTH = struct.Struct(">I")


def encoded(header: dict[str, Any], body: bytes = b"") -> bytes:
    """One frame; `size_bytes` is set from the body."""
    text = json.dumps(header | {"size_bytes": len(body)}, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + body


def decoded(data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Header and body of each frame. Raises `DamagedAnswer` where the stream is not whole."""
    at = 0
    while True:
        size_bytes = int.from_bytes(_part(data, at, _LENGTH.size))
        at += _LENGTH.size
        if not size_bytes:
            return
        header = _header(_part(data, at, size_bytes))
        at += size_bytes
        body = _part(data, at, header["size_bytes"])
        at += len(body)
        yield header, body


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise DamagedAnswer("The stream of frames cannot be read.")
    return header


def _part(data: bytes, at: int, size_bytes: int) -> bytes:
    part = data[at : at + size_bytes]
    if len(part) < size_bytes:
        raise DamagedAnswer("The stream of frames breaks off.")
    return part
