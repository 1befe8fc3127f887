"""What may be chosen for a workspace's federation. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.common.errors import Invalid, shown

MODES = ("newest", "sum")
MOST_AGENTS = 1_000_000
LONGEST_DAYS = 36_500

_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "mode": (lambda value: value in MODES, f"One of {', '.join(MODES)}."),
    "min_agents": (lambda value: type(value) is int and 1 <= value <= MOST_AGENTS, "A whole number from 1."),
    "hash_labels": (lambda value: isinstance(value, bool), "true or false."),
    "expire_days": (
        lambda value: value is None or (type(value) is int and 1 <= value <= LONGEST_DAYS),
        f"1 to {LONGEST_DAYS} days, or null for never.",
    ),
}


def check_choices(changes: Mapping[str, Any]) -> None:
    """Invalid, naming each that is unknown or has a value that it may not have."""
    errors = [
        {"field": "", "code": "unknown_field", "detail": f"There is no such choice: {shown(name)}"}
        for name in sorted(changes.keys() - _RULES.keys())
    ]
    for name, value in changes.items():
        if name in _RULES and not _RULES[name][0](value):
            errors.append({"field": name, "code": "bad_value", "detail": _RULES[name][1]})
    if errors:
        raise Invalid("Some choices are not allowed.", errors=errors)
