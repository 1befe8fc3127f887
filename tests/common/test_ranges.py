"""Byte ranges. Source: RFC 9110 14."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import BadRange
from apps.common.ranges import parse_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 3)),
        ("bytes=3-500", (3, 7)),
        ("bytes=9-", (9, 1)),
        ("bytes=-1", (9, 1)),
        ("bytes=-10", (0, 10)),
        ("bytes=-11", (0, 10)),
        ("bytes= 3-5 ", (3, 3)),
    ],
)
def test_a_range_is_its_first_byte_and_its_size(header, part):
    assert parse_range(header, 10) == part


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "items=0-1",
        "Bytes=0-1",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=١-٢",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=9999999999999999999-",
    ],
)
def test_what_is_no_single_range_is_ignored(header):
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size_bytes"),
    [
        ("bytes=10-", 10),
        ("bytes=10-20", 10),
        ("bytes=-0", 10),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-5", 0),
        ("bytes=999999999999999999-", 10),
    ],
)
def test_a_range_outside_is_refused_with_the_size(header, size_bytes):
    with pytest.raises(BadRange) as refusal:
        parse_range(header, size_bytes)

    assert refusal.value.headers == {"Content-Range": f"bytes */{size_bytes}"}


@given(st.binary(max_size=30), st.integers(0, 40), st.one_of(st.none(), st.integers(0, 40)))
def test_a_range_selects_what_a_slice_would(data, first, last):
    header = f"bytes={first}-{'' if last is None else last}"
    wanted = data[first:] if last is None else data[first : last + 1]

    try:
        part = parse_range(header, len(data))
    except BadRange:
        assert first >= len(data)
        return

    if part is None:
        assert last is not None and last < first
    else:
        assert data[part[0] : part[0] + part[1]] == wanted


@given(st.text(max_size=40), st.integers(0, 2**40))
def test_any_text_gives_a_part_inside_or_a_refusal(text, size_bytes):
    try:
        part = parse_range(text, size_bytes)
    except BadRange:
        return
    if part is not None:
        first, size = part
        assert 0 <= first < first + size <= size_bytes
