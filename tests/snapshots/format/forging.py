"""Objects as somebody would make them who knows the format and means no good: every sum and every length is right."""

import hashlib
import json
import struct
from typing import Any

import zstandard

from apps.snapshots.format.manifests import COLUMNS, MAGIC
from apps.snapshots.format.packs import MAGIC as PACK_MAGIC

DETAILS = {"sequence": 7, "epoch": "", "message": "", "tags": [], "actor": "", "is_pinned": False}
HEADER = {
    "format": 1,
    "id": "01900000-0000-7000-8000-00000000000a",
    "name": "first",
    "workspace": "default",
    "writer": "01900000-0000-7000-8000-00000000000b",
    "kind": "manual",
    "created_at": "2026-02-14T12:00:00.000Z",
    "parent": None,
    "files": 0,
    "size_bytes": 0,
    "body_bytes": 0,
    "encryption": None,
    "key_id": None,
    "nonce": None,
}


def compressed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(data)


def body_of(details: Any = None, **columns: bytes) -> bytes:
    """A body with these columns, all others empty."""
    text = json.dumps(DETAILS if details is None else details).encode()
    parts = [struct.pack("!Q", len(columns.get(name, b""))) + columns.get(name, b"") for name in COLUMNS]
    return struct.pack("!I", len(text)) + text + b"".join(parts)


def manifest(body: bytes, *, frame: bytes | None = None, magic: bytes = MAGIC, **header: Any) -> bytes:
    """A manifest without encryption, with these fields of the header."""
    text = json.dumps(HEADER | {"body_bytes": len(body)} | header).encode()
    return summed(magic + struct.pack("!I", len(text)) + text + (compressed(body) if frame is None else frame))


def file_columns(path: bytes = b"a", size: int = 0, **others: bytes) -> dict[str, bytes]:
    """The columns of a manifest with one empty file; `others` replace them."""
    return {
        "paths": path + b"\0",
        "sizes": number(size),
        "times": b"\0",
        "types": b"\0",
        "texts": b"text/plain\0",
        "digests": hashlib.sha256(b"").digest(),
        "counts": b"\0",
    } | others


def number(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def pack(payload: bytes, *, said: int | None = None, frame: bytes | None = None) -> tuple[bytes, bytes]:
    """The digest and the object of a pack without encryption."""
    head = PACK_MAGIC + bytes(28) + struct.pack("!I", len(payload) if said is None else said)
    stored = summed(head + (compressed(payload) if frame is None else frame))
    return hashlib.sha256(payload).digest(), stored


def summed(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()
