"""Where large files are cut."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.snapshots.format.chunking import LEAST_BYTES, MOST_BYTES, ChunkReader, cut

DATA = random.Random(5).randbytes(24 * 1024 * 1024)


def pieces_of(data: bytes, seed: int = 0, step: int = 65_536) -> list[bytes]:
    return list(cut((data[at : at + step] for at in range(0, len(data), step)), seed))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 700_000), max_size=8), st.integers(0, 2**32 - 1))
def test_pieces_are_the_content_however_it_arrives(sizes: list[int], seed: int) -> None:
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    chunks = [DATA[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    pieces = list(cut(chunks, seed))

    assert b"".join(pieces) == b"".join(chunks)
    assert all(LEAST_BYTES <= len(piece) <= MOST_BYTES for piece in pieces[:-1])


def test_an_empty_chunk_is_not_the_end() -> None:
    assert b"".join(cut([b"", b"one", b"", b"", b"two", b""], 0)) == b"onetwo"


def test_where_it_is_cut_does_not_depend_on_how_it_arrives() -> None:
    assert pieces_of(DATA, step=65_536) == pieces_of(DATA, step=999_999)


def test_bytes_put_in_front_move_few_cuts() -> None:
    before, after = pieces_of(DATA), pieces_of(b"some bytes more" + DATA)

    assert len(before) > 12
    assert len(set(before) - set(after)) <= 2


def test_an_edit_in_the_middle_changes_few_pieces() -> None:
    middle = len(DATA) // 2

    before, after = pieces_of(DATA), pieces_of(DATA[:middle] + b"an insertion" + DATA[middle:])

    assert len(set(before) - set(after)) <= 3


def test_another_seed_cuts_elsewhere() -> None:
    lengths = [[len(piece) for piece in pieces_of(DATA, seed)] for seed in (0, 1, 0xFFFF_FFFF)]

    assert len({tuple(each) for each in lengths}) == 3
    assert len(set(pieces_of(DATA, 0)) & set(pieces_of(DATA, 1))) <= 1


@pytest.mark.parametrize("size", [0, 1, 5, 100])
def test_chunks_are_read_in_any_size(size: int) -> None:
    reader = ChunkReader([b"abc", b"", b"defg"])
    taken = reader.read(size)

    assert taken == b"abcdefg"[: min(size, 3)]
    assert taken + reader.read() == b"abcdefg"
