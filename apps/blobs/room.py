"""Room on the disks of this machine that writes go to."""

import os
from itertools import chain
from pathlib import Path

from django.conf import settings

from apps.blobs.objects import spool_directory
from apps.common.errors import StorageFull

WRITTEN_TWICE = 2
"""Bytes of rows go to the database's log first, then to its tables."""


def check_room(*, row_bytes: int = 0, object_bytes: int = 0) -> None:
    """Raises `StorageFull` where so many bytes would leave a disk less than MEMORYHUB_DISK_RESERVE.

    A database that cannot write its log stops, and then nothing can be read either: so bytes are refused before.
    Disks of other machines, and those that cannot be asked, are left to themselves.
    """
    if settings.MEMORYHUB_DATABASE_DIR is not None:
        _check(settings.MEMORYHUB_DATABASE_DIR, row_bytes * WRITTEN_TWICE)
    directory = spool_directory()
    if directory is not None:
        _check(directory, object_bytes)


def _check(directory: Path, size_bytes: int) -> None:
    free_bytes = _free_bytes(directory)
    if free_bytes is not None and free_bytes - size_bytes < settings.MEMORYHUB_DISK_RESERVE:
        raise StorageFull("The disk has too little room left. What is stored can be read and deleted.")


def _free_bytes(directory: Path) -> int | None:
    """Of the disk of a directory that may yet have to be made. None where it cannot be asked."""
    for place in chain((directory,), directory.parents):
        try:
            disk = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize
    return None
