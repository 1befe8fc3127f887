"""Takes a request body in, once, hashing as it comes: small ones in memory, others in a file."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from apps.blobs.errors import refusal_of_disk
from apps.common.errors import IncompleteBody

CHUNK_BYTES = 256 * 1024
SPOOL_PREFIX = "memoryhub-spool-"
"""Of every file that holds bytes on their way: what a killed process left is found by it."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Spooled:
    """A whole body: in `data`, or in the file at `path`, which ends with the block that spooled it."""

    sha256: bytes
    md5: bytes
    size_bytes: int
    data: bytes | None
    path: Path | None


@contextmanager
def spooled(stream: Readable, size_bytes: int, *, memory_bytes: int, directory: Path | None) -> Iterator[Spooled]:
    """Reads exactly `size_bytes` from the stream.

    At most `memory_bytes` are held in memory; more go to a temporary file in `directory`. Raises `IncompleteBody` when
    the stream ends early, `StorageFull` or `Unavailable` for the file.
    """
    if size_bytes <= memory_bytes:
        data = read_all(stream, size_bytes)
        yield Spooled(_sha256(data), _md5(data), size_bytes, data, None)
        return
    with _spool_file(directory) as file:
        path = Path(file.name)
        try:
            sha256, md5 = _copy(stream, file, size_bytes)
            yield Spooled(sha256, md5, size_bytes, None, path)
        finally:
            path.unlink(missing_ok=True)


def _spool_file(directory: Path | None) -> "tempfile._TemporaryFileWrapper[bytes]":
    try:
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a full disk shows at the write, not when the file is closed.
        return tempfile.NamedTemporaryFile(prefix=SPOOL_PREFIX, dir=directory, delete=False, buffering=0)
    except OSError as error:
        raise refusal_of_disk(error, "take a body in") from error


def read_all(stream: Readable, size_bytes: int) -> bytes:
    """Exactly `size_bytes` from the stream. Raises `IncompleteBody`."""
    data = stream.read(size_bytes) if size_bytes else b""
    while len(data) < size_bytes:
        more = stream.read(size_bytes - len(data))
        if not more:
            raise IncompleteBody
        data += more
    return data


def _copy(stream: Readable, file: IO[bytes], size_bytes: int) -> tuple[bytes, bytes]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    left = size_bytes
    while left:
        chunk = stream.read(min(CHUNK_BYTES, left))
        if not chunk:
            raise IncompleteBody
        _write(file, chunk)
        sha256.update(chunk)
        md5.update(chunk)
        left -= len(chunk)
    return sha256.digest(), md5.digest()


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        while chunk:
            chunk = chunk[file.write(chunk) :]
    except OSError as error:
        raise refusal_of_disk(error, "take a body in") from error


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
