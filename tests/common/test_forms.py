"""Reading JSON bodies."""

import io
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import BadJson, IncompleteBody, TooLarge
from apps.common.forms import MOST_BYTES, JsonParser, parsed_json


def read(raw, announced=None):
    request = SimpleNamespace(META={} if announced is None else {"CONTENT_LENGTH": announced})
    return JsonParser().parse(io.BytesIO(raw), parser_context={"request": request})


def test_a_body_that_breaks_off_is_incomplete():
    with pytest.raises(IncompleteBody):
        read(b'{"a": 1}', "9")

    assert read(b'{"a": 1}', "8") == {"a": 1}


def test_a_body_of_exactly_a_mebibyte_is_read_and_one_more_byte_is_not():
    text = b'"' + b"x" * (MOST_BYTES - 2) + b'"'

    assert len(read(text)) == MOST_BYTES - 2
    with pytest.raises(TooLarge):
        read(text + b" ")


@given(st.binary(max_size=64) | st.text(alphabet='{}[]":,\\ud8', max_size=40).map(str.encode))
def test_any_bytes_are_a_value_that_can_be_written_again_or_bad_json(raw):
    try:
        value = parsed_json(raw)
    except BadJson:
        return

    json.dumps(value, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("raw", [b"NaN", b"[Infinity]", b"\xff", b"[" * 100_000, b'"\\ud800"', b'{"\\uDFFF": 1}', b""])
def test_what_would_break_something_later_is_refused_here(raw):
    with pytest.raises(BadJson):
        parsed_json(raw)


def test_a_whole_surrogate_pair_is_one_character():
    assert parsed_json(b'"\\ud83d\\ude00"') == "\U0001f600"
