"""Opening manifests of whatever origin: nothing of one is believed before it is proven, nothing grows before it is
bounded.
"""

import hashlib
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO
from uuid import UUID

import zstandard

from apps.common.errors import StorageFull
from apps.files.errors import BadPath
from apps.files.paths import MAX_PATH_BYTES
from apps.snapshots.format.columns import BUFFER_BYTES, ColumnReader, limited, scratch
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.manifests import (
    COLUMNS,
    DIGEST_BYTES,
    MOST_CHUNKS,
    MOST_DETAIL_BYTES,
    MOST_PACKS,
    MOST_TYPE_BYTES,
    MOST_TYPES,
    U32,
    U64,
    ChunkRef,
    Entry,
    Head,
    PackRef,
    bound,
    broken_rule,
    damaged,
    details_of,
    is_bomb,
    read_head,
)
from apps.snapshots.format.packs import MOST_STORED_BYTES
from apps.snapshots.format.sealing import MOST_WINDOW_BYTES, NO_KEY, Seal


def open_manifest(file: IO[bytes], name: str, seal_of: Callable[[UUID], Seal]) -> "Manifest":
    """The manifest of the copy `name`, its bytes proven. `seal_of` finds the seal by the key's id.

    `file` is not needed any more afterwards. Raises `CopyDamaged`, `FormatUnknown`, `StorageFull` where there is no
    room for it to be unpacked, and what `seal_of` raises.
    """
    file.seek(0)
    head = read_head(file, name)
    digest, stored = _proven(file, name, len(head.raw))
    if is_bomb(head.body_bytes, stored):
        raise damaged(name, "A manifest says that it is far longer than it can be.")
    seal = seal_of(head.key_id)
    if seal.key_id != head.key_id:
        raise damaged(name, "Another key than the manifest's was found for it.")
    _require_room(head.body_bytes + (stored if head.key_id != NO_KEY else 0))
    file.seek(len(head.raw))
    with _frame(file, stored, head, seal) as frame:
        body = _unpacked(frame, head)
    try:
        return Manifest(head, body, digest)
    except BaseException:
        body.close()
        raise


def _proven(file: IO[bytes], name: str, head_bytes: int) -> tuple[bytes, int]:
    """The digest at the end of the file, which is that of all before it, and the length of the stored body."""
    size = file.seek(0, os.SEEK_END)
    stored = size - DIGEST_BYTES - head_bytes
    if stored < 0:
        raise damaged(name, "A manifest ends early.")
    file.seek(0)
    digest = hashlib.sha256()
    for chunk in limited(file, size - DIGEST_BYTES):
        digest.update(chunk)
    if file.read() != digest.digest():
        raise damaged(name, "A manifest does not have its sha256.")
    return digest.digest(), stored


def _require_room(size_bytes: int) -> None:
    """Raises `StorageFull`."""
    folder = tempfile.gettempdir()
    if size_bytes > shutil.disk_usage(folder).free:
        raise StorageFull(f"Unpacking the manifest takes {size_bytes} bytes, and {folder} has less room.")


def _frame(file: IO[bytes], stored: int, head: Head, seal: Seal) -> IO[bytes]:
    """The compressed body, opened: all of it is proven before any of it is looked at."""
    frame = scratch()
    try:
        for chunk in seal.opened(limited(file, stored), head.nonce, bound(head.header.name, head.raw)):
            frame.write(chunk)
    except CopyDamaged as error:
        frame.close()
        raise damaged(head.header.name, error.detail) from error
    frame.seek(0)
    return frame


