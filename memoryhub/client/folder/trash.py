"""Where the files go that a sync replaces or deletes."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from memoryhub.client.folder.names import marked


class Trash:
    """The files of one day, by the paths that they had; what has the same path is told apart by a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def grave(self, path: str) -> Path:
        """A free name for a file, as like its path as can be. The folder of it is there."""
        folder = self._folder
        *parents, name = path.split("/")
        for parent in parents:
            # What was a folder today may have been a file before.
            folder = next(each for each in _numbered(folder / parent) if _may_be_folder(each))
        folder.mkdir(parents=True, exist_ok=True)
        return next(each for each in _numbered(folder / name) if not os.path.lexists(each))


def _numbered(wished: Path) -> Iterator[Path]:
    yield wished
    number = 1
    while True:
        number += 1
        yield wished.with_name(marked(wished.name, f"~{number}"))


def _may_be_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return True
