"""Objects in storage: written under fresh keys, read in ranges, their failures told in our words."""

import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import UUID

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from apps.blobs.content import StoredBlob
from apps.blobs.errors import BlobCorrupt, refusal_of_disk
from apps.blobs.spooling import CHUNK_BYTES, SPOOL_PREFIX
from apps.common.errors import Unavailable
from apps.common.ids import uuid7


def new_object_key(workspace_public_id: UUID) -> str:
    """A key that was never used. Its folder is random, so that folders of a local directory stay small."""
    fresh = uuid7().hex
    return f"{workspace_public_id.hex}/{fresh[-2:]}/{fresh}"


def spool_directory() -> Path | None:
    """Where bodies are best spooled for the storage in use, None for the system's temporary directory."""
    return getattr(storages["blobs"], "spool_directory", None)


@contextmanager
def scratch_file() -> Iterator[tuple[IO[bytes], Path]]:
    """An empty file where bodies are spooled, for what is too long for the memory; gone at the end of the block.

    `write_object` may move it away. Raises `Unavailable` or `StorageFull`.
    """
    directory = spool_directory()
    try:
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(prefix=SPOOL_PREFIX, dir=directory, delete=False)  # noqa: SIM115 - closed below
    except OSError as error:
        raise refusal_of_disk(error, "take bytes in") from error
    path = Path(file.name)
    try:
        with file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def clear_spool(*, older_than_s: float) -> int:
    """Removes spooled files that nobody has written to for so long: what killed processes left. How many."""
    directory = spool_directory() or Path(tempfile.gettempdir())
    removed = 0
    for path in directory.glob(f"{SPOOL_PREFIX}*"):
        # Another process may finish with its own file at this moment.
        with suppress(FileNotFoundError, PermissionError):
            if path.stat().st_mtime <= time.time() - older_than_s:
                path.unlink()
                removed += 1
    return removed


def write_object(key: str, source: bytes | Path) -> None:
    """Stores bytes, or a spooled file that the storage may move away; durable when this returns.

    Raises `Unavailable` or `StorageFull`.
    """
    with _told("write"):
        if isinstance(source, bytes):
            storages["blobs"].save(key, ContentFile(source))
        else:
            with source.open("rb") as file:
                storages["blobs"].save(key, File(file))


def read_object(key: str, start: int, size_bytes: int) -> Iterator[bytes]:
    """The bytes of a range in chunks. Raises `BlobCorrupt` where they are gone or too few, `Unavailable`."""
    left = size_bytes
    with _told("read"):
        for chunk in _chunks(key, start, size_bytes):
            left -= len(chunk)
            yield chunk
    if left:
        raise BlobCorrupt("The stored object is shorter than it was.")


def object_size(key: str) -> int:
    """Bytes that the storage has under a key. Raises `BlobCorrupt` where there is nothing, `Unavailable`."""
    with _told("read"):
        return storages["blobs"].size(key)


def delete_object(key: str) -> None:
    """Removes an object; one that is not there is fine. Raises `Unavailable`."""
    with _told("delete"):
        storages["blobs"].delete(key)


def blob_chunks(blob: StoredBlob, start: int, size_bytes: int) -> Iterator[bytes]:
    """A range of a blob's bytes. A whole read is hashed on the way; a damaged one fails before its last chunk."""
    if blob.inline is not None:
        yield blob.inline[start : start + size_bytes]
    elif blob.object_key is None:
        raise BlobCorrupt
    elif size_bytes < blob.size_bytes:
        yield from read_object(blob.object_key, start, size_bytes)
    else:
        yield from _verified(read_object(blob.object_key, 0, size_bytes), blob.sha256)


def _verified(chunks: Iterator[bytes], sha256: bytes) -> Iterator[bytes]:
    digest = hashlib.sha256()
    held = b""
    for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.digest() != sha256:
        raise BlobCorrupt("The stored bytes do not have their sha256.")
    yield held


def _chunks(key: str, start: int, size_bytes: int) -> Iterator[bytes]:
    storage = storages["blobs"]
    if hasattr(storage, "read_range"):
        yield from storage.read_range(key, start, size_bytes)
        return
    with storage.open(key) as file:
        file.seek(start)
        while size_bytes and (chunk := file.read(min(CHUNK_BYTES, size_bytes))):
            size_bytes -= len(chunk)
            yield chunk


@contextmanager
def _told(step: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobCorrupt("The stored object is gone.") from error
    except OSError as error:
        raise refusal_of_disk(error, step) from error
    except _failures() as error:
        if step == "read" and _means_gone(error):
            raise BlobCorrupt("The stored object is gone.") from error
        raise Unavailable(f"The blob storage failed to {step}.") from error


def _failures() -> tuple[type[Exception], ...]:
    """What the storage in use raises when its server fails; of a foreign storage nothing is known."""
    return getattr(storages["blobs"], "failures", (Exception,))


def _means_gone(error: Exception) -> bool:
    means_gone = getattr(storages["blobs"], "means_gone", None)
    return means_gone is not None and means_gone(error)
