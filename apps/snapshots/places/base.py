"""What every place of remote copies can do: a bucket, a directory, another storage."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self

from apps.snapshots.places.errors import ObjectTooLarge, TargetUnavailable

_NO_PARTS = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a listing. `modified_at` is None where the target does not say."""

    name: str
    size_bytes: int
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What is being read: how many bytes it has, and they in chunks. `chunks` raises as `Place.fetch` does."""

    size_bytes: int
    chunks: Iterator[bytes]
    source: BinaryIO

    def close(self) -> None:
        self.source.close()


def is_name(name: str) -> bool:
    """Whether an object can be called so: parts joined by `/`, none of them empty, `.` or `..`."""
    if "\0" in name or "\\" in name or not _NO_PARTS.isdisjoint(name.split("/")):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def joined(folder: str, name: str) -> str:
    """A name of a folder as a name of what is around the folder; either may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


class Place(ABC):
    """A folder of a target. Names are relative to it, parts joined by `/`.

    No name may be the folder of another. Every method raises `TargetUnavailable`, which may pass, and `TargetDenied`,
    which does not; `ValueError` for what is no name. Objects that `is_name` does not know are never listed.
    """

    def __init__(self, folder: str = "") -> None:
        if folder and not is_name(folder):
            raise ValueError(f"{folder!r} cannot be a folder of a target")
        self._folder = folder

    @abstractmethod
    def put(self, name: str, source: bytes | Path, *, fresh: bool = False) -> None:
        """Writes an object, whole and durable when this returns; one of that name is replaced.

        `fresh` asks the target to raise `ObjectExists` instead. Nothing may rely on that: some servers ignore the
        question and replace, and after a lost answer the object that exists may be this one. Raises `TargetFull`.
        """

    def read(self, name: str, *, most_bytes: int) -> bytes:
        """A whole object. Raises `ObjectMissing`, and `ObjectTooLarge` before much more than `most_bytes` is held."""
        held = BytesIO()
        self.fetch(name, held, most_bytes=most_bytes)
        return held.getvalue()

    def fetch(self, name: str, to: BinaryIO, *, most_bytes: int) -> int:
        """Writes a whole object into a file; how many bytes. Raises as `read`; what was written until then stays."""
        written = 0
        with closing(self._open(self._full(name))) as reading:
            if reading.size_bytes > most_bytes:
                raise ObjectTooLarge(f"The object has {reading.size_bytes} bytes, and at most {most_bytes} are taken.")
            for chunk in reading.chunks:
                written += len(chunk)
                if written > most_bytes:
                    raise ObjectTooLarge(f"The object has more than the {most_bytes} bytes that are taken.")
                to.write(chunk)
        if written < reading.size_bytes:
            raise TargetUnavailable(f"The target's answer broke off after {written} of {reading.size_bytes} bytes.")
        return written

    def beginning(self, name: str, most_bytes: int) -> bytes:
        """The first bytes of an object, all of one that has fewer. Raises `ObjectMissing`."""
        held = bytearray()
        with closing(self._open(self._full(name), first_bytes=most_bytes)) as reading:
            for chunk in reading.chunks:
                held += chunk
                if len(held) >= most_bytes:
                    break
        if len(held) < min(most_bytes, reading.size_bytes):
            raise TargetUnavailable(f"The target's answer broke off after {len(held)} bytes.")
        return bytes(held[:most_bytes])

    @abstractmethod
    def stat(self, name: str) -> Listed | None:
        """An object as a listing shows it, None where there is none."""

    @abstractmethod
    def names(self, folder: str = "", *, behind: str = "") -> Iterator[Listed]:
        """All objects below a folder, in the order of their names' UTF-8 bytes, from behind the name `behind` on."""

    @abstractmethod
    def folders(self, folder: str = "") -> Iterator[str]:
        """The last parts of the folders directly in a folder that hold objects, in the order of their bytes."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Removes an object; one that is not there is fine. Raises `DeleteRefused` where the credentials may not."""

    @abstractmethod
    def below(self, folder: str) -> Self:
        """The same target, a folder deeper."""

    def takes_parts(self, name: str, *, complete: bool) -> bool | None:
        """Whether large objects can be written in parts, found out by doing it; None where there are no parts.

        `complete` leaves an object of that name; otherwise the upload is given up. Raises what the target refuses.
        """
        return None

    def verifies_checksums(self, name: str) -> bool | None:
        """Whether the target refuses bytes that do not have their announced checksum; None where none is announced.

        May leave an object of that name.
        """
        return None

    @abstractmethod
    def _open(self, full: str, *, first_bytes: int | None = None) -> Reading:
        """Begins to read the object of this whole name, or at least its first bytes. Raises `ObjectMissing`."""

    def _full(self, name: str) -> str:
        """A name with the folder of this place before it."""
        if not is_name(name):
            raise ValueError(f"{name!r} cannot be the name of an object")
        return joined(self._folder, name)

    def _full_folder(self, folder: str) -> str:
        return self._full(folder) if folder else self._folder

    def _own(self, full: str) -> str:
        """The name in this place of an object that lies in it."""
        return full[len(self._folder) + 1 :] if self._folder else full
