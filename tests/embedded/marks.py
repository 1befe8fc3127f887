"""Marks of tests that need rights."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., object])


def as_root(test: Test) -> Test:
    """A test of what root does, whose programs run as another account. Part of the `system` tests, not of every run."""
    skip = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change accounts")
    return pytest.mark.system(skip(test))
