"""Reads a pushed summary as the coordinator's framework did: pydantic's lax rules, and its words for what is wrong."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest

from apps.common.errors import BadJson, IncompleteBody, TooLarge
from apps.common.forms import parsed_json
from apps.dialects.answers import refusal
from apps.dialects.coordinator.refusals import BAD_TIME
from apps.dialects.validation import entry, no_object, unreadable_json
from apps.federation.summaries import GREATEST_COUNT, MOST_BYTES, BadTime, Summary
from apps.files.receiving import content_length

JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]*\+)?json", re.IGNORECASE)
INTEGER = re.compile(r"\s*([+-]?[0-9]+(?:_[0-9]+)*)(?:\.0*)?\s*", re.ASCII)
MOST_ERRORS = 100
"""The original names each wrong item; of a hundred thousand this is enough."""

_OBJECT = "Input should be a valid dictionary"
_STRING = "Input should be a valid string"


def read_summary(request: HttpRequest) -> Summary:
    """The summary in the body. Raises `Refusal`, TooLarge, IncompleteBody, LengthRequired, and Invalid over a limit."""
    sent = _sent(request)
    errors = list(_errors(sent))
    if errors:
        raise refusal(422, errors[:MOST_ERRORS])
    try:
        return Summary.of(
            sent["agent_id"],
            sent["timestamp"],
            topics={topic: _integer(count) for topic, count in sent.get("topic_counts", {}).items()},
            labels=sent.get("fact_hashes", []),
            metadata=sent.get("metadata"),
        )
    except BadTime as error:
        raise refusal(400, BAD_TIME) from error


def _sent(request: HttpRequest) -> Mapping[str, Any]:
    size_bytes = content_length(request.META)
    if size_bytes > MOST_BYTES:
        raise TooLarge(f"A summary has at most {MOST_BYTES} bytes.", limit=MOST_BYTES)
    raw = request.read(size_bytes)
    if len(raw) < size_bytes:
        raise IncompleteBody()
    if not raw:
        raise refusal(422, [entry(["body"], "missing", "Field required", None)])
    if JSON_TYPE.fullmatch((request.content_type or "").strip()) is None:
        raise refusal(422, [no_object(raw[:200].decode("utf-8", "replace"))])
    try:
        body = parsed_json(raw)
    except BadJson as error:
        raise refusal(422, [unreadable_json(raw)]) from error
    if not isinstance(body, dict):
        raise refusal(422, [no_object(body)])
    if "summary" not in body:
        raise refusal(422, [entry(["body", "summary"], "missing", "Field required", body)])
    sent = body["summary"]
    if not isinstance(sent, dict):
        raise refusal(422, [no_object(sent) | {"loc": ["body", "summary"]}])
    return sent


def _errors(sent: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("agent_id", "timestamp"):
        if name not in sent:
            yield entry(["body", "summary", name], "missing", "Field required", dict(sent))
        elif not isinstance(sent[name], str):
            yield entry(["body", "summary", name], "string_type", _STRING, sent[name])
    yield from _topic_errors(sent.get("topic_counts", {}))
    yield from _label_errors(sent.get("fact_hashes", []))
    if not isinstance(sent.get("metadata"), dict | None):
        yield entry(["body", "summary", "metadata"], "dict_type", _OBJECT, sent["metadata"])


def _topic_errors(topics: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(topics, dict):
        yield entry(["body", "summary", "topic_counts"], "dict_type", _OBJECT, topics)
        return
    for topic, count in topics.items():
        if (problem := _integer_problem(count)) is not None:
            yield entry(["body", "summary", "topic_counts", topic], *problem, count)


def _label_errors(labels: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(labels, list):
        yield entry(["body", "summary", "fact_hashes"], "list_type", "Input should be a valid list", labels)
        return
    if set(map(type, labels)) <= {str}:
        return
    for place, label in enumerate(labels):
        if not isinstance(label, str):
            yield entry(["body", "summary", "fact_hashes", place], "string_type", _STRING, label)


def _integer_problem(value: Any) -> tuple[str, str] | None:
    """Kind and sentence, or None for what pydantic takes: whole numbers, also as text, and true and false."""
    match value:
        case int():
            return None
        case float() if value.is_integer():
            return None
        case float():
            return "int_from_float", "Input should be a valid integer, got a number with a fractional part"
        case str() if INTEGER.fullmatch(value):
            return None
        case str():
            return "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
    return "int_type", "Input should be a valid integer"


def _integer(value: float | str) -> int:
    if isinstance(value, str):
        found = INTEGER.fullmatch(value)
        assert found is not None, "it was checked before"
        try:
            return int(found[1])
        except ValueError:  # Python reads at most 4,300 digits.
            return GREATEST_COUNT + 1
    return int(value)
