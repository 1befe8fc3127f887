"""What every storage of blobs promises: the same words for a directory of this machine and for a bucket."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from apps.blobs.bucket import PART_BYTES
from apps.blobs.spooling import CHUNK_BYTES

NAME = "0198/ab/object"
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, PART_BYTES + 1)


def saved(storage: Any, data: bytes, name: str = NAME) -> bytes:
    """The data, which is an object now."""
    assert storage.save(name, ContentFile(data)) == name
    return data


def read(storage: Any, start: int, size: int, name: str = NAME) -> bytes:
    return b"".join(storage.read_range(name, start, size))


def gone(storage: Any, name: str = NAME) -> bool:
    """Whether reading tells that the object is not there, in the storage's own way."""
    try:
        read(storage, 0, 1, name)
    except FileNotFoundError:
        return True
    except storage.failures as error:
        return bool(storage.means_gone(error))
    return False


@pytest.mark.parametrize("size_bytes", SIZES)
def test_what_was_saved_is_read_and_measured(storage: Any, size_bytes: int):
    data = saved(storage, os.urandom(size_bytes))

    assert storage.size(NAME) == size_bytes
    assert read(storage, 0, size_bytes) == data
    assert storage.exists(NAME)


def test_a_read_comes_in_chunks_of_bounded_size(storage: Any):
    data = saved(storage, os.urandom(3 * CHUNK_BYTES + 7))

    chunks = list(storage.read_range(NAME, 0, len(data)))

    assert b"".join(chunks) == data
    assert len(chunks) >= 4
    assert max(map(len, chunks)) <= CHUNK_BYTES


@pytest.mark.parametrize(("start", "size"), [(0, 1), (4, 3), (9, 1), (0, 10), (3, 0)])
def test_a_range_is_exactly_what_was_asked_for(storage: Any, start: int, size: int):
    data = saved(storage, b"0123456789")

    assert read(storage, start, size) == data[start : start + size]


def test_a_range_beyond_the_end_gives_what_there_is(storage: Any):
    saved(storage, b"0123456789")

    assert read(storage, 7, 100) == b"789"


def test_a_reader_that_stops_early_takes_nothing_from_the_next(storage: Any):
    data = saved(storage, os.urandom(4 * CHUNK_BYTES))

    for _ in range(30):
        reading = storage.read_range(NAME, 0, len(data))
        assert next(reading) == data[: len(data) // 4]
        reading.close()

    assert read(storage, 0, len(data)) == data


def test_what_was_never_saved_is_gone(storage: Any):
    assert gone(storage)
    assert not storage.exists(NAME)


def test_what_was_deleted_is_gone_and_may_be_deleted_again(storage: Any):
    saved(storage, b"data")
    saved(storage, b"neighbour", "0198/ab/neighbour")

    storage.delete(NAME)
    storage.delete(NAME)

    assert gone(storage)
    assert read(storage, 0, 9, "0198/ab/neighbour") == b"neighbour"


def test_saving_again_replaces_under_the_same_name(storage: Any):
    saved(storage, b"the first, longer data")

    saved(storage, b"the second")

    assert storage.size(NAME) == len(b"the second")
    assert read(storage, 0, 100) == b"the second"


class Breaking(ContentFile):
    """A source that fails after its first bytes."""

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        yield b"begun"
        raise OSError("the source broke")

    def read(self, size: int = -1) -> bytes:
        if self.tell() > 0:
            raise OSError("the source broke")
        return super().read(4)


def test_a_save_that_fails_leaves_no_object(storage: Any, tmp_path: Path):
    with pytest.raises(OSError, match="the source broke"):
        storage.save(NAME, Breaking(b"begun, but never to be finished"))

    assert gone(storage)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_spooled_file_is_saved_whole(storage: Any, tmp_path: Path):
    folder = getattr(storage, "spool_directory", tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    spooled = folder / "spool-1"
    spooled.write_bytes(b"spooled")

    with spooled.open("rb") as file:
        storage.save(NAME, File(file))

    assert read(storage, 0, 100) == b"spooled"


def test_another_process_reads_what_was_saved(storage: Any, settings: Any):
    saved(storage, b"data")

    settings.STORAGES = dict(settings.STORAGES)

    assert storages["blobs"] is not storage
    assert read(storages["blobs"], 0, 4) == b"data"
