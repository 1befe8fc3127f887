"""Refusals as `application/problem+json`, for every edge. Source: RFC 9457.

Answers 401, 403 and 404 say nothing about where they were met: a stranger's workspace must read byte for byte like
one that does not exist.
"""

import errno
import json
from typing import Any
from urllib.parse import quote

import psycopg
import structlog
from django.core import exceptions as django_errors
from django.core.serializers.json import DjangoJSONEncoder
from django.db import utils as database_errors
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from rest_framework import exceptions as drf_errors

from apps.common.errors import (
    ECHO_LIMIT,
    BadJson,
    Busy,
    DomainError,
    IncompleteBody,
    Invalid,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    ScopeMissing,
    StorageFull,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedEncoding,
    shown,
)

logger = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:memoryhub:problem:"
PATH_TOKEN = "mhp_"
"""How a token begins that belongs into a path: an address that holds one elsewhere is not repeated."""
SILENT = frozenset({401, 403, 404})
"""Statuses whose answers carry no trace of the address."""
MOST_ERRORS = 50
BUSY_STATES = frozenset({"55P03", "40P01", "40001"})
"""lock_not_available, deadlock_detected, serialization_failure. Source: PostgreSQL manual, appendix A."""
FULL_STATES = frozenset({"53100"})
TEXT_STATES = frozenset({"22021", "22P05"})
"""character_not_in_repertoire, untranslatable_character."""
AWAY_CLASSES = frozenset({"08", "25", "53", "57", "58"})
"""Connection, read-only after a failover, resources, operator intervention and time-outs, system errors."""


class BadRequest(DomainError):
    """What Django itself refuses to read: a malformed Host header, a form with too many parts."""

    code, status, title = "bad_request", 400, "The request cannot be read"


class InternalError(DomainError):
    """A fault of ours. The answer names none of it; the log does, under the same request id."""

    code, status, title = "internal", 500, "The hub failed at this request"


def problem_response(error: DomainError, request: HttpRequest | Any) -> HttpResponse:
    """`error` as an answer, with its headers. `request` may be Django's or DRF's."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail or error.title,
        "code": error.code,
    }
    if error.status not in SILENT:
        instance = quote(request.path)
        if len(instance) <= ECHO_LIMIT and PATH_TOKEN not in instance:
            body["instance"] = instance
        if request_id := structlog.contextvars.get_contextvars().get("request_id"):
            body["request_id"] = request_id
    for name, value in error.fields.items():
        body.setdefault(name, value)
    return HttpResponse(
        json.dumps(body, cls=DjangoJSONEncoder, ensure_ascii=False).encode("utf-8", "replace"),
        status=error.status,
        content_type=CONTENT_TYPE,
        headers=error.headers,
    )


def as_domain_error(failure: BaseException) -> DomainError | None:
    """The refusal that stands for `failure` on the wire, or None when `failure` is a fault of ours."""
    match failure:
        case DomainError():
            return failure
        case drf_errors.APIException():
            return _from_drf(failure)
        case Http404():
            return NotFound()
        case django_errors.PermissionDenied():
            return ScopeMissing()
        case django_errors.RequestDataTooBig():
            return TooLarge("The body is larger than this operation takes.")
        case django_errors.SuspiciousOperation() | django_errors.BadRequest():
            return BadRequest()
        case UnreadablePostError():
            return IncompleteBody()
        case database_errors.Error() | psycopg.Error():
            return _from_database(failure)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return StorageFull()
    return None


def exception_handler(failure: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's hook: every exception that a view lets out, as problem+json."""
    return failure_response(failure, context["request"])


def failure_response(failure: Exception, request: HttpRequest | Any) -> HttpResponse:
    """The answer to `failure`; one that nobody foresaw is logged here and answered with a bare 500."""
    return problem_response(refusal_of(failure), request)


