"""Many small files in one body."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import BadJson, IncompleteBody
from apps.files.frames import END, MAX_HEADER_BYTES, frame, parse_frames

HEADERS = st.dictionaries(
    st.text(max_size=10).filter(lambda key: key != "size_bytes"),
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    max_size=4,
)
THREE = frame({"path": "a"}, b"one") + frame({"path": "b"}) + frame({"path": "c"}, bytes(range(256))) + END


def raw(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(header)) + header + body + END


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=100)), max_size=5))
def test_frames_come_back_as_they_went_in(frames):
    data = b"".join(frame(header, body) for header, body in frames) + END

    assert list(parse_frames(data)) == [(header | {"size_bytes": len(body)}, body) for header, body in frames]


def test_the_bytes_of_a_frame():
    assert frame({"path": "a"}, b"xy") == b"\x00\x00\x00\x1b" + b'{"path":"a","size_bytes":2}' + b"xy"


def test_a_stream_of_nothing_is_its_end():
    assert list(parse_frames(b"\0\0\0\0")) == []


@pytest.mark.parametrize("size", range(len(THREE)))
def test_a_stream_cut_at_any_byte_is_incomplete(size):
    with pytest.raises(IncompleteBody):
        list(parse_frames(THREE[:size]))


@pytest.mark.parametrize("more", [b"\0", b"x", END, frame({})])
def test_bytes_after_the_end_are_refused(more):
    with pytest.raises(BadJson):
        list(parse_frames(THREE + more))


@pytest.mark.parametrize(
    "header",
    [
        b"x",
        b"[]",
        b"1",
        b"null",
        b'"a"',
        b"{",
        b"\xff",
        b'{"size_bytes":-1}',
        b'{"size_bytes":"1"}',
        b'{"size_bytes":true}',
        b'{"size_bytes":null}',
        b'{"size_bytes":1.0}',
        b"[" * 10_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_a_header_that_cannot_be_read_is_refused(header):
    with pytest.raises(BadJson):
        list(parse_frames(raw(header)))


def test_a_header_has_a_largest_size():
    padding = "x" * (MAX_HEADER_BYTES - len('{"a":""}'))

    assert len(list(parse_frames(raw(f'{{"a":"{padding}"}}'.encode())))) == 1
    with pytest.raises(BadJson):
        list(parse_frames(raw(f'{{"a":"{padding}x"}}'.encode())))


@pytest.mark.parametrize("size", [1, 2**32, 2**63, 10**30])
def test_a_frame_that_announces_more_than_there_is_is_incomplete(size):
    with pytest.raises(IncompleteBody):
        list(parse_frames(raw(f'{{"size_bytes":{size}}}'.encode())[:-4]))


@given(st.binary(max_size=60))
def test_any_bytes_are_frames_or_refused(data):
    try:
        frames = list(parse_frames(data))
    except (BadJson, IncompleteBody):
        return
    assert all(len(body) == header["size_bytes"] for header, body in frames)
