"""Objects in a directory of this machine."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage

from apps.blobs.spooling import CHUNK_BYTES, SPOOL_PREFIX


class LocalBlobStorage(FileSystemStorage):
    """A directory. What `save` returned for has reached the disk, name and bytes."""

    failures: tuple[type[Exception], ...] = ()

    @property
    def spool_directory(self) -> Path:
        """Where bodies are spooled: the same file system, so that a spooled file becomes an object by a rename."""
        return Path(self.location) / ".spool"

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The name itself: it must stay the one that the intent recorded, as in a bucket."""
        return name

    def _save(self, name: str, content: File) -> str:
        target = Path(self.path(name))
        self._make_folders(target.parent)
        source = self._spooled(content)
        with source.open("rb") as written:
            os.fsync(written.fileno())
        source.rename(target)
        sync_folder(target.parent)
        return name

    def _spooled(self, content: File) -> Path:
        """The content as a file of the spool directory: itself when it is one already, else a copy."""
        if content.name and Path(content.name).parent == self.spool_directory:
            return Path(content.name)
        self._make_folders(self.spool_directory)
        with tempfile.NamedTemporaryFile(prefix=SPOOL_PREFIX, dir=self.spool_directory, delete=False) as copy:
            try:
                shutil.copyfileobj(content, copy, CHUNK_BYTES)
            except OSError:
                Path(copy.name).unlink()
                raise
            return Path(copy.name)

    def _make_folders(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(mode=0o700, exist_ok=True)
            sync_folder(new.parent)

    def read_range(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """`size` bytes from `start` on, in chunks; fewer when the object is shorter."""
        with Path(self.path(name)).open("rb") as file:
            file.seek(start)
            while size and (chunk := file.read(min(CHUNK_BYTES, size))):
                size -= len(chunk)
                yield chunk


def sync_folder(folder: Path) -> None:
    """Makes what was created, renamed or removed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
