"""Names of snapshots. Pure."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

from apps.snapshots.errors import BadName

SECRET_OPTION = re.compile(
    r"secret|passw|passphrase|token|credential|connection_string|account_key|access_key|private|params"
)
"""Found in the names of a target's options that are kept encrypted and never shown."""
NAME_OF_TARGET = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
LONGEST = 100
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def checked_name(name: str) -> str:
    """Raises `BadName`: a name is also a folder's name in a bucket."""
    if NAME.fullmatch(name) is None or ".." in name:
        raise BadName(
            "A name is 1 to 100 of A-Z, a-z, 0-9, '.', '_' and '-', begins with none of the last three, and "
            "holds no '..'."
        )
    return name


def dated_name(prefix: str, now: datetime) -> str:
    """As `manual_20260214_120000`, in UTC."""
    return f"{prefix}_{now.astimezone(UTC):%Y%m%d_%H%M%S}"


def next_name(wished: str, taken: Collection[str]) -> str:
    """The wished name, with a number behind it where it is taken; never longer than a name may be."""
    name, number = wished, 1
    while name in taken:
        number += 1
        name = f"{wished[: LONGEST - len(str(number)) - 1]}_{number}"
    return name
