"""A client's place in the feed as text."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import BadCursor
from apps.files.cursors import FeedCursor, parse_cursor

CURSORS = st.builds(FeedCursor, st.uuids(), st.uuids(), st.integers(0, 2**40 - 1), st.integers(0, 2**40 - 1))
ONE = FeedCursor(UUID(int=1), UUID(int=2), 3, 1)


@given(CURSORS)
def test_a_cursor_comes_back_from_its_text(cursor):
    assert parse_cursor(str(cursor)) == cursor


def test_the_text_fits_an_address_as_it_is():
    assert str(ONE) == "AQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAACAAAAAAAAAAMAAAAAAAAAAXGJI4E"


@given(CURSORS, st.integers(0, 52), st.integers(1, 255))
def test_a_changed_byte_is_noticed(cursor, place, change):
    raw = bytearray(base64.urlsafe_b64decode(str(cursor) + "="))
    raw[place] ^= change

    with pytest.raises(BadCursor):
        parse_cursor(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


@pytest.mark.parametrize("size", range(len(str(ONE))))
def test_a_cursor_cut_anywhere_is_refused(size):
    with pytest.raises(BadCursor):
        parse_cursor(str(ONE)[:size])


@pytest.mark.parametrize(
    "text", ["", "=", "a", "AAAA", str(ONE) + "A", str(ONE) + "AAAA", "é" * 60, str(ONE).replace("A", "+"), "\n"]
)
def test_other_text_is_refused(text):
    with pytest.raises(BadCursor):
        parse_cursor(text)


@given(st.text(max_size=100))
def test_any_text_is_refused(text):
    with pytest.raises(BadCursor):
        parse_cursor(text)
