"""Version numbers on the wire. Pure.

Clients take a path as changed when its version has grown. The original's versions were milliseconds since the epoch,
and a client that moves here from it remembers them: so ours begin above those, where they stay until the year 2039.
"""

import re

from apps.common.conditions import ANY, MAX_VERSION, NEVER, Condition, ConditionKind
from apps.common.errors import Invalid

VERSION_BASE = 2**41
HEADER = "If-Match-Version"
_LONGEST = 40
_NO_SEQUENCE = 0
"""Sequences begin at 1, so no state is ever at this one."""
# What the original's framework reads as a whole number: a sign, underscores and a fraction of zeros are fine.
_WHOLE_NUMBER = re.compile(r"\s*(?P<digits>[+-]?[0-9]+(?:_[0-9]+)*)(?:\.0+)?\s*", re.ASCII)


def wire_version(sequence: int) -> int:
    """The version that clients see for a sequence."""
    return VERSION_BASE + sequence


def expected_version(header: str | None) -> int | None:
    """The version that `If-Match-Version` names, None without the header. Raises `Invalid`."""
    if header is None:
        return None
    match = _WHOLE_NUMBER.fullmatch(header)
    if match is None:
        raise _refused("int_parsing", "Input should be a valid integer, unable to parse string as an integer", header)
    if len(match["digits"]) > _LONGEST:
        raise _refused("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size", header)
    return int(match["digits"])


def required_version(header: str | None) -> int:
    """The same where the header is needed. Raises `Invalid`."""
    version = expected_version(header)
    if version is None:
        raise _refused("missing", "Field required", None)
    return version


def refuse_version(header: str | None) -> None:
    """Seed wire, which has no versions: a condition that cannot be judged must not be dropped. Raises `Invalid`."""
    if header is not None:
        raise _refused("not_of_this_wire", "Versions belong to /{namespace}/blob/{path}", header)


def put_condition(expected: int) -> Condition:
    """0: nothing was ever stored there; otherwise the stored state, which may be a tombstone, has this version."""
    return _at(expected) if expected else NEVER


def delete_condition(expected: int | None) -> Condition:
    """None: whatever is stored; otherwise it has this version. 0 never holds."""
    return ANY if expected is None else _at(expected)


def _at(version: int) -> Condition:
    sequence = version - VERSION_BASE
    known = 0 < sequence < MAX_VERSION
    return Condition(ConditionKind.STATE, version=sequence if known else _NO_SEQUENCE)


def _refused(code: str, detail: str, given: str | None) -> Invalid:
    return Invalid(errors=[{"field": HEADER, "code": code, "detail": detail, "input": given}])
