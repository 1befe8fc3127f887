"""Files of this machine: sent as they are read, and replaced whole."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from memoryhub.client.errors import ChangedWhileSent
from memoryhub.client.values import Content

CHUNK_BYTES = 256 * 1024
"""As much is read, sent, received and written at once."""


def digest_of(content: Content) -> tuple[bytes, int]:
    """The sha256 of bytes or of a file, which is read through, and their size. Raises OSError, TypeError."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest(), len(content)
    if not isinstance(content, Path):
        raise TypeError(f"The content of a file is bytes, or a Path to be read, not {type(content).__name__}.")
    with content.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return digest, file.tell()


def pieces(path: Path, size_bytes: int) -> Iterator[bytes]:
    """The first so many bytes: what is appended meanwhile belongs to another version.

    Raises `ChangedWhileSent` where there are fewer.
    """
    with path.open("rb") as file:
        while size_bytes:
            piece = file.read(min(CHUNK_BYTES, size_bytes))
            if not piece:
                raise ChangedWhileSent(f"{path} became shorter while it was sent.")
            size_bytes -= len(piece)
            yield piece


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the target's place at the end. Where that is not reached, the target is as it was.

    Call `flush` last.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".memoryhub-")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def flush(file: IO[bytes]) -> None:
    """Returns when the bytes are on the disk."""
    file.flush()
    os.fsync(file.fileno())
