"""Copies in other storages: the ways of each that the common methods do not show."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage

from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import (
    DeleteRefused,
    ObjectMissing,
    TargetDenied,
    TargetFull,
    TargetUnavailable,
)
from apps.snapshots.places.generic import StoragePlace, WholeByRename
from apps.snapshots.places.opening import named_storage
from apps.snapshots.places.probing import probe


class SftpLike(FileSystemStorage):
    """Writes where it is told, and renames, as django-storages' SFTP does; deletes without a word."""

    @property
    def sftp(self) -> "SftpLike":
        return self

    def posix_rename(self, old: str, new: str) -> None:
        Path(old).replace(new)

    def _remote_path(self, name: str) -> str:
        return self.path(name)

    def _save(self, name: str, content: File) -> str:
        Path(self.path(name)).parent.mkdir(parents=True, exist_ok=True)
        with Path(self.path(name)).open("wb") as file:
            file.writelines(content.chunks(1000))
        return name


class AzureLike(Storage):
    """Lists as django-storages' Azure does: all objects below, with the location before them."""

    location = "container"

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def _save(self, name: str, content: File) -> str:
        self._held[name] = content.read()
        return name

    def size(self, name: str) -> int:
        return len(self._held[name])

    def get_modified_time(self, name: str) -> datetime:
        return datetime.now(UTC)

    def list_all(self, path: str = "") -> list[str]:
        asked = path.strip("./")
        return [f"container/{name}" for name in self._held if name.startswith(f"{asked}/" if asked else "")]

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        return [], self.list_all(path)


class Refusing(FileSystemStorage):
    """Fails at everything with one error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(location="unused")
        self._error = error

    def _fail(self, *_: object) -> Any:
        raise self._error

    _save = _open = size = listdir = delete = exists = get_modified_time = _fail


class ServiceError(Exception):
    """As Azure's and Google's errors, by what they carry."""

    def __init__(self, status: int) -> None:
        super().__init__("key=wJalrXUtnFEMIK7MDENG")
        self.status_code = status


class GoogleError(Exception):
    code = 403


class AuthenticationException(Exception):
    """Named as paramiko's."""


@pytest.fixture
def sftp(tmp_path: Path) -> Place:
    options = {"location": str(tmp_path / "sftp"), "allow_overwrite": True}
    return StoragePlace(lambda: named_storage(SftpLike, options, WholeByRename))


def test_sftp_shows_a_name_only_when_its_bytes_are_whole(sftp: Place, tmp_path: Path):
    seen: list[tuple[list[str], list[str]]] = []

    class Watched(SftpLike):
        def posix_rename(self, old: str, new: str) -> None:
            seen.append(([entry.name for entry in sftp.names()], list(sftp.folders())))
            super().posix_rename(old, new)

    options = {"location": str(tmp_path / "sftp"), "allow_overwrite": True}
    watched = StoragePlace(lambda: named_storage(Watched, options, WholeByRename))

    watched.put("folder/one", b"one")
    watched.put("folder/one", b"another")

    assert seen == [([], []), (["folder/one"], ["folder"])]
    assert watched.read("folder/one", most_bytes=100) == b"another"
    assert [path.name for path in (tmp_path / "sftp/folder").iterdir()] == ["one"]


