"""What may be set on a workspace, and what each value may be. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from apps.common.errors import Invalid, shown

LARGEST_COUNT = 2**63 - 1
LONGEST_DAYS = 36_500
LONGEST_NAME = 200
MOST_ORIGINS = 50
ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= LARGEST_COUNT)


def _is_days(value: Any) -> bool:
    return value is None or (type(value) is int and 1 <= value <= LONGEST_DAYS)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME and (value == "" or value.isprintable())


def _is_origins(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_ORIGINS and all(_is_origin(each) for each in value)


def _is_origin(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 200 and (value == "*" or ORIGIN.fullmatch(value) is not None)


def is_folder(value: str) -> bool:
    """Whether `value` is empty or a folder that files can lie in."""
    segments = value.split("/")
    return value == "" or (
        len(value.encode()) <= 255
        and value.isprintable()
        and "\\" not in value
        and not any(segment in {"", ".", ".."} for segment in segments)
        and segments[0].casefold() != ".memoryhub"
    )


COUNT_RULE = "A whole number from 0, or null for no limit."
DAYS_RULE = f"1 to {LONGEST_DAYS} days, or null for ever."
OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_name, f"At most {LONGEST_NAME} printable characters."),
    "quota_files": (_is_count, COUNT_RULE),
    "quota_live_bytes": (_is_count, COUNT_RULE),
    "quota_stored_bytes": (_is_count, COUNT_RULE),
    "history_days": (_is_days, DAYS_RULE),
    "tombstone_days": (_is_days, DAYS_RULE),
    "portable_names": (lambda value: isinstance(value, bool), "true or false."),
    "cors_origins": (_is_origins, f"At most {MOST_ORIGINS} origins such as https://app.example.com, or '*'."),
}


def check_options(changes: Mapping[str, Any]) -> None:
    """Invalid, naming each that is unknown or has a value that it may not have, or unless `changes` is a mapping."""
    if not isinstance(changes, Mapping):
        raise Invalid.of("", "invalid", "The body is an object of options.")
    errors = []
    if unknown := sorted(str(name) for name in changes.keys() - OPTIONS.keys()):
        detail = f"There is no such option: {shown(', '.join(unknown))}"
        errors.append({"field": "", "code": "unknown_field", "detail": detail})
    for name, value in changes.items():
        if name in OPTIONS and not OPTIONS[name][0](value):
            errors.append({"field": name, "code": "bad_value", "detail": OPTIONS[name][1]})
    if errors:
        raise Invalid("Some options are not allowed.", errors=errors)
