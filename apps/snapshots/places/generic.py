"""Copies in any other of Django's storages, by what all of them can do: save, open, list, delete."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import local
from typing import Any, Self
from uuid import uuid4

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from apps.blobs.spooling import CHUNK_BYTES
from apps.common.errors import DomainError
from apps.snapshots.places.base import Listed, Place, Reading, is_name, joined
from apps.snapshots.places.errors import (
    DeleteRefused,
    ObjectMissing,
    TargetDenied,
    TargetUnavailable,
    refusal_of_disk,
)
from apps.snapshots.places.walking import walk

_DENIALS = frozenset(
    {
        "AuthenticationException",
        "BadHostKeyException",
        "ClientAuthenticationError",
        "DefaultCredentialsError",
        "ImproperlyConfigured",
        "PasswordRequiredException",
        "RefreshError",
    }
)
"""What the libraries of paramiko, Azure, Google and Django raise for what somebody must change."""
_BEGUN = re.compile(r"\.[0-9a-f]{32}\.part$")


class NamesKept:
    """Mixed into a storage: an object gets the name that was asked for, whether it is taken or not."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name


class WholeByRename(NamesKept):
    """Mixed into SFTP's storage, which writes where it is told: a name appears only when its bytes are whole."""

    def _save(self, name: str, content: File) -> str:
        storage: Any = self
        begun = f"{name}.{uuid4().hex}.part"
        try:
            super()._save(begun, content)  # type: ignore[misc]  # of the storage that this is mixed into
            storage.sftp.posix_rename(storage._remote_path(begun), storage._remote_path(name))
        except BaseException:
            with suppress(Exception):
                storage.delete(begun)
            raise
        return name


class StoragePlace(Place):
    """A folder of a storage. `make` makes one; each thread has its own, as few of them may be shared.

    A listing asks once for each folder and twice for each object. Names are taken again whatever `fresh` asks.
    """

    def __init__(self, make: "Callable[[], Storage] | _OfThread", folder: str = "") -> None:
        super().__init__(folder)
        self._own_storage = make if isinstance(make, _OfThread) else _OfThread(make)

    def put(self, name: str, source: bytes | Path, *, fresh: bool = False) -> None:
        full = self._full(name)
        with nullcontext() if isinstance(source, bytes) else source.open("rb") as file, _told("write"):
            content = ContentFile(source) if isinstance(source, bytes) else File(file, name=full)
            saved = self._storage.save(full, content)
            if saved != full:
                self._storage.delete(saved)
                raise TargetDenied("The storage writes under other names than it is asked to.")

    def stat(self, name: str) -> Listed | None:
        full = self._full(name)
        with _told("read"):
            return self._listed(full)

    def names(self, folder: str = "", *, behind: str = "") -> Iterator[Listed]:
        within = self._full_folder(folder)
        with _told("list"):
            for full in self._walk(within, joined(self._folder, behind)):
                listed = self._listed(full)
                if listed is not None:
                    yield listed

    def folders(self, folder: str = "") -> Iterator[str]:
        within = self._full_folder(folder)
        prefix = f"{within}/" if within else ""
        with _told("list"):
            if self._is_flat:
                rest = (full[len(prefix) :] for full in self._walk(within, ""))
                yield from sorted({name.partition("/")[0] for name in rest if "/" in name})
                return
            for name in sorted(name for name, is_folder in self._entries(within) if is_folder):
                if next(self._walk(prefix + name, ""), None) is not None:
                    yield name

    def delete(self, name: str) -> None:
        full = self._full(name)
        with _told("delete"):
            with suppress(FileNotFoundError):
                self._storage.delete(full)
            # SFTP's storage says nothing of a refusal.
            if self._storage.exists(full):
                raise DeleteRefused("The credentials may not delete there.")

    def below(self, folder: str) -> Self:
        return type(self)(self._own_storage, self._full(folder))

    @property
    def _storage(self) -> Any:
        return self._own_storage.storage

    @property
    def _is_flat(self) -> bool:
        """Whether this is Azure's storage, whose `listdir` knows no folders."""
        return hasattr(self._storage, "list_all")

    def _open(self, full: str, *, first_bytes: int | None = None) -> Reading:
        with _told("read"):
            try:
                size_bytes = self._storage.size(full)
                # Google's library asks for the first bytes of an object that has none.
                file = self._storage.open(full) if size_bytes else BytesIO()
            except Exception as error:
                if _means_gone(error):
                    raise ObjectMissing from error
                raise
            return Reading(size_bytes, _chunks(file), file)

    def _walk(self, folder: str, behind: str) -> Iterator[str]:
        if not self._is_flat:
            yield from walk(self._entries, folder, behind)
            return
        location, prefix = self._storage.location.strip("/"), f"{folder}/" if folder else ""
        skipped = len(location) + 1 if location else 0
        asked = folder
        while asked.endswith("."):
            # The storage cuts dots off the end of what it is asked for.
            asked = asked.rpartition("/")[0]
        names = sorted(name[skipped:] for name in self._storage.list_all(asked))
        found = (name for name in names if name.startswith(prefix) and name > behind)
        yield from (name for name in found if is_name(name) and not _BEGUN.search(name))

    def _entries(self, folder: str) -> Iterator[tuple[str, bool]]:
        try:
            folders, files = self._storage.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        yield from ((name, True) for name in folders)
        yield from ((name, False) for name in files if not _BEGUN.search(name))

    def _listed(self, full: str) -> Listed | None:
        try:
            size_bytes = self._storage.size(full)
            modified_at = self._storage.get_modified_time(full)
        except Exception as error:
            if _means_gone(error):
                return None
            raise
        is_aware = modified_at.tzinfo is not None
        return Listed(self._own(full), size_bytes, modified_at.astimezone(UTC) if is_aware else None)


class _OfThread(local):
    """What `make` makes, once for each thread."""

    def __init__(self, make: Callable[[], Storage]) -> None:
        self.storage = make()


def _chunks(file: File | BytesIO) -> Iterator[bytes]:
    with _told("read"):
        yield from iter(partial(file.read, CHUNK_BYTES), b"")


def _status(error: Exception) -> int | None:
    """The HTTP status that Azure's and Google's errors carry."""
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    return int(status) if isinstance(status, int) else None


def _means_gone(error: Exception) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError) or _status(error) == 404


@contextmanager
def _told(step: str) -> Iterator[None]:
    """Tells the failures of any library inside in our words: by what they carry, as none of them is known here."""
    try:
        yield
    except DomainError:
        raise
    except Exception as error:
        raise _refusal(error, step) from error


def _refusal(error: Exception, step: str) -> DomainError:
    status, kinds = _status(error), {kind.__name__ for kind in type(error).__mro__}
    if status in (401, 403) or not _DENIALS.isdisjoint(kinds):
        kind = DeleteRefused if step == "delete" and status == 403 else TargetDenied
        return kind(f"The target does not let these credentials {step} ({type(error).__name__}).")
    if status is not None and 400 <= status < 500 and status not in (408, 429):
        return TargetDenied(f"The target refused to {step} ({type(error).__name__}).")
    if isinstance(error, OSError):
        return refusal_of_disk(error, step)
    return TargetUnavailable(f"The target failed to {step} ({type(error).__name__}).")
