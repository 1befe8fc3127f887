"""What a caller expects of a path before a write. Pure; judged under the workspace lock by the change functions."""

import re
from dataclasses import dataclass
from enum import StrEnum

from apps.common.errors import BadPrecondition, PreconditionRequired

MAX_VERSION = 2**40
_ENTITY_TAG = re.compile(r'\s*(?:W/)?"(?P<version>[0-9]{1,13})"\s*', re.ASCII)


class ConditionKind(StrEnum):
    """The names are those of the change functions.

    The native API treats a tombstone as absent (`live`, `absent`, `version`); older wires treat it as a state that
    exists (`never`, `state`, `md5`).
    """

    ANY = "any"
    LIVE = "live"
    ABSENT = "absent"
    NEVER = "never"
    VERSION = "version"
    STATE = "state"
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class Condition:
    kind: ConditionKind
    version: int | None = None
    md5: bytes | None = None

    @classmethod
    def at_version(cls, version: int) -> "Condition":
        """Live at exactly this version."""
        return cls(ConditionKind.VERSION, version=version)


ANY = Condition(ConditionKind.ANY)
LIVE = Condition(ConditionKind.LIVE)
ABSENT = Condition(ConditionKind.ABSENT)
NEVER = Condition(ConditionKind.NEVER)


def version_of_tag(tag: str) -> int | None:
    """The version that an entity tag of ours names, None for any other text.

    A weak form is taken as equal: proxies that compress turn our strong tags into weak ones.
    """
    match = _ENTITY_TAG.fullmatch(tag)
    return int(match["version"]) if match else None


def names_tag(header: str, tag: str) -> bool:
    """Whether an If-None-Match list names this entity tag, compared weakly, or is `*`. Source: RFC 9110 13.1.2."""
    opaque = tag.removeprefix("W/")
    return header.strip() == "*" or any(part.strip().removeprefix("W/") == opaque for part in header.split(","))


def condition_from_headers(if_match: str | None, if_none_match: str | None, *, overwrite: bool) -> Condition:
    """The one condition of a write request.

    Raises `PreconditionRequired` where nothing is said and `BadPrecondition` where two things are, or where the tag
    is none of ours. Source: RFC 9110 13.1, narrowed to one entity tag; RFC 6585 3.
    """
    given = [value for value in (if_match, if_none_match) if value is not None]
    if len(given) + overwrite > 1:
        raise BadPrecondition("Give one of If-Match, If-None-Match and overwrite=true.")
    if overwrite:
        return ANY
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise BadPrecondition("If-None-Match of a write takes only *.")
        return ABSENT
    if if_match is None:
        raise PreconditionRequired
    if if_match.strip() == "*":
        return LIVE
    version = version_of_tag(if_match)
    if version is None or version >= MAX_VERSION:
        raise BadPrecondition('If-Match takes * or one entity tag such as "12".')
    return Condition.at_version(version)


def condition_from_item(if_version: object) -> Condition:
    """The condition of a batch item: a version, 0 for absent, or "any". Raises `BadPrecondition`."""
    if if_version == "any":
        return ANY
    if isinstance(if_version, int) and not isinstance(if_version, bool) and 0 <= if_version < MAX_VERSION:
        return Condition.at_version(if_version) if if_version else ABSENT
    if if_version is None:
        raise PreconditionRequired('Each item needs if_version: a version, 0 for absent, or "any".')
    raise BadPrecondition('if_version is a version, 0 for absent, or "any".')
