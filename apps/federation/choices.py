"""What may be chosen for a workspace's federation. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.common.errors import Invalid, shown
from apps.federation.noise import LEAST_EPSILON, MOST_EPSILON

MODES = ("newest", "sum")
MOST_AGENTS = 1_000_000
MOST_BUDGET = 1_000_000.0
MOST_BOUND = 1_000_000_000
LONGEST_DAYS = 36_500
LONGEST_HOURS = LONGEST_DAYS * 24


def _is_whole(most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 1 <= value <= most


def _is_number(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and least <= value <= most


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "mode": (lambda value: value in MODES, f"One of {', '.join(MODES)}."),
    "min_agents": (_is_whole(MOST_AGENTS), "A whole number from 1."),
    "hash_labels": (lambda value: isinstance(value, bool), "true or false."),
    "expire_days": (
        lambda value: value is None or _is_whole(LONGEST_DAYS)(value),
        f"1 to {LONGEST_DAYS} days, or null for never.",
    ),
    "noise_epsilon": (
        lambda value: value is None or _is_number(LEAST_EPSILON, MOST_EPSILON)(value),
        "From 0.000001 to 1, or null for no noise.",
    ),
    "noise_budget": (_is_number(LEAST_EPSILON, MOST_BUDGET), "A number from 0.000001."),
    "noise_bound": (_is_whole(MOST_BOUND), "A whole number from 1."),
    "noise_hours": (_is_whole(LONGEST_HOURS), "A whole number of hours from 1."),
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
        told = "; ".join(f"{each['field']}: {each['detail']}".removeprefix(": ") for each in errors)
        raise Invalid(f"Some choices are not allowed. {told}", errors=errors)
