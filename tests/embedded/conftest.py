"""Directories for hubs that run their own servers."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """An empty directory with a short name that every account can pass through, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="mhhub-", dir="/tmp"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)
