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
    """Not synced, and not meant to be: links, odd files, names that the hub cannot have or that are another's here."""
    FAILED = "failed"
    """Not synced, though it should be; the next run tries again."""


Listener = Callable[[Done, str, str], None]
"""Is told what happened, the path, and what is to be said about it."""


@dataclass(frozen=True, slots=True)
class TooManyDeletes:
    """So many files would go at once, of all, that somebody should say yes first."""

    here: int
    there: int
    of: int

    def __str__(self) -> str:
        return (
            f"Of {self.of} files {self.here} would be deleted here and {self.there} on the hub. So many at once need "
            "--allow-deletes; none of them was deleted."
        )


@dataclass(slots=True)
class Report:
    """The sums of one run. `problems` are the paths that were skipped or failed, with the reason.

    `held_back` are deletions that were not done; all else was.
    """

    counts: Counter[Done] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    held_back: TooManyDeletes | None = None

    @property
    def changed(self) -> int:
        """How many files this run has changed, on either side."""
        return sum(count for done, count in self.counts.items() if done not in (Done.SKIPPED, Done.FAILED))

    @property
    def is_whole(self) -> bool:
        """Whether everything that should be is in step."""
        return not self.counts[Done.FAILED] and self.held_back is None


class Journal:
    """Writes the report of a run. The listener hears at once what was done, and at the end what could not be.

    A round of the run begins with nothing left; `again` is what another round may settle, with the reason.
    """

    def __init__(self, listener: Listener) -> None:
        self.report = Report()
        self.again: dict[str, str] = {}
        self._left: dict[str, tuple[Done, str]] = {}
        self._listener = listener

    def begin_round(self) -> None:
        self.again = {}
        self._left = {}

    def done(self, done: Done, path: str, about: str = "") -> None:
        self.report.counts[done] += 1
        self._listener(done, path, about)

    def skip(self, path: str, reason: str) -> None:
        self._left[path] = (Done.SKIPPED, reason)

    def fail(self, path: str, reason: object) -> None:
        self._left[path] = (Done.FAILED, _said(reason))

    def look_again(self, path: str, reason: object) -> None:
        self.again[path] = _said(reason)

    def finish(self) -> None:
        """There is no further round: what is left is told."""
        for path, reason in self.again.items():
            self.fail(path, reason)
        for path, (done, reason) in self._left.items():
            self.report.problems[path] = reason
            self.done(done, path, reason)
        self.begin_round()


def _said(reason: object) -> str:
    """Without the names that the system's errors tell: they may be of files of ours."""
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
