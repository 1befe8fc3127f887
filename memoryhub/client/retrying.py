"""When a call is sent again. Pure."""

import random
from dataclasses import dataclass

TRANSIENT = frozenset({429, 502, 503, 504})
"""Statuses that clear by themselves."""
IN_USE = "idempotency_in_use"
"""The first sending of the same call still runs."""


@dataclass(frozen=True, slots=True)
class Retries:
    """`attempts` sendings in all, with waits that double from `first_s` to `longest_s` and are spread by half."""

    attempts: int = 6
    first_s: float = 0.25
    longest_s: float = 15.0
    longest_asked_s: float = 120.0
    """A hub that asks for a longer wait than this is not waited for."""

    def wait_s(self, attempt: int, asked_s: float | None) -> float | None:
        """How long to wait after the failed `attempt` (from 1), None to give up."""
        if attempt >= self.attempts or (asked_s or 0) > self.longest_asked_s:
            return None
        pause_s = min(self.longest_s, self.first_s * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        return max(pause_s, asked_s or 0.0)