def _unpacked(frame: IO[bytes], head: Head) -> IO[bytes]:
    """The body, which has exactly the length that the head says."""
    body, left = scratch(), head.body_bytes
    try:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES)
        with decompressor.stream_reader(frame, closefd=False) as reader:
            while chunk := reader.read(min(BUFFER_BYTES, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                body.write(chunk)
    except zstandard.ZstdError as error:
        body.close()
        raise damaged(head.header.name, "A manifest cannot be decompressed.") from error
    if left:
        body.close()
        raise damaged(head.header.name, "A manifest does not have the length that it says.")
    return body


class Manifest:
    """A manifest whose bytes are proven. `check` it before relying on what it says. For one thread at a time."""

    def __init__(self, head: Head, body: IO[bytes], digest: bytes) -> None:
        self.header = head.header
        self.key_id = head.key_id
        self.digest = digest
        self._body = body
        try:
            body.seek(0)
            (size,) = U32.unpack(body.read(U32.size))
            if size > MOST_DETAIL_BYTES:
                raise ValueError("the details are too long")
            self.details = details_of(json.loads(body.read(size).decode()))
            self._spans = self._found_spans(U32.size + size, head.body_bytes)
        except (ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
            raise self.wrong("The details of a manifest cannot be read.") from error
        self.packs = list(self._read_packs())

    def close(self) -> None:
        self._body.close()

    def check(self) -> None:
        """Reads it through once. Raises `CopyDamaged` for whatever cannot be: bad paths, sums that do not agree."""
        files = size_bytes = 0
        for entry in self.entries():
            files += 1
            size_bytes += entry.size_bytes
        if (files, size_bytes) != (self.header.files, self.header.size_bytes):
            raise self.wrong("A manifest does not hold as much as its header says.")

    def entries(self) -> Iterator[Entry]:
        """Every file, in the order of the paths' bytes. Raises `CopyDamaged` where one cannot be."""
        chunks = _Chunks(self)
        types = _Types(self)
        rows = zip(
            self.column("paths").texts(MAX_PATH_BYTES),
            self.column("sizes").numbers(),
            self.column("digests").data(DIGEST_BYTES),
            self.column("times").differences(),
            self.column("types").numbers(),
            self.column("counts").numbers(),
            strict=True,
        )
        last = b""
        try:
            for path, size, sha256, changed_at, kind, count in rows:
                if path <= last:
                    raise self.wrong("The paths of a manifest are out of order.")
                last = path
                content_type = types.named(kind)
                entry = Entry(path.decode(), sha256, size, content_type, changed_at, chunks.of(size, sha256, count))
                if rule := broken_rule(entry):
                    raise self.wrong(rule)
                yield entry
            chunks.check_end()
            types.check_end()
        except BadPath as error:
            raise self.wrong("A manifest names a path that is not allowed.") from error
        except ValueError as error:
            raise self.wrong("The columns of a manifest do not fit each other.") from error

    def _read_packs(self) -> Iterator[PackRef]:
        digests, sizes = self.column("objects").data(DIGEST_BYTES), self.column("object_sizes").numbers()
        start, end = self._spans["objects"]
        if end - start > MOST_PACKS * DIGEST_BYTES:
            raise self.wrong("A manifest lists more packs than any.")
        try:
            for digest, stored_bytes in zip(digests, sizes, strict=True):
                if stored_bytes > MOST_STORED_BYTES:
                    raise self.wrong("A manifest lists a pack that cannot be.")
                yield PackRef(digest, stored_bytes)
        except ValueError as error:
            raise self.wrong("The columns of a manifest do not fit each other.") from error

    def _found_spans(self, at: int, end: int) -> dict[str, tuple[int, int]]:
        spans = {}
        for name in COLUMNS:
            self._body.seek(at)
            (size,) = U64.unpack(self._body.read(U64.size))
            at += U64.size
            spans[name] = (at, at + size)
            at += size
        if at != end:
            raise self.wrong("The columns of a manifest do not fit it.")
        return spans

    def column(self, name: str) -> ColumnReader:
        return ColumnReader(self._body, *self._spans[name])

    def wrong(self, sentence: str) -> CopyDamaged:
        return damaged(self.header.name, sentence)


class _Chunks:
    """Where the chunks of one file after the other lie. Raises `CopyDamaged`, and ValueError where columns end."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._packs = len(manifest.packs)
        self._places = zip(
            manifest.column("packs").differences(), manifest.column("indexes").differences(), strict=True
        )
        self._pieces = zip(
            manifest.column("piece_sizes").numbers(), manifest.column("piece_digests").data(DIGEST_BYTES), strict=True
        )

    def of(self, size_bytes: int, sha256: bytes, count: int) -> tuple[ChunkRef, ...]:
        """Those of the next file."""
        if count == 1:
            return (self._chunk(size_bytes, sha256),)
        if count > MOST_CHUNKS:
            raise self._manifest.wrong("A file of a manifest has more chunks than any.")
        chunks = tuple(self._chunk(size, digest) for size, digest in islice(self._pieces, count))
        if len(chunks) != count:
            raise ValueError("there are fewer pieces than chunks")
        return chunks

    def _chunk(self, size_bytes: int, sha256: bytes) -> ChunkRef:
        pack, index = next(self._places, (-1, -1))
        if not 0 <= pack < self._packs or index < 0:
            raise self._manifest.wrong("A manifest names a pack that it does not list.")
        return ChunkRef(pack, index, size_bytes, sha256)

    def check_end(self) -> None:
        if any(True for _ in self._places) or any(True for _ in self._pieces):
            raise ValueError("there are more chunks than the files have")


class _Types:
    """The content types of one file after the other. Raises ValueError for what cannot be."""

    def __init__(self, manifest: Manifest) -> None:
        self._texts = manifest.column("texts").texts(MOST_TYPE_BYTES)
        self._known: list[str] = []

    def named(self, number: int) -> str:
        """That of the next file, which says this number of its type."""
        if number:
            if number > len(self._known):
                raise ValueError("there is no type of this number yet")
            return self._known[number - 1]
        text = next(self._texts, None)
        if text is None:
            raise ValueError("there are fewer types than named")
        content_type = text.decode()
        if len(self._known) < MOST_TYPES:
            self._known.append(content_type)
        return content_type

    def check_end(self) -> None:
        if any(True for _ in self._texts):
            raise ValueError("there are more types than named")
