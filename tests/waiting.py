"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(claim: Callable[[], T], *, timeout_s: float = 30.0) -> T:
    """The first true answer of `claim`; an AssertionError when none came in time."""
    deadline = time.monotonic() + timeout_s
    while not (answer := claim()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return answer
