"""Packs: objects that hold many chunks, compressed together, under the digest of their content.

A pack is `MHPACK1\\n`, the id of the key that sealed it (16 bytes, zero for none), a nonce (12 bytes), the length of
the payload (uint32), the payload as one zstd frame, sealed, and the sha256 of all before it. The payload is 16 random
bytes, the number of chunks (uint32), for each its sha256 and size (uint32), and then the chunks. Numbers are big
endian. The name of the object and all that stands before the payload are bound to it.
"""

import hashlib
import os
import struct
from array import array
from dataclasses import dataclass, field
from io import BytesIO
from itertools import accumulate
from typing import IO
from uuid import UUID

import zstandard

from apps.snapshots.format.columns import limited, scratch
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.names import pack_name
from apps.snapshots.format.sealing import MOST_WINDOW_BYTES, NO_KEY, NONCE_BYTES, Seal

PACK_BYTES = 16 * 1024 * 1024
"""A pack is closed when it holds so much; with its last chunk it may be longer."""
MOST_PAYLOAD_BYTES = 64 * 1024 * 1024
MOST_STORED_BYTES = MOST_PAYLOAD_BYTES + 1024 * 1024
MAGIC = b"MHPACK1\n"
SALT_BYTES = 16
DIGEST_BYTES = 32
SLICE_BYTES = 1024 * 1024
_HEAD = struct.Struct(f"!8s16s{NONCE_BYTES}sI")
_COUNT = struct.Struct("!I")
_CHUNK = struct.Struct(f"!{DIGEST_BYTES}sI")


@dataclass(slots=True)
class PackDraft:
    """A pack that is being filled."""

    number: int
    """In the manifest that is being written."""
    salt: bytes = field(default_factory=lambda: os.urandom(SALT_BYTES))
    chunks: list[bytes] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    content_bytes: int = 0

    def add(self, sha256: bytes, chunk: bytes) -> int:
        """Takes a chunk in, and gives its index in the pack."""
        self.digests.append(sha256)
        self.chunks.append(chunk)
        self.content_bytes += len(chunk)
        return len(self.chunks) - 1

    @property
    def is_full(self) -> bool:
        # A million tiny chunks have an index that is longer than they are.
        return self.content_bytes + len(self.digests) * _CHUNK.size >= PACK_BYTES

    def payload(self) -> bytes:
        """All of the pack, before it is compressed."""
        pairs = zip(self.digests, self.chunks, strict=True)
        index = b"".join(_CHUNK.pack(sha256, len(chunk)) for sha256, chunk in pairs)
        return b"".join((self.salt, _COUNT.pack(len(self.chunks)), index, *self.chunks))


def sealed_pack(payload: bytes, digest: bytes, seal: Seal) -> bytes:
    """The object of a pack, whose name is `pack_name(digest)`, `digest` being the seal's of the payload.

    Takes the memory of the payload once more. Raises ValueError for a payload that no reader would take.
    """
    if len(payload) > MOST_PAYLOAD_BYTES:
        raise ValueError("a pack cannot hold so much")
    nonce = os.urandom(NONCE_BYTES) if seal.key_id != NO_KEY else bytes(NONCE_BYTES)
    head = _HEAD.pack(MAGIC, seal.key_id.bytes, nonce, len(payload))
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=False)
    frame = compressor.read_to_iter(payload, size=len(payload), write_size=SLICE_BYTES)
    stored, proof = BytesIO(), hashlib.sha256(head)
    stored.write(head)
    for piece in seal.sealed(frame, nonce, _bound(digest, head)):
        proof.update(piece)
        stored.write(piece)
    stored.write(proof.digest())
    return stored.getvalue()


