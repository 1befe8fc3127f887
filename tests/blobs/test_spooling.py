"""Taking a request body in."""

import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.blobs.spooling import read_all, spooled
from apps.common.errors import IncompleteBody


class Trickle:
    """A body that arrives a few bytes at a time, as from a slow network."""

    def __init__(self, data: bytes, at_once: int) -> None:
        self._data = BytesIO(data)
        self._at_once = at_once

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._at_once))


@given(st.binary(max_size=300), st.integers(1, 50), st.integers(0, 200))
def test_a_body_is_taken_whole_however_it_arrives(data, at_once, memory_bytes):
    with spooled(Trickle(data, at_once), len(data), memory_bytes=memory_bytes, directory=None) as body:
        assert (body.sha256, body.md5) == (hashlib.sha256(data).digest(), hashlib.md5(data).digest())
        assert body.size_bytes == len(data)
        assert (body.data is None) is (len(data) > memory_bytes)
        assert data == (body.path.read_bytes() if body.path else body.data)


def test_a_large_body_lies_in_the_directory_until_the_block_ends(tmp_path):
    with spooled(BytesIO(b"x" * 100), 100, memory_bytes=10, directory=tmp_path / "new") as body:
        assert body.path is not None
        assert body.path.parent == tmp_path / "new"
        assert body.path.read_bytes() == b"x" * 100

    assert list((tmp_path / "new").iterdir()) == []


def test_a_file_that_was_moved_away_is_not_missed(tmp_path):
    with spooled(BytesIO(b"x" * 100), 100, memory_bytes=10, directory=tmp_path) as body:
        body.path.rename(tmp_path / "kept")

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("size", [5, 100])
def test_a_body_that_breaks_off_leaves_no_file(tmp_path, size):
    with (
        pytest.raises(IncompleteBody),
        spooled(BytesIO(b"x" * size), size + 1, memory_bytes=10, directory=tmp_path),
    ):
        pytest.fail("the block must not run")

    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_block_leaves_no_file(tmp_path):
    with (
        pytest.raises(RuntimeError),
        spooled(BytesIO(b"x" * 100), 100, memory_bytes=10, directory=tmp_path),
    ):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_no_more_is_read_than_was_announced():
    stream = BytesIO(b"onetwo")

    with spooled(stream, 3, memory_bytes=10, directory=None) as body:
        assert body.data == b"one"
    assert stream.read() == b"two"


def test_reading_nothing_asks_for_nothing():
    assert read_all(Trickle(b"", 1), 0) == b""
