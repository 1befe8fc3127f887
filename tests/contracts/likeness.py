"""Whether an answer is like its documented example: the same keys and types everywhere, the same values where they
are no matter of time or chance.
"""

import re
from typing import Any

VARYING = frozenset(
    {
        "actor", "agent", "at", "changed_at", "changed_at_ms", "created_at", "cursor", "expires_at", "finished_at",
        "first_seen_at", "id", "job", "last_seen_at", "last_used_at", "next_run_at", "owner", "received_at",
        "request_id", "reset_at", "safety_snapshot", "sealed_at", "secret", "sent_bytes", "started_at", "token",
    }
)  # fmt: skip
"""Fields whose values differ from one run to the next. Their form is compared all the same."""
FORMS = {
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "uuid": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "hex": re.compile(r"[0-9a-f]{32}"),
    "actor": re.compile(r"token:[0-9A-Za-z]{12}"),
    "api token": re.compile(r"mh_[0-9A-Za-z]{12}_.{38,}"),
    "signing secret": re.compile(r"whsec_.+"),
    "id": re.compile(r"[0-9A-Za-z]{12}"),
}


def differences(example: Any, actual: Any, at: str = "$") -> list[str]:
    """Where `actual` is unlike the example, one line each; nothing when it is like it."""
    if isinstance(example, dict) and isinstance(actual, dict):
        if example.keys() != actual.keys():
            return [f"{at}: fields {sorted(actual)} instead of {sorted(example)}"]
        return [line for key in example for line in differences(example[key], actual[key], f"{at}.{key}")]
    if isinstance(example, list) and isinstance(actual, list):
        return _differences_of_lists(example, actual, at)
    if type(example) is not type(actual):
        return [f"{at}: {actual!r} is of another type than {example!r}"]
    if at.rpartition(".")[2] in VARYING:
        return [] if form_of(example) == form_of(actual) else [f"{at}: {actual!r} has not the form of {example!r}"]
    return [] if example == actual else [f"{at}: {actual!r} instead of {example!r}"]


def form_of(value: Any) -> str:
    """The name of the form that a value has."""
    if isinstance(value, str):
        return next((name for name, form in FORMS.items() if form.fullmatch(value)), "text")
    return type(value).__name__


def _differences_of_lists(example: list[Any], actual: list[Any], at: str) -> list[str]:
    """Pairwise; a longer list of objects has one that is like the example's, and all have its fields."""
    if example and isinstance(example[0], list) and all(isinstance(name, str) for name in example[0]):
        return _differences_of_tables(example, actual, at)
    if len(example) == len(actual):
        pairs = enumerate(zip(example, actual, strict=True))
        return [line for number, (one, other) in pairs for line in differences(one, other, f"{at}[{number}]")]
    if not (example and isinstance(example[0], dict) and len(actual) > len(example)):
        return [f"{at}: {actual!r} instead of {example!r}"]
    foreign = [sorted(item) for item in actual if item.keys() != example[0].keys()]
    if foreign:
        return [f"{at}: items with the fields {foreign[0]} instead of {sorted(example[0])}"]
    tries = [differences(example[0], item, f"{at}[{number}]") for number, item in enumerate(actual)]
    return [] if [] in tries else tries[0]


def _differences_of_tables(example: list[list[Any]], actual: list[Any], at: str) -> list[str]:
    """Rows of which the first names the columns."""
    columns, *rows = example
    if not actual or actual[0] != columns:
        return [f"{at}: columns {actual[:1]!r} instead of {columns!r}"]
    as_objects = [dict(zip(columns, row, strict=True)) for row in actual[1:]]
    return _differences_of_lists([dict(zip(columns, row, strict=True)) for row in rows], as_objects, at)
