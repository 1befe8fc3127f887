"""What lies in a folder."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from memoryhub.client.folder.ignoring import Ignored


@dataclass(frozen=True, slots=True)
class Found:
    """A file by its path below the folder, and what tells whether it has been touched."""

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> "Found":
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino)


def scan(root: Path, ignored: Ignored, skipped: Callable[[str, str], None]) -> Iterator[Found]:
    """The regular files of a folder. `skipped` is told the path and the reason of what cannot be synced.

    Symbolic links are not followed. A folder that cannot be read raises OSError: what is in it must not pass for
    deleted.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not _is_text(path):
                    skipped(os.fsencode(path).decode("utf-8", "backslashreplace"), "its name is not UTF-8")
                elif entry.is_symlink():
                    if not ignored.file(path):
                        skipped(path, "it is a symbolic link")
                elif entry.is_dir():
                    if not ignored.folder(path):
                        folders.append(path)
                elif not ignored.file(path):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield Found.of(path, status)
                    else:
                        skipped(path, "it is no ordinary file")


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
