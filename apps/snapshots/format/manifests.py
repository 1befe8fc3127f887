"""Manifests: what a remote copy holds, and where. Written last, so that a copy with one is whole.

A manifest is `MHSNAP1\\n`, the length of the header (uint32), the header (JSON), the body, and the sha256 of all before
it. The body is one zstd frame, sealed, with the object's name and the header bound to it. In the body come the details
(uint32 and JSON), and then the columns, each with its length (uint64) before it. `docs/snapshot-format.md` has it all.
"""

import hashlib
import json
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain
from operator import itemgetter
from typing import IO, Any, NamedTuple
from uuid import UUID

import zstandard

from apps.common.times import rfc3339
from apps.files.paths import checked_path
from apps.snapshots.format.columns import BUFFER_BYTES, ColumnWriter, scratch
from apps.snapshots.format.errors import CopyDamaged, FormatUnknown
from apps.snapshots.format.names import manifest_name
from apps.snapshots.format.packs import MOST_PAYLOAD_BYTES, MOST_STORED_BYTES
from apps.snapshots.format.sealing import NO_KEY, NONCE_BYTES, Seal
from apps.snapshots.lineage import Vector, vector_json, vector_of

MAGIC, ANY_MAGIC = b"MHSNAP1\n", re.compile(rb"MHSNAP[0-9A-Za-z]\n")
"""Of this format, and of any."""
FORMAT = 1
CIPHER = "aes-256-gcm"
DIGEST_BYTES = 32
U32, U64 = struct.Struct("!I"), struct.Struct("!Q")
COLUMNS = (
    "paths",
    "sizes",
    "times",
    "types",
    "texts",
    "digests",
    "counts",
    "packs",
    "indexes",
    "piece_sizes",
    "piece_digests",
    "objects",
    "object_sizes",
)
"""In their order. `docs/snapshot-format.md` says what is in which."""

MOST_HEADER_BYTES = 64 * 1024
MOST_WRITERS = 64
MOST_HEAD_BYTES = len(MAGIC) + U32.size + MOST_HEADER_BYTES
"""With what stands before the header: `read_head` needs no more of a manifest."""
MOST_DETAIL_BYTES = 1024 * 1024
MOST_MANIFEST_BYTES = 4 * 1024**3
MOST_BODY_BYTES = 64 * 1024**3
MOST_RATIO, ANY_RATIO_BYTES = 1000, 16 * 1024 * 1024
"""No body beyond the latter shrinks further: paths differ, digests do not shrink at all. What does is a bomb."""
MOST_PACKS = 1 << 20
MOST_CHUNKS = 1 << 20
"""Of one file."""
MOST_TAGS = 1000
MOST_TYPES = 4096
"""Content types that are remembered: others are written each time, so that memory does not grow with them."""
MOST_TYPE_BYTES = 1024
FIRST_TIME, LAST_TIME = -62_135_596_800_000, 253_402_300_799_999
"""Of the years that have four digits."""


class ChunkRef(NamedTuple):
    """Where a chunk lies: the number of its pack in the manifest, its index in the pack."""

    pack: int
    index: int  # type: ignore[assignment]
    size_bytes: int
    sha256: bytes


class Entry(NamedTuple):
    """A file: its chunks in order, none when it is empty. `changed_at` is in milliseconds since 1970."""

    path: str
    sha256: bytes
    size_bytes: int
    content_type: str
    changed_at: int
    chunks: tuple[ChunkRef, ...]


