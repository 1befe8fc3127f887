"""Renames in one step that lose nothing to somebody who writes at the same moment."""

import ctypes
import errno
import os
import sys
from pathlib import Path

_IS_MAC = sys.platform == "darwin"
_HERE = -2 if _IS_MAC else -100
"""AT_FDCWD: paths are as they are everywhere."""
_KEEP_TARGET = 4 if _IS_MAC else 1
_EXCHANGE = 2
_LACKING = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})
"""What a kernel or a file system says that does not know these renames."""


def exchange(one: Path, other: Path) -> bool:
    """Each gets the other's name. False, and nothing is done, where the system cannot. Raises OSError."""
    return _renamed(one, other, _EXCHANGE)


def move_to_free_name(source: Path, target: Path) -> None:
    """Whatever has the old name at that moment gets the new one. Raises FileExistsError where that is taken."""
    if not _renamed(source, target, _KEEP_TARGET):
        move_to_reserved_name(source, target)


def put_at_free_name(source: Path, target: Path) -> None:
    """The same for a file of ours, which nobody else renames."""
    if not _renamed(source, target, _KEEP_TARGET):
        link_at_free_name(source, target)


def link_at_free_name(source: Path, target: Path) -> None:
    """On any system that knows links."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        move_to_reserved_name(source, target)
    else:
        source.unlink()


def move_to_reserved_name(source: Path, target: Path) -> None:
    """On any system: an empty file keeps the name until the other one comes."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        source.rename(target)
    except OSError:
        target.unlink()
        raise


def _renamed(source: Path, target: Path, flag: int) -> bool:
    if _rename is None:
        return False
    # Whoever listens to the renames of Python hears of these too.
    sys.audit("os.rename", str(source), str(target), -1, -1)
    if _rename(_HERE, os.fsencode(source), _HERE, os.fsencode(target), flag) == 0:
        return True
    error = ctypes.get_errno()
    if error in _LACKING:
        return False
    raise OSError(error, os.strerror(error), str(source), None, str(target))


_rename = getattr(ctypes.CDLL(None, use_errno=True), "renameatx_np" if _IS_MAC else "renameat2", None)
