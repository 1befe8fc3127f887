"""Merging by lines."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryhub.client.folder.merging import LONGEST_BYTES, merged

BASE = b"1\n2\n3\n4\n5\n"


@pytest.mark.parametrize(
    "ours, theirs, result",
    [
        (BASE, BASE, BASE),
        (b"1\n2\n3\n4\n5\n6\n", BASE, b"1\n2\n3\n4\n5\n6\n"),
        (b"0\n" + BASE, BASE + b"6\n", b"0\n" + BASE + b"6\n"),
        (b"1\nx\n3\n4\n5\n", b"1\n2\n3\ny\n5\n", b"1\nx\n3\ny\n5\n"),
        (b"1\n3\n4\n5\n", b"1\n2\n3\n5\n", b"1\n3\n5\n"),
        (b"1\nx\n3\n4\n5\n", b"1\nx\n3\n4\n5\n", b"1\nx\n3\n4\n5\n"),
        (b"", BASE, b""),
        (b"1\nx\n3\n4\n5\n", b"1\ny\n3\n4\n5\n", None),
        (b"", BASE + b"6\n", None),
        (BASE + b"x\n", BASE + b"y\n", None),
        (BASE + b"\0", BASE, None),
        (b"\xff" + BASE, BASE, None),
        (b"x" * (LONGEST_BYTES + 1), BASE, None),
    ],
)
def test_changes_that_do_not_touch_each_other_are_merged(ours: bytes, theirs: bytes, result: bytes | None) -> None:
    assert merged(BASE, ours, theirs) == result
    assert merged(BASE, theirs, ours) == result


BOXES = b"- [ ]\n" * 8000


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "result"),
    [
        (BOXES, b"x\n" + BOXES, BOXES + b"y\n", b"x\n" + BOXES + b"y\n"),
        (b"a\n" + BOXES, b"a\n" + BOXES[6:], b"b\n" + BOXES, b"b\n" + BOXES[6:]),
    ],
)
def test_lines_that_repeat_are_merged_at_once(before: bytes, ours: bytes, theirs: bytes, result: bytes) -> None:
    began = time.monotonic()

    assert merged(before, ours, theirs) == result
    assert time.monotonic() - began < 1


def test_what_would_take_too_long_is_not_merged() -> None:
    before = b"".join(b"- [ ]\n" + b"%d\n" % number for number in range(4000))
    ours = b"0\n" + before.replace(b"\n7\n", b"\nseven\n") + b"1\n"
    began = time.monotonic()

    assert merged(before, ours, before[:-1] + b"x\n") is None
    assert time.monotonic() - began < 2


TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\r\n", "\n", "é\n"]), max_size=12).map("".join).map(str.encode)


@given(TEXTS, TEXTS)
def test_a_change_of_one_side_alone_is_taken(base: bytes, changed: bytes) -> None:
    assert merged(base, changed, base) == changed
    assert merged(base, base, changed) == changed
    assert merged(base, changed, changed) == changed


@given(TEXTS, TEXTS, TEXTS)
def test_a_merge_keeps_every_line_that_a_side_added(base: bytes, ours: bytes, theirs: bytes) -> None:
    result = merged(base, ours, theirs)

    if result is not None:
        lines, before = result.splitlines(True), base.splitlines(True)
        for side in (ours.splitlines(True), theirs.splitlines(True)):
            for line in set(side):
                assert lines.count(line) >= min(1, side.count(line) - before.count(line))
