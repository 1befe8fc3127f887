"""How this process deals with memory that was freed."""

import ctypes

_M_MMAP_THRESHOLD = -3
LARGE_BYTES = 256 * 1024


def return_large_blocks() -> None:
    """Lets blocks of 256 KiB and more go back to the system when they are freed. Source: mallopt(3).

    glibc raises its limit of 128 KiB with each larger block that is freed, up to 32 MiB, and keeps the holes that they
    leave: with packs of 16 MiB some 40 MB. Another C library keeps its own ways.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
