"""How pushes end, for Prometheus: accepted, repeated, or refused by the code of the refusal."""

from contextlib import suppress

from prometheus_client import Counter

PUSHES = Counter(
    "memoryhub_summary_pushes",
    "Pushes of summaries by how they ended: accepted, repeated, or the code of the refusal.",
    ["outcome"],
    registry=None,
)


def count_push(outcome: str) -> None:
    """Count one. On a full disk it may go uncounted."""
    with suppress(OSError):
        PUSHES.labels(outcome).inc()
