"""Who acts, as the audit trail and change sets name it."""

from dataclasses import dataclass
from typing import Self

LONGEST = 200
"""Characters that every table keeps of an actor."""


@dataclass(frozen=True, slots=True)
class Actor:
    """`label` is what is written down: `token:<public id>`, `user:<name>`, `heare:<subject>`, `cli`, `system`."""

    label: str
    token_pk: int | None = None
    user_pk: int | None = None

    def __str__(self) -> str:
        return self.label[:LONGEST]

    @classmethod
    def cli(cls) -> Self:
        """The operator at the machine's own command line."""
        return cls("cli")

    @classmethod
    def system(cls) -> Self:
        """The hub itself: housekeeping and schedules."""
        return cls("system")
