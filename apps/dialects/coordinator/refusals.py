"""Refusals in the coordinator's shape: the one place where the hub's errors are translated for this wire."""

from typing import Any

from django.http import HttpResponse

from apps.common.errors import DomainError, Invalid, MethodNotAllowed, NotFound, Unauthorized
from apps.common.problem import InternalError, refusal_of
from apps.dialects.answers import Refusal, json_response
from apps.dialects.validation import entry

BAD_TIME = "Invalid timestamp format (expected ISO 8601)"


def older_response(failure: Exception) -> HttpResponse:
    """Whatever went wrong, as the original's framework would have told it."""
    if isinstance(failure, Refusal):
        return json_response(failure.body, failure.status)
    error = refusal_of(failure)
    return json_response({"detail": _detail(error)}, error.status, error.headers)


def code_of(failure: Exception) -> str:
    """The hub's own code for it: this wire has none."""
    if isinstance(failure, Refusal):
        return "bad_time" if failure.body["detail"] == BAD_TIME else Invalid.code
    return refusal_of(failure).code


def _detail(error: DomainError) -> Any:
    match error:
        case Invalid():
            return [_field(each) for each in error.fields.get("errors", [])] or error.detail
        case Unauthorized():
            return "Invalid or missing token"
        case NotFound() if not error.detail:
            return "Not Found"
        case MethodNotAllowed():
            return "Method Not Allowed"
        case InternalError():
            return "Internal Server Error"
    return error.detail or error.title


def _field(error: dict[str, str]) -> dict[str, Any]:
    # A topic may hold dots of its own.
    field, _, item = error["field"].partition(".")
    place: list[str | int] = [field, *([int(item) if field == "fact_hashes" else item] if item else [])]
    return entry(["body", "summary", *place], error["code"], error["detail"], None)
