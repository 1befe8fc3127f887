"""What a sync has done, as it is told while it runs and at its end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Done(StrEnum):
    """One thing that happened to one path. The names are those of the JSON lines."""

    UPLOADED = "uploaded"
    DOWNLOADED = "downloaded"
    MERGED = "merged"
    CONFLICT = "conflict"
    DELETED_HERE = "deleted_here"
    DELETED_THERE = "deleted_there"
    SKIPPED = "skipped"
    """Not synced, and not meant to be: links, names that the hub cannot have."""
    FAILED = "failed"
    """Not synced, though it should be; the next run tries again."""


Listener = Callable[[Done, str, str], None]
"""Is told what happened, the path, and what is to be said about it."""


@dataclass(slots=True)
class Report:
    """The sums of one run. `problems` are the paths that were skipped or failed, with the reason."""

    counts: Counter[Done] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many files this run has changed, on either side."""
        return sum(count for done, count in self.counts.items() if done not in (Done.SKIPPED, Done.FAILED))

    @property
    def is_whole(self) -> bool:
        """Whether everything that should be is in step."""
        return not self.counts[Done.FAILED]
