import io
import time

import pytest
from django.http import UnreadablePostError

from apps.common.errors import Busy, IncompleteBody
from apps.common.problem import as_domain_error
from memoryhub.bodies import TimedBody
from memoryhub.transfers import Flight, Gate


def body_of(
    content: bytes, *, size_bytes: int | None = None, timeout_s: float = 5, gate: Gate | None = None
) -> TimedBody:
    size = len(content) if size_bytes is None else size_bytes
    gate = gate or Gate(1, wait_s=0)
    return TimedBody(io.BytesIO(content), Flight("192.0.2.1"), gate, size_bytes=size, timeout_s=timeout_s)


def test_a_body_in_time_is_read_as_it_is() -> None:
    body = body_of(b"one\ntwo\nthree")

    assert body.read(2) == b"on"
    assert body.readline() == b"e\n"
    assert body.readlines() == [b"two\n", b"three"]
    assert body.read() == b""


def test_a_body_of_many_pieces_is_read_whole() -> None:
    content = bytes(range(256)) * 1000

    assert body_of(content).read() == content
    assert body_of(content).read(200_000) == content[:200_000]


def test_no_more_than_the_announced_bytes_are_asked_for() -> None:
    body = body_of(b"mine and the next request", size_bytes=4)

    assert (body.read(100), body.read(100)) == (b"mine", b"")


@pytest.mark.parametrize("content", [b"", b"half"])
def test_a_body_that_ends_early_is_told_as_incomplete(content: bytes) -> None:
    with pytest.raises(UnreadablePostError) as broken:
        body_of(content, size_bytes=8).read(8)

    assert isinstance(as_domain_error(broken.value), IncompleteBody)


def test_a_body_that_trickles_is_given_up_and_told_as_incomplete() -> None:
    body = body_of(b"drip", timeout_s=0.05)

    assert body.read(1) == b"d"
    time.sleep(0.1)
    with pytest.raises(UnreadablePostError) as late:
        body.read(1)

    assert isinstance(as_domain_error(late.value), IncompleteBody)


def test_a_large_body_may_take_longer() -> None:
    body = body_of(b"slow", size_bytes=10 * 64 * 1024, timeout_s=0)

    time.sleep(0.1)

    assert body.read(4) == b"slow"


def test_a_body_has_its_place_from_the_first_read_to_its_last_byte() -> None:
    gate = Gate(1, wait_s=0)
    first, second = body_of(b"first", gate=gate), body_of(b"second", gate=gate)

    first.read(1)
    with pytest.raises(Busy):
        second.read(1)
    first.read()

    assert second.read() == b"second"


def test_a_body_that_is_not_read_to_its_end_gives_its_place_back_once() -> None:
    gate = Gate(1, wait_s=0)
    left = body_of(b"left", gate=gate)

    left.read(1)
    left.close()
    left.close()

    assert body_of(b"next", gate=gate).read() == b"next"