class PackRef(NamedTuple):
    """A pack that the copy needs, by the digest that names it."""

    digest: bytes
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a manifest says in clear. `parent` is the id of the copy that its writer had before, of whichever hub.

    `vector` has of each writer the newest copy that this one grew from: of at most `MOST_WRITERS`, the newest.
    """

    id: UUID
    name: str
    workspace: str
    writer: UUID
    kind: str
    created_at: datetime
    parent: UUID | None
    files: int
    size_bytes: int
    vector: Vector = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Details:
    """What it says in its body, encrypted where the copy is."""

    sequence: int
    epoch: str = ""
    message: str = ""
    tags: tuple[str, ...] = ()
    actor: str = ""
    is_pinned: bool = False


def broken_rule(entry: Entry) -> str:
    """What of a file cannot be, as a sentence; empty when all can. Raises `BadPath` for its path."""
    # The rules of format 1: were `checked_path` to refuse more one day, copies of today could not be read.
    checked_path(entry.path)
    size_bytes = 0
    for chunk in entry.chunks:
        if not 0 < chunk.size_bytes <= MOST_PAYLOAD_BYTES:
            return "A file of a manifest has chunks that no pack can hold."
        size_bytes += chunk.size_bytes
    if size_bytes != entry.size_bytes:
        return "The chunks of a file are not as long as the file."
    if not FIRST_TIME <= entry.changed_at <= LAST_TIME:
        return "A file of a manifest was changed at a time that no calendar has."
    return ""


class ManifestWriter:
    """Takes entries in the order of their paths' bytes, then writes the manifest. Memory does not grow with them.

    Raises ValueError for what no reader would take.
    """

    def __init__(self) -> None:
        self._columns = {name: ColumnWriter() for name in COLUMNS}
        self._types: dict[str, int] = {}
        self._last_path = b""
        self.files = 0
        self.size_bytes = 0

    def add(self, entry: Entry) -> None:
        """The packs of its chunks may still be without a digest. Raises `BadPath`, ValueError."""
        column = self._columns
        path = entry.path.encode()
        if path <= self._last_path:
            raise ValueError("entries come in the order of their paths' bytes")
        if len(entry.chunks) > MOST_CHUNKS:
            raise ValueError("the file has too many chunks")
        if rule := broken_rule(entry):
            raise ValueError(rule)
        is_cut = len(entry.chunks) > 1
        self._last_path = path
        self.files += 1
        self.size_bytes += entry.size_bytes
        column["paths"].text(path)
        column["sizes"].number(entry.size_bytes)
        column["times"].difference(entry.changed_at)
        self._add_type(entry.content_type)
        column["digests"].data(_digest(entry.sha256))
        column["counts"].number(len(entry.chunks))
        for chunk in entry.chunks:
            column["packs"].difference(chunk.pack)
            column["indexes"].difference(chunk.index)
            if is_cut:
                column["piece_sizes"].number(chunk.size_bytes)
                column["piece_digests"].data(_digest(chunk.sha256))
            elif chunk.sha256 != entry.sha256:
                raise ValueError("the only chunk of a file has its sha256")

    def _add_type(self, content_type: str) -> None:
        """The number of a type that was met before; 0 and the text for any other."""
        number = self._types.get(content_type, 0)
        self._columns["types"].number(number)
        if number:
            return
        text = content_type.encode()
        if len(text) > MOST_TYPE_BYTES:
            raise ValueError("the content type is too long")
        self._columns["texts"].text(text)
        if len(self._types) < MOST_TYPES:
            self._types[content_type] = len(self._types) + 1

    def write(
        self, to: IO[bytes], header: Header, details: Details, packs: Iterable[PackRef], seal: Seal
    ) -> tuple[bytes, int]:
        """Writes all of it, once. The sha256 at its end, and how many bytes it has."""
        self._add_packs(packs)
        described = json.dumps(asdict(details))
        details_of(json.loads(described))
        frame, body_bytes = _compressed(self._body(described.encode()))
        if is_bomb(body_bytes, frame.tell()):
            raise ValueError("the manifest is too large, or too alike in all its parts")
        nonce = os.urandom(NONCE_BYTES) if seal.key_id != NO_KEY else bytes(NONCE_BYTES)
        told = replace(header, files=self.files, size_bytes=self.size_bytes)
        text = json.dumps(_header_json(told, seal, nonce, body_bytes)).encode()
        head = MAGIC + U32.pack(len(text)) + text
        if not _can_be_read(head, header.name):
            raise ValueError("the header holds what no reader would take")
        digest, size = hashlib.sha256(), 0
        with frame:
            for chunk in chain([head], seal.sealed(_chunks(frame), nonce, bound(header.name, head))):
                digest.update(chunk)
                size += to.write(chunk)
        for column in self._columns.values():
            column.close()
        return digest.digest(), size + to.write(digest.digest())

    def _add_packs(self, packs: Iterable[PackRef]) -> None:
        for number, pack in enumerate(packs):
            if number >= MOST_PACKS or pack.stored_bytes > MOST_STORED_BYTES:
                raise ValueError("a manifest cannot hold these packs")
            self._columns["objects"].data(_digest(pack.digest))
            self._columns["object_sizes"].number(pack.stored_bytes)

    def _body(self, details: bytes) -> Iterator[bytes]:
        if len(details) > MOST_DETAIL_BYTES:
            raise ValueError("the details are too long")
        yield U32.pack(len(details))
        yield details
        for writer in self._columns.values():
            yield U64.pack(writer.flush())
            yield from _chunks(writer.file)


def _digest(value: bytes) -> bytes:
    if len(value) != DIGEST_BYTES:
        raise ValueError("a digest has 32 bytes")
    return value


def is_bomb(body_bytes: int, stored_bytes: int) -> bool:
    """Whether no body of this length can be stored in so few bytes, or it is longer than any."""
    return body_bytes > min(MOST_BODY_BYTES, MOST_RATIO * stored_bytes + ANY_RATIO_BYTES)


def _header_json(header: Header, seal: Seal, nonce: bytes, body_bytes: int) -> dict[str, Any]:
    is_sealed = seal.key_id != NO_KEY
    return {
        "format": FORMAT,
        "id": str(header.id),
        "name": header.name,
        "workspace": header.workspace,
        "writer": str(header.writer),
        "kind": header.kind,
        "created_at": rfc3339(header.created_at),
        "parent": str(header.parent) if header.parent else None,
        "vector": vector_json(dict(sorted(header.vector.items(), key=itemgetter(1))[-MOST_WRITERS:])),
        "files": header.files,
        "size_bytes": header.size_bytes,
        "body_bytes": body_bytes,
        "encryption": CIPHER if is_sealed else None,
        "key_id": str(seal.key_id) if is_sealed else None,
        "nonce": nonce.hex() if is_sealed else None,
    }


def _compressed(chunks: Iterable[bytes]) -> tuple[IO[bytes], int]:
    """One zstd frame of it all in a scratch file, which stands at its end, and how long it was before."""
    frame, size = scratch(), 0
    with zstandard.ZstdCompressor(level=9).stream_writer(frame, closefd=False) as writer:
        for chunk in chunks:
            size += len(chunk)
            writer.write(chunk)
    return frame, size


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(BUFFER_BYTES):
        yield chunk


def bound(name: str, head: bytes) -> bytes:
    """What is bound to the body of a manifest."""
    return manifest_name(name).encode() + b"\0" + head


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a manifest as it stands in the object, and what it says. `key_id` is `NO_KEY` for none."""

    header: Header
    raw: bytes
    body_bytes: int
    key_id: UUID
    nonce: bytes


