"""Times as they are written on the wire."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """`moment`, which must be aware, in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """The same, and None for None."""
    return None if moment is None else rfc3339(moment)
