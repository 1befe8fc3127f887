"""Files that the hub and the folder spell differently. Pure."""

from collections.abc import Iterable

from memoryhub.client.folder.filesystems import FileSystem
from memoryhub.client.folder.scanning import Found


class Spelling:
    """Which path a name in the folder stands for, on a file system that takes several spellings for one name."""

    def __init__(self, names: FileSystem, paths: Iterable[str]) -> None:
        """Of `paths` that are one file, the first stands for it. They are not read where no two can be one."""
        self._names = names
        self._known: dict[str, str] = {}
        for path in () if names.is_exact else paths:
            self._known.setdefault(names.key(path), path)

    def of(self, found: Found) -> Found:
        """The file under the path that it stands for."""
        return found._replace(path=self._first(found.path)) if self._known else found

    def is_taken(self, path: str) -> bool:
        """Whether another path stands for the file of this one."""
        return self._first(path) != path

    def _first(self, path: str) -> str:
        return self._known.get(self._names.key(path), path) if self._known else path
