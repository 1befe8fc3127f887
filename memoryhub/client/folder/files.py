"""Writing into a folder so that nothing is ever lost: whole files only, and what they replace goes to the trash."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from memoryhub.client.folder.flushing import flush_folder
from memoryhub.client.folder.ignoring import OWN_FOLDER
from memoryhub.client.folder.renaming import exchange, move_to_free_name, put_at_free_name
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.trash import Trash


class InTheWay(Exception):
    """A file cannot be put or taken as it is: the folder is not as it was when it was looked at, or cannot hold it."""


class NameTaken(InTheWay):
    """A file, with `path`, has the name of one of its folders; or it is a folder that has its own."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


class Tree:
    """The files of a folder, by their paths below it."""

    def __init__(self, root: Path, *, now: datetime) -> None:
        self.root = root
        self.parts = root / OWN_FOLDER / "parts"
        self._trash = Trash(root / OWN_FOLDER / "trash" / now.strftime("%Y-%m-%d"))

    def prepare(self) -> None:
        """Makes the folder of parts anew: what killed runs left half written is removed."""
        shutil.rmtree(self.parts, ignore_errors=True)
        self.parts.mkdir(parents=True)

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

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder, and no link to one."""
        place = self.root / path
        return place.is_dir() and not place.is_symlink()

    def is_gone(self, path: str) -> bool:
        """Whether there is no file any more. Raises `InTheWay` where something hides that, such as a link."""
        self._check_way(path)
        # A folder may have taken the file's name; but behind a link it may still be.
        return self.is_folder(path) or self.found(path) is None

    def check_unchanged(self, found: Found) -> None:
        """Raises `InTheWay` where a file is no longer as it was found."""
        if self.found(found.path) != found:
            raise InTheWay("it was changed just now")

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
        # Looked at afterwards, a file that somebody has edited in between would pass for the one that was placed.
        placed = Found.of(path, part.lstat())
        if instead_of is None:
            _put(part, target)
        else:
            self.check_unchanged(instead_of)
            self._swap(part, target, instead_of)
        return _with_new_ctime(placed, target)

    def discard(self, found: Found) -> None:
        """Moves a file to the trash, if it is as it was found, with the folders that it leaves empty.

        Raises `InTheWay`.
        """
        self.check_unchanged(found)
        self._bury(found)
        self._remove_empty_folders(found.path)

    def rename(self, found: Found, path: str) -> None:
        """Gives a file another name; what somebody saves there at the last moment gets it too. Raises `InTheWay`."""
        self.check_unchanged(found)
        try:
            move_to_free_name(self.root / found.path, self.root / path)
        except FileExistsError:
            raise _just_written(path) from None

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.root / path)

    def flush(self, paths: Iterable[str]) -> None:
        """What was placed under these names stays there, also when the power goes."""
        for folder in {(self.root / path).parent for path in paths}:
            # A folder that somebody has just removed needs no flush.
            with suppress(FileNotFoundError):
                flush_folder(folder)

    # --- Replacing

    def _swap(self, part: Path, target: Path, instead_of: Found) -> None:
        """From the trash, so that a run that is killed leaves what was replaced there at any moment."""
        # Whoever may run or read the old file may the new one.
        part.chmod(stat.S_IMODE(target.lstat().st_mode))
        placed = Found.of(instead_of.path, part.lstat())
        grave = self._trash.grave(instead_of.path)
        part.rename(grave)
        try:
            is_done = exchange(grave, target)
        except OSError as error:
            grave.unlink()
            if isinstance(error, FileNotFoundError):
                raise InTheWay("it was deleted just now") from None
            raise
        if not is_done:
            grave.rename(part)
            self.swap_in_two_steps(part, instead_of)
        elif not instead_of.is_now(grave.lstat()):
            self._swap_back(grave, target, placed)

    @staticmethod
    def _swap_back(grave: Path, target: Path, placed: Found) -> None:
        """Somebody has saved the file at the last moment: that gets its name back. Raises `InTheWay`."""
        # Where the name is gone or was taken once more, the trash keeps what came out.
        with suppress(OSError):
            exchange(grave, target)
        if placed.is_now(grave.lstat()):
            grave.unlink()
        raise InTheWay("it was changed just now")

    def swap_in_two_steps(self, part: Path, instead_of: Found) -> None:
        """For systems that cannot exchange two names: the file is missing for a moment. Raises `InTheWay`."""
        self._bury(instead_of)
        _put(part, self.root / instead_of.path)

    def _bury(self, found: Found) -> None:
        """Moves a file to the trash. Raises `InTheWay` where that was somebody's newer one, which then comes back."""
        place, grave = self.root / found.path, self._trash.grave(found.path)
        try:
            place.rename(grave)
        except FileNotFoundError:
            raise InTheWay("it was deleted just now") from None
        if not found.is_now(grave.lstat()):
            # If the name is taken again by now, the trash keeps this one.
            with suppress(FileExistsError):
                put_at_free_name(grave, place)
            raise InTheWay("it was changed just now")

    # --- The way to a file

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
        target = self.root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            above = accumulate(path.split("/"), "{}/{}".format)
            taken = next((each for each in above if not self.is_folder(each)), path)
            raise NameTaken(taken, "a file has the name of one of its folders") from None
        if self.is_folder(path):
            # Empty ones are not synced.
            with suppress(OSError):
                target.rmdir()
                return
            raise NameTaken(path, "a folder has its name")

    def _remove_empty_folders(self, path: str) -> None:
        with suppress(OSError):
            for folder in (self.root / path).parents:
                if folder == self.root:
                    return
                folder.rmdir()


def _with_new_ctime(placed: Found, target: Path) -> Found:
    """The renaming has changed the time of the last change. 0, which no file has, where it is another file by now."""
    try:
        status = target.lstat()
    except OSError:
        status = None
    ctime_ns = status.st_ctime_ns if status is not None and placed.is_now(status) else 0
    return Found(placed.path, placed.size_bytes, placed.mtime_ns, placed.inode, ctime_ns)


def _put(part: Path, target: Path) -> None:
    try:
        put_at_free_name(part, target)
    except FileExistsError:
        raise _just_written(target.name) from None


def _just_written(path: str) -> InTheWay:
    return InTheWay(f"somebody has just written {path}")
