"""Columns: what goes in comes out, and what was never put in is refused."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.snapshots.format.columns import BUFFER_BYTES, LARGEST_NUMBER, ColumnReader, ColumnWriter
from apps.snapshots.format.errors import CopyDamaged

NUMBERS = st.integers(0, LARGEST_NUMBER)
SIGNED = st.integers(1 - (1 << 61), (1 << 61) - 1)
TEXTS = st.binary(max_size=60).map(lambda data: data.replace(b"\0", b"-"))


def reader_of(writer: ColumnWriter) -> ColumnReader:
    return ColumnReader(writer.file, 0, writer.flush())


def column(data: bytes) -> ColumnReader:
    return ColumnReader(BytesIO(data), 0, len(data))


@given(st.lists(NUMBERS))
def test_numbers_come_back(values: list[int]) -> None:
    writer = ColumnWriter()
    for value in values:
        writer.number(value)

    assert list(reader_of(writer).numbers()) == values


@given(st.lists(SIGNED))
def test_differences_come_back(values: list[int]) -> None:
    writer = ColumnWriter()
    for value in values:
        writer.difference(value)

    assert list(reader_of(writer).differences()) == values


@given(st.lists(TEXTS))
def test_texts_come_back(values: list[bytes]) -> None:
    writer = ColumnWriter()
    for value in values:
        writer.text(value)

    assert list(reader_of(writer).texts(60)) == values


def test_values_come_back_across_the_ends_of_buffers() -> None:
    texts = [b"x" * (number % 700) for number in range(500)]
    numbers = [1 << (number % 62) for number in range(BUFFER_BYTES // 4)]
    written, counted = ColumnWriter(), ColumnWriter()
    for text in texts:
        written.text(text)
    for value in numbers:
        counted.number(value)

    assert list(reader_of(written).texts(1024)) == texts
    assert list(reader_of(counted).numbers()) == numbers


def test_a_column_lies_between_others_in_its_file() -> None:
    reader = ColumnReader(BytesIO(b"\x01\x02\x03\x04"), 1, 3)

    assert list(reader.numbers()) == [2, 3]
    assert list(reader.data(2)) == [b"\x02\x03"]


@pytest.mark.parametrize(
    "values",
    [
        column(b"\x80").numbers(),
        column(b"\xff" * 9 + b"\x01").numbers(),
        column(b"\x80" * 100_000).numbers(),
        column(b"\x80").differences(),
        column(b"abc").data(2),
        column(b"abc").texts(9),
        column(b"abc\0").texts(2),
        column(b"a" * 100_000 + b"\0").texts(1024),
        ColumnReader(BytesIO(b"ab"), 0, 3).numbers(),
        ColumnReader(BytesIO(b"ab"), 0, 4).data(2),
        ColumnReader(BytesIO(b"a\0"), 0, 4).texts(1),
    ],
)
def test_what_no_writer_wrote_is_refused(values: Iterator[object]) -> None:
    with pytest.raises(CopyDamaged):
        list(values)


@pytest.mark.parametrize("value", [-1, LARGEST_NUMBER + 1])
def test_numbers_that_no_reader_would_take_are_not_written(value: int) -> None:
    writer = ColumnWriter()

    with pytest.raises(ValueError):
        writer.number(value)

    assert writer.flush() == 0


def test_texts_that_end_early_are_not_written() -> None:
    writer = ColumnWriter()

    with pytest.raises(ValueError):
        writer.text(b"a\0b")

    assert writer.flush() == 0
