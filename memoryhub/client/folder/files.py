"""Writing into a folder so that nothing is ever lost: whole files only, and what they replace goes to the trash."""

import hashlib
import os
import shutil
import stat
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from memoryhub.client.folder.flushing import flush_folder
from memoryhub.client.folder.ignoring import OWN_FOLDER
from memoryhub.client.folder.scanning import Found

CHUNK_BYTES = 1024 * 1024


class InTheWay(Exception):
    """A file cannot be put or taken as it is: the folder is not as it was when it was looked at, or cannot hold it."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """How the file system of a folder treats names."""

    folds_case: bool
    folds_accents: bool
    """Whether composed and decomposed spellings name the same file."""
    clock_grain_ns: int
    """A file may change again within so many nanoseconds of its time stamp and look the same."""

    def key(self, path: str) -> str:
        """Equal for paths that name the same file."""
        if self.folds_accents:
            path = unicodedata.normalize("NFC", path)
        return path.casefold() if self.folds_case else path


def probe(folder: Path) -> FileSystem:
    """Finds out by trying, in a folder of our own."""
    upper, composed = folder / "Probe-A", folder / "probe-\u00e9"
    for name in (upper, composed):
        name.touch()
    # FAT knows even seconds only; where fractions are kept, a stamp is that of the kernel's last tick.
    has_fractions = any(name.stat().st_mtime_ns % 10_000_000 for name in (upper, composed))
    grain_ns = 20_000_000 if has_fractions else 2_000_000_000
    try:
        return FileSystem((folder / "probe-a").exists(), (folder / "probe-e\u0301").exists(), grain_ns)
    finally:
        for name in (upper, composed):
            name.unlink(missing_ok=True)


class Tree:
    """The files of a folder, by their paths below it."""

    def __init__(self, root: Path, *, now: datetime) -> None:
        self.root = root
        self._own = root / OWN_FOLDER
        self._trash = self._own / "trash" / now.strftime("%Y-%m-%d")
        self.parts = self._own / "parts"

    def prepare(self) -> None:
        """Makes our own folders; what killed runs left half written is removed."""
        self._own.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self.parts, ignore_errors=True)
        self.parts.mkdir()

    def found(self, path: str) -> Found | None:
        """The file as it is now. Raises `InTheWay` where it could only be reached through a link or is no file."""
        self._check_way(path)
        try:
            status = (self.root / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise InTheWay("there is something that is no ordinary file")
        return Found.of(path, status)

    def read(self, found: Found) -> bytes:
        """The bytes of a file that is still as it was found. Raises `InTheWay`."""
        try:
            data = (self.root / found.path).read_bytes()
        except OSError as error:
            raise InTheWay(f"it cannot be read: {error.strerror}") from error
        self.check_unchanged(found)
        return data

    def sha256(self, found: Found) -> str:
        """Of a file that is still as it was found. Raises `InTheWay`."""
        try:
            with (self.root / found.path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise InTheWay(f"it cannot be read: {error.strerror}") from error
        self.check_unchanged(found)
        return digest.hexdigest()

    def place(self, part: Path, path: str, *, instead_of: Found | None) -> Found:
        """Moves a whole and flushed file to its place; what was there is in the trash then, and was never missing.

        Raises `InTheWay` where somebody has changed the place since `instead_of` was found: then all is as it was.
        """
        target = self.root / path
        self._make_way(path)
        if instead_of is None:
            part.chmod(0o644)
            self._link(part, target)
            part.unlink(missing_ok=True)
        else:
            # Whoever may run or read the old file may the new one.
            part.chmod(stat.S_IMODE(target.lstat().st_mode))
            self._copy(target, self._grave(path))
            self.check_unchanged(instead_of)
            part.replace(target)
        return Found.of(path, target.lstat())

    def discard(self, found: Found) -> None:
        """Moves a file to the trash, if it is as it was found, with the folders that it leaves empty.

        Raises `InTheWay`.
        """
        self._bury(found)
        self._remove_empty_folders(found.path)

    def flush(self, paths: Iterable[str]) -> None:
        """What was placed under these names stays there, also when the power goes."""
        for folder in {(self.root / path).parent for path in paths}:
            # A folder that somebody has just removed needs no flush.
            with suppress(FileNotFoundError):
                flush_folder(folder)

    def rename(self, found: Found, path: str) -> None:
        """Gives a file another name. Raises `InTheWay`."""
        self.check_unchanged(found)
        self._link(self.root / found.path, self.root / path)
        (self.root / found.path).unlink(missing_ok=True)

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.root / path)

    def _bury(self, found: Found) -> None:
        self.check_unchanged(found)
        (self.root / found.path).rename(self._grave(found.path))

    def _grave(self, path: str) -> Path:
        """A free place in the trash."""
        grave = self._free_name(self._trash / path)
        grave.parent.mkdir(parents=True, exist_ok=True)
        return grave

    @staticmethod
    def _copy(source: Path, copy: Path) -> None:
        """A second name for the same file, where the file system has such."""
        try:
            os.link(source, copy)
        except OSError:
            shutil.copy2(source, copy)

    @staticmethod
    def _link(source: Path, target: Path) -> None:
        """The file under a free name; the old name is gone where the file system has no links."""
        try:
            os.link(source, target)
        except FileExistsError:
            raise InTheWay(f"somebody has just written {target.name}") from None
        except OSError:
            if os.path.lexists(target):
                raise InTheWay(f"somebody has just written {target.name}") from None
            source.rename(target)

    def check_unchanged(self, found: Found) -> None:
        """Raises `InTheWay` where a file is no longer as it was found."""
        if self.found(found.path) != found:
            raise InTheWay("it was changed just now")

    def _check_way(self, path: str) -> None:
        """A path from the hub must not lead out of the folder."""
        segments = path.split("/")
        if any(segment in ("", ".", "..") for segment in segments) or "\0" in path:
            raise InTheWay("it is no path below the folder")
        folder = self.root
        for segment in segments[:-1]:
            folder /= segment
            if folder.is_symlink():
                raise InTheWay(f"{folder.relative_to(self.root)} is a symbolic link")

    def _make_way(self, path: str) -> None:
        self._check_way(path)
        try:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InTheWay("a file has the name of one of its folders") from None
        if (self.root / path).is_dir():
            raise InTheWay("a folder has its name")

    def _remove_empty_folders(self, path: str) -> None:
        with suppress(OSError):
            for folder in (self.root / path).parents:
                if folder == self.root:
                    return
                folder.rmdir()

    @staticmethod
    def _free_name(wished: Path) -> Path:
        name, number = wished, 1
        while os.path.lexists(name):
            number += 1
            name = wished.with_name(f"{wished.stem}~{number}{wished.suffix}")
        return name
