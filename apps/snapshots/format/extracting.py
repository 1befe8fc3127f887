"""Writes the files of a copy into a directory, and nowhere else."""

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Protocol

from apps.common.errors import DomainError, NotFound
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.manifests import Entry
from apps.snapshots.format.reading import NO_ROOM, by_packs

Tell = Callable[[Entry, str], None]
"""Called after each file, with why it could not be extracted; with nothing where it was."""
PARTS_PREFIX = ".memoryhub-extract-"
"""Of the folder, in the directory, in which files lie until they are whole."""
COARSEST_TICK_S = 2.5
"""Of the clocks of file systems: most tick every few milliseconds, FAT every 2 s."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EEXIST})


class Source(Protocol):
    """What files are extracted from: `CopyReader`, or what has its methods."""

    def entries(self, prefix: str = "") -> Iterator[Entry]: ...

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]: ...


class CannotExtract(DomainError):
    """All of them, or the one that the detail names."""

    code, status, title = "cannot_extract", 409, "The directory cannot take the files"


@dataclass(slots=True)
class Extracted:
    """Files that are there now, their bytes, and files that are not."""

    files: int = 0
    size_bytes: int = 0
    problems: int = 0


def extract(
    source: Source,
    directory: Path,
    *,
    prefix: str = "",
    overwrite: bool = False,
    keep_going: bool = False,
    tell: Tell = lambda _entry, _problem: None,
) -> Extracted:
    """Writes the files below `prefix` (as `CopyReader.entries`) under their whole paths, the latest change as mtime.

    The directory is made, or is empty; `overwrite` takes any, and replaces the files that have a name of the copy's.
    Nothing is written outside it, whatever links lie in it. A file has its name only when it is whole and proven.
    `keep_going` goes on past files that are damaged or cannot be written.

    Raises `NotFound` where the copy has nothing there, `CannotExtract`, and what `CopyReader.contents` raises.
    """
    wanted, replaced_bytes = _wanted(source, prefix, directory)
    if prefix and not wanted.files:
        raise NotFound("The copy holds nothing under this path.")
    _require_room(directory, wanted.size_bytes - replaced_bytes)
    done = Extracted()
    with _opened(directory, overwrite=overwrite) as root, _Tree(root) as tree:
        for entry, content in source.contents(by_packs(source.entries(prefix))):
            try:
                tree.write(entry, content)
            except (CopyDamaged, _NotWritten) as error:
                if not keep_going:
                    raise _stopping(entry, error) from error
                done.problems += 1
                tell(entry, str(error))
            except OSError as error:
                raise _stopped(directory, error, done, wanted) from error
            else:
                done.files += 1
                done.size_bytes += entry.size_bytes
                tell(entry, "")
    return done


def _wanted(source: Source, prefix: str, directory: Path) -> tuple[Extracted, int]:
    """What is to be there at the end, and how many bytes of it take the room of files that are there already."""
    wanted, replaced_bytes = Extracted(), 0
    is_there = directory.exists()
    for entry in source.entries(prefix):
        wanted.files += 1
        wanted.size_bytes += entry.size_bytes
        if is_there:
            with suppress(OSError):
                replaced_bytes += min(entry.size_bytes, (directory / entry.path).lstat().st_size)
    return wanted, replaced_bytes


def _require_room(directory: Path, size_bytes: int) -> None:
    """Raises `CannotExtract` where less is free, before anything is written."""
    above = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    free = shutil.disk_usage(above).free
    if size_bytes > free:
        raise CannotExtract(f"The files need {size_bytes} bytes, and {directory} has room for {free}.")


@contextmanager
def _opened(directory: Path, *, overwrite: bool) -> Iterator[int]:
    """The directory, made where there is none. Raises `CannotExtract`."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CannotExtract(f"{directory} cannot be a directory for the files: {error.strerror}.") from error
    try:
        with os.scandir(root) as found:
            is_empty = next(found, None) is None
        if not is_empty and not overwrite:
            raise CannotExtract(f"{directory} is not empty: name another directory, or say that it may be overwritten.")
        yield root
    finally:
        os.close(root)


