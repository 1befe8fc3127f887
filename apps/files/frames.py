"""`application/vnd.memoryhub.frames`: many small files in one body. Pure.

A frame is a big-endian uint32, the length of the header; the header, a JSON object with `size_bytes`; and that many
bytes. A zero length ends the stream: without it, something was cut off.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

from apps.common.errors import BadJson, IncompleteBody

MEDIA_TYPE = "application/vnd.memoryhub.frames"
MAX_HEADER_BYTES = 16 * 1024
END = struct.pack(">I", 0)
_LENGTH = struct.Struct(">I")


def frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """One frame; `size_bytes` is set from the body."""
    encoded = json.dumps(header | {"size_bytes": len(body)}, separators=(",", ":")).encode()
    return _LENGTH.pack(len(encoded)) + encoded + body


def parse_frames(data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Each frame's header and body. Raises `IncompleteBody` for a cut stream, `BadJson` for anything unreadable."""
    view = memoryview(data)
    at = 0
    while True:
        size = _LENGTH.unpack(_slice(view, at, _LENGTH.size))[0]
        at += _LENGTH.size
        if size == 0:
            break
        if size > MAX_HEADER_BYTES:
            raise BadJson(f"A frame's header has at most {MAX_HEADER_BYTES} bytes.")
        header = _header(_slice(view, at, size))
        at += size
        body = bytes(_slice(view, at, header["size_bytes"]))
        at += len(body)
        yield header, body
    if at != len(data):
        raise BadJson("There are bytes after the frame that ends the stream.")


def _slice(view: memoryview, at: int, size: int) -> memoryview:
    part = view[at : at + size]
    if len(part) < size:
        raise IncompleteBody("The stream of frames ends before its closing frame.")
    return part


def _header(raw: memoryview) -> dict[str, Any]:
    try:
        header = json.loads(bytes(raw))
    except (ValueError, RecursionError) as error:
        raise BadJson("A frame's header is not JSON.") from error
    if not isinstance(header, dict):
        raise BadJson("A frame's header is a JSON object.")
    size_bytes = header.setdefault("size_bytes", 0)
    if not isinstance(size_bytes, int) or isinstance(size_bytes, bool) or size_bytes < 0:
        raise BadJson("A frame's size_bytes is a number of bytes.")
    return header
