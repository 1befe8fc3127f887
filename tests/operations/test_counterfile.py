"""Counting on a disk that fills up."""

import errno
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.operations.counterfile import ROOM_BYTES, CounterFile


@pytest.fixture
def no_file_may_grow_beyond() -> Iterator:
    """Sets the length that this process may give to a file; beyond it writing fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_of_counts_has_no_holes(tmp_path: Path) -> None:
    counts = CounterFile(str(tmp_path / "histogram_1.db"))

    for number in range(ROOM_BYTES // 80):
        counts.write_value(f"series {number} {'x' * 60}", float(number), 0.0)

    found = (tmp_path / "histogram_1.db").stat()
    assert found.st_size == 2 * ROOM_BYTES
    assert found.st_blocks * 512 >= found.st_size
    assert counts.read_value(f"series 7 {'x' * 60}") == (7.0, 0.0)


def test_counts_stay_as_they_were_when_there_is_no_more_room(tmp_path: Path, no_file_may_grow_beyond) -> None:
    counts = CounterFile(str(tmp_path / "histogram_1.db"))
    counts.write_value("known", 1.0, 0.0)
    no_file_may_grow_beyond(ROOM_BYTES)

    with pytest.raises(OSError) as refusal:
        for number in range(ROOM_BYTES // 80):
            counts.write_value(f"series {number} {'x' * 60}", float(number), 0.0)
    counts.write_value("known", 2.0, 0.0)

    assert refusal.value.errno == errno.EFBIG
    assert (tmp_path / "histogram_1.db").stat().st_size == ROOM_BYTES
    assert counts.read_value("known") == (2.0, 0.0)


def test_without_room_no_file_is_left_half_made(tmp_path: Path, no_file_may_grow_beyond) -> None:
    no_file_may_grow_beyond(1000)

    with pytest.raises(OSError):
        CounterFile(str(tmp_path / "histogram_1.db"))

    assert (tmp_path / "histogram_1.db").stat().st_size == 0
