"""What lies in a folder."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from memoryhub.client.folder.ignoring import Ignored

Told = Callable[[str, str], None]
"""Is told a path and the reason why it is not among what was found."""


class Found(NamedTuple):
    """A file by its path below the folder, and what tells whether it has been touched. Cheap: there are many."""

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    ctime_ns: int
    """Shows also what puts the time back; but a file gets a new one as well when it gets another name."""

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> "Found":
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)

    def is_now(self, status: os.stat_result) -> bool:
        """Whether a file that has got another name since is still this one, as it was."""
        return (self.size_bytes, self.mtime_ns, self.inode) == (status.st_size, status.st_mtime_ns, status.st_ino)


def scan(root: Path, ignored: Ignored, skipped: Told, hidden: Told) -> Iterator[Found]:
    """The regular files of a folder. What vanishes meanwhile is not among them. Symbolic links are not followed.

    What is `hidden`, or lies below it, cannot be looked at, and must not pass for deleted. Raises OSError where that
    is the whole folder.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        for entry in _entries(root, folder, hidden):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_text(entry.name):
                skipped(os.fsencode(path).decode("utf-8", "backslashreplace"), "its name is not UTF-8")
            elif entry.is_dir(follow_symlinks=False):
                if not ignored.folder(path):
                    folders.append(path)
            elif not ignored.file_here(path, entry.name):
                found = _found(entry, path, skipped, hidden)
                if found is not None:
                    yield found


def _entries(root: Path, folder: str, hidden: Told) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            yield from entries
    except OSError as error:
        if not folder:
            raise
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            hidden(folder, _unreadable(error))


def _found(entry: os.DirEntry[str], path: str, skipped: Told, hidden: Told) -> Found | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        hidden(path, _unreadable(error))
        return None
    if stat.S_ISREG(status.st_mode):
        return Found.of(path, status)
    skipped(path, "it is a symbolic link" if stat.S_ISLNK(status.st_mode) else "it is no ordinary file")
    return None


def _unreadable(error: OSError) -> str:
    return f"it cannot be read: {error.strerror}"


def _is_text(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
