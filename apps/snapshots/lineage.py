"""Which copy grew from which. Pure.

Copies tell their parents, and carry a version vector besides: of each hub the newest copy that they grew from. Parents
are followed as far as they are known; where retention has deleted one, the vector tells the rest. It relies on ids
that go up with time, as those of UUID version 7 do.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

GONE = UUID(int=0)
"""For a parent, or a writer, of which nothing is left."""
Vector = Mapping[UUID, UUID]
"""By writer."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a copy."""

    writer: UUID
    parent: UUID | None = None
    vector: Vector = field(default_factory=dict)


Copies = Mapping[UUID, Known]


def vector_of(told: Mapping[str, str]) -> dict[UUID, UUID]:
    """From JSON. Raises ValueError, TypeError, AttributeError for what is none."""
    return {UUID(writer): UUID(copy) for writer, copy in told.items()}


def vector_json(vector: Vector) -> dict[str, str]:
    return {str(writer): str(copy) for writer, copy in vector.items()}


class Line:
    """A copy and all that it grew from: `in` tells of any copy whether it is of them."""

    def __init__(self, copy: UUID | None, copies: Copies) -> None:
        self._copies = copies
        self.known = list(_ancestry(copy, copies))
        self._met = frozenset(self.known)
        is_cut = len(self.known) > 1 and self.known[-1] not in copies
        self._beyond: Vector = copies[self.known[-2]].vector if is_cut else {}

    def __contains__(self, copy: object) -> bool:
        if copy in self._met:
            return True
        if not isinstance(copy, UUID):
            return False
        known = self._copies.get(copy)
        if known is None:
            return copy in self._beyond.values()
        newest = self._beyond.get(known.writer)
        return newest is not None and copy <= newest


def _ancestry(copy: UUID | None, copies: Copies) -> Iterator[UUID]:
    """A copy and all before it, as far as they are known. Ends also where a damaged target made a circle."""
    met: set[UUID] = set()
    while copy is not None and copy not in met:
        met.add(copy)
        yield copy
        known = copies.get(copy)
        copy = known.parent if known is not None else None


def is_behind(old: UUID | None, new: UUID | None, copies: Copies) -> bool:
    """Whether `new` is `old`, or grew from it."""
    return old is not None and old in Line(new, copies)


def common_ancestor(one: UUID | None, other: UUID | None, copies: Copies) -> UUID | None:
    """The last known copy that both grew from."""
    ours, theirs = Line(one, copies), Line(other, copies)
    return max((copy for copy in copies if copy in ours and copy in theirs), default=None)


def unrelated(some: Collection[UUID], copies: Copies) -> set[UUID]:
    """Those of the copies that none of the others grew from: more than one is a fork."""
    lines = {copy: Line(copy, copies) for copy in some}
    return {copy for copy in some if not any(other != copy and copy in line for other, line in lines.items())}


def grown(*vectors: Vector) -> dict[UUID, UUID]:
    """The version vector of what grew from all that has these."""
    newest: dict[UUID, UUID] = {}
    for other in vectors:
        for writer, copy in other.items():
            newest[writer] = max(copy, newest.get(writer, copy))
    return newest
