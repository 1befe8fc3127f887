"""One sync of a folder at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memoryhub.client.folder.errors import FolderInUse


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Holds the lock; the kernel lets go of it when the process ends. Raises `FolderInUse`."""
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse("Another sync of this folder is running.") from None
        yield
