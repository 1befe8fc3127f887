"""How long a failed attempt waits. No Django, no clock: chance comes in as a number."""

FIRST_S = 2.0
LONGEST_S = 3600.0
LONGEST_ASKED_S = 86_400.0


def backoff_s(attempt: int, *, chance: float, asked_s: float = 0.0) -> float:
    """Seconds to wait after the `attempt`-th try (from 1) failed: 2, 4, 8 ... 3600, each shortened by up to half.

    `chance` in [0, 1) spreads jobs that failed together. `asked_s` is the least wait the other side named; a day of
    it is honoured.
    """
    full = min(FIRST_S * 2.0 ** min(attempt - 1, 30), LONGEST_S)
    return max(full * (1 - chance / 2), min(asked_s, LONGEST_ASKED_S))