def refusal_of(failure: Exception) -> DomainError:
    """The refusal to tell the caller; what nobody foresaw is logged here and becomes `InternalError`.

    Logged too: a service's failure that became a refusal here, and damaged bytes, which an operator has to look after.
    """
    error = as_domain_error(failure)
    if error is None:
        logger.error("request_failed", exc_info=failure)
        error = InternalError()
    elif error.status == 502 or (error.status >= 500 and error is not failure):
        logger.warning("request_refused", code=error.code, cause=type(failure).__name__)
    return error


def _from_drf(failure: drf_errors.APIException) -> DomainError:
    match failure:
        case drf_errors.ValidationError():
            return Invalid("Some values are not allowed.", errors=flat_errors(failure.get_full_details()))
        case drf_errors.ParseError():
            return BadJson()
        case drf_errors.UnsupportedMediaType():
            return UnsupportedEncoding("This operation takes application/json.")
        case drf_errors.NotAuthenticated() | drf_errors.AuthenticationFailed():
            return Unauthorized()
        case drf_errors.PermissionDenied():
            return ScopeMissing()
        case drf_errors.NotFound():
            return NotFound()
        case drf_errors.MethodNotAllowed():
            return MethodNotAllowed()
        case drf_errors.Throttled():
            return RateLimited(headers={"Retry-After": str(max(1, round(getattr(failure, "wait", None) or 1)))})
    return BadRequest() if failure.status_code < 500 else Unavailable()


def _from_database(failure: BaseException) -> DomainError | None:
    """By SQLSTATE, from psycopg's error or from the one that Django wraps around it."""
    source = failure if isinstance(failure, psycopg.Error) else failure.__cause__
    state = getattr(source, "sqlstate", None)
    if state in BUSY_STATES:
        return Busy(retry_after_s=1)
    if state in FULL_STATES:
        return StorageFull()
    if state in TEXT_STATES or (state is None and isinstance(source, psycopg.DataError)):
        # Without a SQLSTATE the driver itself refused: a NUL in text, the one character that no column takes.
        return Invalid("A text holds characters that cannot be kept.", errors=[])
    if state is not None:
        return Unavailable() if state[:2] in AWAY_CLASSES else None
    # Without a SQLSTATE the server said nothing: the connection is gone or could not be made.
    lost = (
        database_errors.OperationalError,
        database_errors.InterfaceError,
        psycopg.OperationalError,
        psycopg.InterfaceError,
    )
    return Unavailable() if isinstance(failure, lost) else None


def flat_errors(details: Any) -> list[dict[str, str]]:
    """DRF's nested validation details as `{field, code, detail}`, fields dotted, in order, without what was sent.

    At most 50 entries and 200 characters of field names: names of unknown fields come from the caller.
    """
    errors: list[dict[str, str]] = []
    echoed = 0
    for field, code, detail in _walk(details, ""):
        echoed += len(field)
        if len(errors) == MOST_ERRORS or echoed > ECHO_LIMIT:
            errors.append({"field": "", "code": "more", "detail": "There are more errors than are shown."})
            break
        errors.append({"field": shown(field), "code": code, "detail": detail})
    return errors


def _walk(details: Any, field: str) -> Any:
    if isinstance(details, list):
        for number, item in enumerate(details):
            is_leaf = isinstance(item, dict) and set(item) == {"message", "code"}
            yield from _walk(item, field if is_leaf else _joined(field, str(number)))
    elif isinstance(details, dict) and set(details) == {"message", "code"} and isinstance(details["code"], str):
        code = details["code"]
        # DRF's own sentence for these repeats the value.
        echoes = code in {"invalid_choice", "does_not_exist", "incorrect_type"}
        yield field, code, "This value is not one of those allowed." if echoes else shown(str(details["message"]))
    elif isinstance(details, dict):
        for name, item in details.items():
            yield from _walk(item, field if name == "non_field_errors" else _joined(field, str(name)))


def _joined(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
