"""Which versions may go. Pure: numbers decide, never times."""

from bisect import bisect_left
from collections.abc import Sequence


def is_held(version: int, successor: int, holds: Sequence[int]) -> bool:
    """Whether any hold needs this version: one lies in [version, successor). `holds` is sorted."""
    at = bisect_left(holds, version)
    return at < len(holds) and holds[at] < successor


def removable(versions: Sequence[tuple[int, int]], *, cutoff: int, holds: Sequence[int]) -> list[int]:
    """Of (version, successor) pairs the versions to remove: superseded up to the cutoff and needed by no hold."""
    superseded = [(version, successor) for version, successor in versions if successor <= cutoff]
    return [version for version, successor in superseded if not is_held(version, successor, holds)]