def open_pack(file: IO[bytes], digest: bytes, seal: Seal) -> "Pack":
    """Raises `CopyDamaged` unless the file holds exactly what was stored under this digest.

    So does a pack of another format or another key: a manifest names none but those of its own. Takes the memory of
    the payload, once.
    """
    name = pack_name(digest)
    end = file.seek(0, os.SEEK_END) - DIGEST_BYTES
    if end < _HEAD.size:
        raise CopyDamaged("A pack is shorter than its head.", object=name)
    file.seek(0)
    head = file.read(_HEAD.size)
    magic, key, nonce, size = _HEAD.unpack(head)
    if magic != MAGIC:
        raise CopyDamaged("An object is not a pack.", object=name)
    if not _has_its_sum(file, end):
        raise CopyDamaged("A pack does not have its sha256.", object=name)
    if UUID(bytes=key) != seal.key_id:
        raise CopyDamaged("A pack was sealed with another key than its manifest.", object=name)
    if size > MOST_PAYLOAD_BYTES:
        raise CopyDamaged("A pack says that it holds more than packs do.", object=name)
    file.seek(_HEAD.size)
    try:
        with scratch() as frame:
            frame.writelines(seal.opened(limited(file, end - _HEAD.size), nonce, _bound(digest, head)))
            payload = _unpacked(frame, size)
    except CopyDamaged as error:
        raise CopyDamaged(error.detail, object=name) from error
    if len(payload) != size or seal.digest(payload) != digest:
        raise CopyDamaged("A pack does not hold what its name says.", object=name)
    return Pack(name, payload)


def _has_its_sum(file: IO[bytes], end: int) -> bool:
    file.seek(0)
    proof = hashlib.sha256()
    for piece in limited(file, end):
        proof.update(piece)
    return file.read() == proof.digest()


def _unpacked(frame: IO[bytes], size: int) -> bytes:
    """At most `size` bytes and one: the frame's own word for its size may be a lie. Raises `CopyDamaged`."""
    frame.seek(0)
    try:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES)
        with decompressor.stream_reader(frame) as reader:
            return reader.read(size + 1)
    except zstandard.ZstdError as error:
        raise CopyDamaged("A pack cannot be decompressed.") from error


def _bound(digest: bytes, head: bytes) -> bytes:
    return pack_name(digest).encode() + b"\0" + head


class Pack:
    """An opened pack, whose content has its digest. Raises `CopyDamaged` where its index does not fit it."""

    def __init__(self, name: str, payload: bytes) -> None:
        self.name = name
        self._payload = payload
        if len(payload) < SALT_BYTES + _COUNT.size:
            raise CopyDamaged("A pack has no index.", object=name)
        (self._count,) = _COUNT.unpack_from(payload, SALT_BYTES)
        self._index = SALT_BYTES + _COUNT.size
        end = self._index + self._count * _CHUNK.size
        if end > len(payload):
            raise CopyDamaged("The index of a pack is longer than the pack.", object=name)
        sizes = (size for _, size in _CHUNK.iter_unpack(memoryview(payload)[self._index : end]))
        # Not a list: a hostile pack has two million chunks of nothing.
        self._offsets = array("Q", accumulate(sizes, initial=end))
        if self._offsets[-1] != len(payload):
            raise CopyDamaged("The index of a pack does not fit its content.", object=name)

    @property
    def salt(self) -> bytes:
        return self._payload[:SALT_BYTES]

    @property
    def size_bytes(self) -> int:
        """Of all that it holds in memory."""
        return len(self._payload) + len(self._offsets) * self._offsets.itemsize

    @property
    def digests(self) -> list[bytes]:
        """The sha256 of each chunk, as whoever packed it said."""
        return [self._digest(index) for index in range(self._count)]

    def chunk(self, index: int, sha256: bytes) -> bytes:
        """A chunk by its index. Raises `CopyDamaged` where it was packed under another sha256.

        It is not hashed: nobody but its packer could have got it wrong, which shows in the sha256 of the whole file.
        """
        if not 0 <= index < self._count or self._digest(index) != sha256:
            raise CopyDamaged("A pack does not hold the chunk that the manifest names.", object=self.name)
        return self._payload[self._offsets[index] : self._offsets[index + 1]]

    def _digest(self, index: int) -> bytes:
        at = self._index + index * _CHUNK.size
        return self._payload[at : at + DIGEST_BYTES]
