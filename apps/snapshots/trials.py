"""Where trial restores lie: directories of this machine that go with whoever made them."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from apps.blobs.errors import refusal_of_disk
from apps.blobs.objects import spool_directory

AREA_PREFIX = "memoryhub-trial-"


@contextmanager
def scratch_area() -> Iterator[Path]:
    """An empty directory where bodies are spooled; gone at the end of the block, or with the next one after a kill.

    Raises `StorageFull`, `Unavailable`.
    """
    home = spool_directory() or Path(tempfile.gettempdir())
    try:
        home.mkdir(parents=True, exist_ok=True)
        _clear(home)
        area, lock = _locked_area(home)
    except OSError as error:
        raise refusal_of_disk(error, "make room for a trial restore") from error
    try:
        yield area
    finally:
        shutil.rmtree(area, ignore_errors=True)
        os.close(lock)


def _locked_area(home: Path) -> tuple[Path, int]:
    """Its lock ends with this process, however that ends."""
    while True:
        area = Path(tempfile.mkdtemp(prefix=AREA_PREFIX, dir=home))
        try:
            lock = os.open(area, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            # Whoever clears up was faster.
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if area.exists():
            return area, lock
        os.close(lock)


def _clear(home: Path) -> None:
    """Removes the areas that nobody holds any more."""
    for left in home.glob(f"{AREA_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