def test_sftp_that_breaks_off_leaves_nothing(sftp: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sftp.put("folder/one", b"the first")

    def broken(*_: object) -> None:
        raise ConnectionResetError("gone")

    monkeypatch.setattr(SftpLike, "posix_rename", broken)
    with pytest.raises(TargetUnavailable):
        sftp.put("folder/one", bytes(5000))

    assert sftp.read("folder/one", most_bytes=100) == b"the first"
    assert [path.name for path in (tmp_path / "sftp/folder").iterdir()] == ["one"]


def test_a_delete_that_nothing_came_of_is_told(tmp_path: Path):
    class Silent(FileSystemStorage):
        def delete(self, name: str) -> None:
            """As django-storages' SFTP, which hides every refusal."""

    place = StoragePlace(lambda: named_storage(Silent, {"location": str(tmp_path), "allow_overwrite": True}))
    place.put("one", b"one")

    with pytest.raises(DeleteRefused):
        place.delete("one")
    place.delete("never-was")


def test_azure_lists_what_lies_below_without_folders():
    place = StoragePlace(lambda: named_storage(AzureLike, {}), "copies")
    names = ["a-b/c", "a.txt", "a/b-c", "a/b/c", "z"]
    for name in [*names[::-1], f"a/x.{'0' * 32}.part"]:
        place.put(name, name.encode())

    assert [entry.name for entry in place.names()] == names
    assert [entry.name for entry in place.names(behind="a.txt")] == names[2:]
    assert [entry.name for entry in place.below("a").names()] == ["b-c", "b/c"]
    assert [entry.size_bytes for entry in place.names()] == [len(name) for name in names]
    assert list(place.folders()) == ["a", "a-b"]
    assert list(place.folders("a")) == ["b"]
    place.put("v1./one", b"one")
    assert [entry.name for entry in place.names("v1.")] == ["v1./one"]


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (ServiceError(401), TargetDenied),
        (ServiceError(403), TargetDenied),
        (GoogleError(), TargetDenied),
        (ServiceError(400), TargetDenied),
        (ServiceError(429), TargetUnavailable),
        (ServiceError(503), TargetUnavailable),
        (AuthenticationException("bad password hunter2"), TargetDenied),
        (ImproperlyConfigured("no host"), TargetDenied),
        (PermissionError(13, "no"), TargetDenied),
        (OSError(28, "full"), TargetFull),
        (ConnectionRefusedError(111, "no"), TargetUnavailable),
        (TimeoutError("slow"), TargetUnavailable),
        (OSError("Failure"), TargetUnavailable),
        (EOFError(), TargetUnavailable),
        (RuntimeError("key=wJalrXUtnFEMIK7MDENG"), TargetUnavailable),
    ],
)
def test_errors_of_any_library_are_told_apart_and_show_no_secret(error: Exception, refusal: type[Exception]):
    place = StoragePlace(lambda: Refusing(error))
    steps: list[Callable[[], object]] = [
        lambda: place.put("one", b"data"),
        lambda: place.read("one", most_bytes=100),
        lambda: place.stat("one"),
        lambda: list(place.names()),
        lambda: list(place.folders()),
    ]

    for step in steps:
        with pytest.raises(refusal) as refused:
            step()
        assert type(refused.value) is refusal
        assert "wJalr" not in str(refused.value)
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("error", [ServiceError(403), GoogleError(), PermissionError(13, "no")])
def test_a_refused_delete_is_told_as_that(error: Exception):
    with pytest.raises(DeleteRefused):
        StoragePlace(lambda: Refusing(error)).delete("one")


def test_what_a_library_does_not_find_is_missing_when_read_and_refused_when_written():
    place = StoragePlace(lambda: Refusing(ServiceError(404)))

    assert place.stat("one") is None
    with pytest.raises(ObjectMissing):
        place.read("one", most_bytes=100)
    with pytest.raises(TargetDenied):
        place.put("one", b"data")
    with pytest.raises(TargetDenied):
        list(place.names())


def test_a_file_that_ends_early_is_never_taken_for_whole(tmp_path: Path):
    class Cut(FileSystemStorage):
        def size(self, name: str) -> int:
            return super().size(name) + 1

    place = StoragePlace(lambda: named_storage(Cut, {"location": str(tmp_path), "allow_overwrite": True}))
    place.put("one", b"12345")

    with pytest.raises(TargetUnavailable, match="broke off after 5 of 6 bytes"):
        place.read("one", most_bytes=100)
    with pytest.raises(TargetUnavailable, match="broke off after 5 bytes"):
        place.beginning("one", 6)


def test_a_storage_that_is_missing_itself_can_nothing():
    result = probe(StoragePlace(lambda: Refusing(ServiceError(404))))

    assert (result.can_write, result.can_read, result.can_list, result.can_delete) == (False,) * 4
    assert result.problems == [
        "The target refused to write (ServiceError).", "The target refused to list (ServiceError)."
    ]  # fmt: skip
