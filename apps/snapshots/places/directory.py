"""Copies in a directory of this machine: a mounted disk, a share, or what rsync carries on."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self
from uuid import uuid4

from django.core.files import File
from django.core.files.base import ContentFile

from apps.blobs.local import LocalBlobStorage, sync_folder
from apps.blobs.spooling import CHUNK_BYTES, SPOOL_PREFIX
from apps.snapshots.places.base import Listed, Place, Reading, joined
from apps.snapshots.places.errors import ObjectExists, ObjectMissing, TargetDenied, TargetUnavailable, told_of_disk
from apps.snapshots.places.walking import walk

LEFT_OVER_AFTER_S = 24 * 3600.0
ATTEMPTS = 100
"""Of a rename into a folder that others remove whenever it is empty."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class TargetDirectory(LocalBlobStorage):
    """A directory in which names can be taken once only, and folders come and go."""

    def save_whole(self, name: str, content: File, *, fresh: bool) -> None:
        """As `save`, for one more rename, but whoever removes the folder meanwhile does not stop it.

        `fresh` raises `ObjectExists` for a name that is taken, where the file system has hard links.
        """
        whole = Path(self.path(self.save(f"{self.spool_directory.name}/{SPOOL_PREFIX}{uuid4().hex}", content)))
        target = Path(self.path(name))
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._make_folders(target.parent)
                    (self._link if fresh else Path.replace)(whole, target)
                    break
                except FileNotFoundError:
                    if attempt == ATTEMPTS:
                        raise
        finally:
            whole.unlink(missing_ok=True)
        # Gone again, if somebody has deleted the object since.
        with suppress(FileNotFoundError):
            sync_folder(target.parent)

    def _link(self, whole: Path, target: Path) -> None:
        try:
            os.link(whole, target)
        except FileExistsError as error:
            raise ObjectExists from error
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # exFAT, and some shares. As a server that does not know the condition, it replaces.
            whole.replace(target)

    def remove(self, name: str) -> None:
        """Removes a file, durably, and then the folders that became empty. Raises FileNotFoundError."""
        path = Path(self.path(name))
        path.unlink()
        sync_folder(path.parent)
        with suppress(OSError):
            for folder in path.parents:
                if folder == Path(self.location):
                    break
                folder.rmdir()

    def clear_spool(self) -> None:
        """Removes what killed processes left a day ago."""
        for path in self.spool_directory.glob(f"{SPOOL_PREFIX}*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - LEFT_OVER_AFTER_S:
                    path.unlink()


class DirectoryPlace(Place):
    """A folder of a `TargetDirectory`. A name appears only when its bytes are whole and on the disk."""

    def __init__(self, storage: TargetDirectory, folder: str = "") -> None:
        super().__init__(folder)
        self._storage = storage

    def put(self, name: str, source: bytes | Path, *, fresh: bool = False) -> None:
        full = self._full(name)
        with _content(source) as content, told_of_disk("write"):
            self._require_surroundings()
            self._storage.clear_spool()
            if not fresh:
                # Unless another process deletes the last object of the folder, and the folder, at this moment.
                with suppress(FileNotFoundError):
                    self._storage.save(full, content)
                    return
                content.seek(0)
            self._storage.save_whole(full, content, fresh=fresh)

    def stat(self, name: str) -> Listed | None:
        with told_of_disk("read"):
            self._require_surroundings()
            return self._listed(self._full(name))

    def names(self, folder: str = "", *, behind: str = "") -> Iterator[Listed]:
        with told_of_disk("list"):
            self._require_surroundings()
            for full in walk(self._entries, self._full_folder(folder), joined(self._folder, behind)):
                listed = self._listed(full)
                if listed is not None:
                    yield listed

    def folders(self, folder: str = "") -> Iterator[str]:
        within = self._full_folder(folder)
        with told_of_disk("list"):
            self._require_surroundings()
            for name in sorted(name for name, is_folder in self._entries(within) if is_folder):
                if next(walk(self._entries, joined(within, name), ""), None) is not None:
                    yield name

    def delete(self, name: str) -> None:
        with told_of_disk("delete"):
            self._require_surroundings()
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._storage.remove(self._full(name))

    def below(self, folder: str) -> Self:
        return type(self)(self._storage, self._full(folder))

    def _open(self, full: str, *, first_bytes: int | None = None) -> Reading:
        with told_of_disk("read"):
            self._require_surroundings()
            if self._listed(full) is None:
                raise ObjectMissing
            try:
                # The file that it is now; a writer may put another under its name at any moment.
                descriptor = os.open(self._storage.path(full), os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError as error:
                raise ObjectMissing from error
            file = os.fdopen(descriptor, "rb")
            return Reading(os.fstat(descriptor).st_size, _chunks(file), file)

    def _full(self, name: str) -> str:
        full = super()._full(name)
        if self._is_temporary(full):
            raise ValueError(f"{name!r} is kept for files that are being written")
        return full

    def _is_temporary(self, full: str) -> bool:
        first, _, _ = full.partition("/")
        return first == self._storage.spool_directory.name or full.rpartition("/")[2].startswith(SPOOL_PREFIX)

    def _entries(self, folder: str) -> Iterator[tuple[str, bool]]:
        """What lies in a folder. Links are passed over: a copy must not lead out of its directory."""
        try:
            with os.scandir(self._storage.path(folder)) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    is_known = is_folder or entry.is_file(follow_symlinks=False)
                    if is_known and not self._is_temporary(joined(folder, entry.name)):
                        yield entry.name, is_folder
        except (FileNotFoundError, NotADirectoryError):
            return

    def _listed(self, full: str) -> Listed | None:
        try:
            found = os.lstat(self._storage.path(full))
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return Listed(self._own(full), found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _require_surroundings(self) -> None:
        """The directory itself is made by the first write. What it lies in must be there: perhaps it is not mounted."""
        directory = Path(self._storage.location)
        if not directory.parent.is_dir():
            raise TargetUnavailable("The directory in which the target lies is not there.")
        if directory.exists() and not directory.is_dir():
            raise TargetDenied("The target is a file, not a directory.")


@contextmanager
def _content(source: bytes | Path) -> Iterator[File]:
    if isinstance(source, bytes):
        yield ContentFile(source)
        return
    with source.open("rb") as file:
        # Without the file's own name, by which the storage would know it as spooled and move it away.
        yield File(file, name="content")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with told_of_disk("read"):
        yield from iter(partial(file.read, CHUNK_BYTES), b"")
