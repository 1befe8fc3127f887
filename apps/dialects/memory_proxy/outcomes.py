"""What becomes of each object of an import, and the sums. Pure."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from apps.dialects.memory_proxy.layouts import Entry


class Outcome(StrEnum):
    """The names are those of the report."""

    IMPORTED = "imported"
    DELETED = "deleted"
    """A deletion was imported."""
    PRESENT = "present"
    """The hub has it already."""
    IGNORED = "ignored"
    """No file: an index, a folder marker."""
    CHANGED_AT_HUB = "changed_at_hub"
    """The hub has something else there, which stays; what the old service has was not taken."""
    REFUSED = "refused"
    """A rule of the hub is against it."""
    DAMAGED = "damaged"
    """Not what the old service wrote."""
    UNREADABLE = "unreadable"
    LOST = "lost"
    """The old service's index names it, and there is no object."""


PROBLEMS = frozenset(
    {Outcome.CHANGED_AT_HUB, Outcome.REFUSED, Outcome.DAMAGED, Outcome.UNREADABLE, Outcome.LOST},
)
"""What an operator has to look at: something that the old service has, or had, is not at the hub."""


@dataclass(frozen=True, slots=True)
class Row:
    """One object, or one version of an object. `version`, `md5` and `changed_at` are the old service's.

    `reason` is a stable code and `detail` a sentence, both empty where there is nothing to say. `hub_version` is what
    the hub made of it.
    """

    outcome: Outcome
    key: str
    path: str | None = None
    reason: str = ""
    detail: str = ""
    object_version: str | None = None
    version: int | None = None
    md5: str | None = None
    size_bytes: int = 0
    changed_at: datetime | None = None
    hub_version: int | None = None

    @classmethod
    def of(cls, entry: Entry, key: str, outcome: Outcome, reason: str = "", detail: str = "", **known: Any) -> "Row":
        """The row of an entry, with whatever else is `known`."""
        return cls(
            outcome,
            key,
            reason=reason,
            detail=detail,
            object_version=entry.version_id,
            size_bytes=entry.size_bytes,
            changed_at=entry.changed_at,
            **known,
        )

    @property
    def is_problem(self) -> bool:
        return self.outcome in PROBLEMS

    def as_json(self) -> dict[str, Any]:
        moment = self.changed_at and self.changed_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return asdict(self) | {"changed_at": moment}