def _stopping(entry: Entry, error: "CopyDamaged | _NotWritten") -> Exception:
    if isinstance(error, CopyDamaged):
        return CopyDamaged(f"{entry.path}: {error}", **error.fields)
    return CannotExtract(f"{entry.path}: {error}")


def _stopped(directory: Path, error: OSError, done: Extracted, wanted: Extracted) -> CannotExtract:
    so_far = f"{done.files} of {wanted.files} files are there"
    if error.errno in NO_ROOM:
        return CannotExtract(f"There is no room left in {directory}: {so_far}.")
    return CannotExtract(f"{directory} cannot be written to any more ({error.strerror}): {so_far}.")


class _NotWritten(Exception):
    """A file cannot be written under its name; others may."""


class _Tree:
    """The directory. Every step down opens a folder that is none but a folder: links lead nowhere."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._folder_path: list[bytes] = []
        self._folder = root
        self._parts_name = os.fsencode(PARTS_PREFIX + token_hex(8))
        self._parts = root

    def __enter__(self) -> "_Tree":
        os.mkdir(self._parts_name, 0o700, dir_fd=self._root)
        self._parts = os.open(self._parts_name, _FOLDER, dir_fd=self._root)
        self._began_ns = os.fstat(self._parts).st_ctime_ns
        self._await_tick()
        return self

    def _await_tick(self) -> None:
        """What has a later time than the beginning was written by this run: until the file system gives such a time."""
        deadline = time.monotonic() + COARSEST_TICK_S
        while os.fstat(self._parts).st_ctime_ns == self._began_ns and time.monotonic() < deadline:
            time.sleep(0.001)
            os.utime(self._parts)

    def __exit__(self, *_: object) -> None:
        self._leave()
        os.close(self._parts)
        with suppress(OSError):
            os.rmdir(self._parts_name, dir_fd=self._root)

    def write(self, entry: Entry, content: Iterable[bytes]) -> None:
        """Raises `CopyDamaged` as `content` does, `_NotWritten`, and OSError where nothing can be written any more."""
        *folders, name = entry.path.encode().split(b"/")
        part = os.open(b"part", _NEW_FILE, 0o666, dir_fd=self._parts)
        try:
            with os.fdopen(part, "wb", buffering=0) as file:
                for chunk in content:
                    _write_all(file.fileno(), chunk)
                with suppress(OSError, OverflowError):
                    os.utime(file.fileno(), ns=(entry.changed_at * 1_000_000,) * 2)
            self._enter(folders)
            self._make_way(name)
            with _naming():
                os.rename(b"part", name, src_dir_fd=self._parts, dst_dir_fd=self._folder)
        except BaseException:
            os.unlink(b"part", dir_fd=self._parts)
            raise

    def _make_way(self, name: bytes) -> None:
        """A link of the name is replaced itself, not what it leads to. Raises `_NotWritten`."""
        with _naming():
            try:
                found = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            except FileNotFoundError:
                return
        if stat.S_ISDIR(found.st_mode):
            raise _NotWritten("a folder has its name")
        if found.st_ctime_ns > self._began_ns:
            raise _NotWritten("this file system takes its name for that of another file")

    def _enter(self, folders: list[bytes]) -> None:
        """Goes into a folder, which is made where it is missing. Raises `_NotWritten`."""
        if folders == self._folder_path:
            return
        self._leave()
        try:
            for name in folders:
                self._enter_one(name)
        except BaseException:
            self._leave()
            raise
        self._folder_path = folders

    def _enter_one(self, name: bytes) -> None:
        with _naming():
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=self._folder)
            below = os.open(name, _FOLDER, dir_fd=self._folder)
        self._close_folder()
        self._folder = below

    def _leave(self) -> None:
        self._close_folder()
        self._folder, self._folder_path = self._root, []

    def _close_folder(self) -> None:
        if self._folder != self._root:
            os.close(self._folder)


@contextmanager
def _naming() -> Iterator[None]:
    """What is wrong with a name, or its place, is a matter of one file. Raises `_NotWritten`."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM or error.errno in (errno.EIO, errno.EROFS):
            raise
        if error.errno in _IN_THE_WAY:
            raise _NotWritten("a file or a link has the name of one of its folders") from error
        raise _NotWritten(f"it cannot have its name here ({error.strerror})") from error


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