def read_head(file: IO[bytes], name: str) -> Head:
    """The head of the manifest of the copy `name`, none of it proven yet. Raises `CopyDamaged`, `FormatUnknown`."""
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if ANY_MAGIC.fullmatch(magic):
            raise FormatUnknown(object=manifest_name(name))
        raise damaged(name, "An object is not a manifest.")
    length = file.read(U32.size)
    size = U32.unpack(length)[0] if len(length) == U32.size else 0
    text = file.read(size) if 0 < size <= MOST_HEADER_BYTES else b""
    try:
        told = json.loads(text.decode())
        if told["format"] != FORMAT or told["encryption"] not in (None, CIPHER):
            raise FormatUnknown(object=manifest_name(name))
        header = _header(told)
        key_id, nonce = _key(told)
        body_bytes = _count(told["body_bytes"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(name, "The header of a manifest cannot be read.") from error
    if header.name != name:
        raise damaged(name, "A manifest lies in another copy's place.")
    return Head(header, magic + length + text, body_bytes, key_id, nonce)


def _can_be_read(head: bytes, name: str) -> bool:
    try:
        return read_head(BytesIO(head), name).raw == head
    except CopyDamaged:
        return False


def _header(told: dict[str, Any]) -> Header:
    created_at = datetime.fromisoformat(told["created_at"])
    if created_at.tzinfo is None:
        raise ValueError("a time has a time zone")
    return Header(
        id=UUID(told["id"]),
        name=_line(told["name"], 100),
        workspace=_line(told["workspace"], 63),
        writer=UUID(told["writer"]),
        kind=_line(told["kind"], 16),
        created_at=created_at.astimezone(UTC),
        parent=UUID(told["parent"]) if told["parent"] is not None else None,
        files=_count(told["files"]),
        size_bytes=_count(told["size_bytes"]),
        vector=_vector(told.get("vector", {})),
    )


def _vector(told: Any) -> dict[UUID, UUID]:
    vector = vector_of(told)
    if len(vector) > MOST_WRITERS:
        raise ValueError("a version vector has fewer writers")
    return vector


def _key(told: dict[str, Any]) -> tuple[UUID, bytes]:
    if told["encryption"] is None:
        return NO_KEY, bytes(NONCE_BYTES)
    key_id, nonce = UUID(told["key_id"]), bytes.fromhex(told["nonce"])
    if key_id == NO_KEY or len(nonce) != NONCE_BYTES:
        raise ValueError("a key id is not zero, and a nonce has 12 bytes")
    return key_id, nonce


def _line(value: Any, most: int) -> str:
    """The text that a value of JSON is, of at most so many characters. Raises ValueError."""
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise ValueError("this is no text, or one that is too long")
    value.encode()
    return value


def details_of(told: dict[str, Any]) -> Details:
    """Raises ValueError, KeyError, TypeError for what cannot be; what it does not know is passed over."""
    tags, sequence = told["tags"], told["sequence"]
    if not isinstance(tags, list) or len(tags) > MOST_TAGS or type(sequence) is not int or not 0 <= sequence < 1 << 63:
        raise ValueError("these are no details")
    return Details(
        sequence=sequence,
        epoch=_line(told["epoch"], 64),
        message=_line(told["message"], 1000),
        tags=tuple(_line(tag, 64) for tag in tags),
        actor=_line(told["actor"], 200),
        is_pinned=told["is_pinned"] is True,
    )


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(value)
    return value


def damaged(name: str, sentence: str) -> CopyDamaged:
    return CopyDamaged(sentence, object=manifest_name(name))
