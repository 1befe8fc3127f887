"""What becomes of each backup of an import, and the sums. Pure."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The names are those of the report."""

    IMPORTED = "imported"
    PRESENT = "present"
    """An import has brought it before."""
    IGNORED = "ignored"
    """No backup of the old service: a hub's own copy, some other folder."""
    CHANGED_AT_HUB = "changed_at_hub"
    """The folder at the hub holds what no import has written; it stays."""
    REFUSED = "refused"
    """A rule of the hub is against it."""
    DAMAGED = "damaged"
    """Not whole, or not what the old service writes."""
    UNREADABLE = "unreadable"


PROBLEMS = frozenset({Outcome.CHANGED_AT_HUB, Outcome.REFUSED, Outcome.DAMAGED, Outcome.UNREADABLE})
"""What an operator has to look at: a backup that is not at the hub."""


@dataclass(frozen=True, slots=True)
class Row:
    """One backup. `reason` is a stable code and `detail` a sentence, both empty where there is nothing to say.

    `key` is its name, `memories` how many it holds, `size_bytes` those of the files that are made of it.
    """

    outcome: Outcome
    key: str
    reason: str = ""
    detail: str = ""
    memories: int = 0
    size_bytes: int = 0
    made_at: datetime | None = None
    hub_sequence: int | None = None

    @property
    def is_problem(self) -> bool:
        return self.outcome in PROBLEMS

    def as_json(self) -> dict[str, Any]:
        moment = self.made_at and self.made_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return asdict(self) | {"made_at": moment}
