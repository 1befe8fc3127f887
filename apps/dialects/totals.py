"""Sums of what an import has met."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol


class Counted(Protocol):
    """One thing that was met, and what became of it."""

    @property
    def outcome(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def is_problem(self) -> bool: ...


@dataclass(slots=True)
class Totals:
    """Things and bytes by outcome, and how many are problems."""

    counts: Counter[str] = field(default_factory=Counter)
    size_bytes: Counter[str] = field(default_factory=Counter)
    problems: int = 0

    def add(self, row: Counted) -> None:
        self.counts[row.outcome] += 1
        self.size_bytes[row.outcome] += row.size_bytes
        self.problems += row.is_problem
