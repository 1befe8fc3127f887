"""How the file system of a folder treats names and times."""

import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path

TICK_NS = 20_000_000
"""The longest tick of a kernel's clock, and some."""
COARSE_NS = 2_000_000_000
"""FAT knows even seconds only."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """What `probe` has found out."""

    folds_case: bool
    folds_accents: bool
    """Whether composed and decomposed spellings name the same file."""
    clock_grain_ns: int
    """A file may change again within so many nanoseconds of its time stamp, by our clock, and look the same."""

    @property
    def is_exact(self) -> bool:
        """Whether different names are different files."""
        return not (self.folds_case or self.folds_accents)

    def key(self, path: str) -> str:
        """Equal for paths that name the same file."""
        if self.folds_accents:
            path = unicodedata.normalize("NFC", path)
        return path.casefold() if self.folds_case else path


def probe(folder: Path) -> FileSystem:
    """Finds out by trying, in a folder of our own."""
    upper, composed = folder / "Probe-A", folder / "probe-\u00e9"
    try:
        stamps = []
        for name in (upper, composed):
            name.touch()
            stamps.append(name.stat().st_mtime_ns)
        grain_ns = clock_grain_ns(stamps, now_ns=time.time_ns())
        return FileSystem((folder / "probe-a").exists(), (folder / "probe-e\u0301").exists(), grain_ns)
    finally:
        for name in (upper, composed):
            name.unlink(missing_ok=True)


def clock_grain_ns(stamps: list[int], *, now_ns: int) -> int:
    """From the time stamps of files that were just written. Pure.

    Where fractions of seconds are kept, a stamp is that of the kernel's last tick. The clock may be a server's, and
    behind ours.
    """
    has_fractions = any(stamp % 10_000_000 for stamp in stamps)
    return (TICK_NS if has_fractions else COARSE_NS) + max(0, now_ns - max(stamps))
