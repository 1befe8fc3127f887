"""Refusals in the older shape: the one place where the hub's errors are translated for this wire."""

import structlog
from django.http import HttpResponse

from apps.common.errors import DomainError, MethodNotAllowed, NotFound, ScopeMissing, Unauthorized
from apps.common.problem import InternalError, refusal_of
from apps.dialects.answers import Refusal, json_response, refusal

logger = structlog.get_logger(__name__)

OFF = "Cloud sync not configured"
INTERNAL = "Internal server error"
CONFIRM = "Confirmation required. Set confirm=true to proceed. WARNING: "
UNSENT_HEADERS = frozenset({"WWW-Authenticate"})
"""The original never sent it."""


def unreachable(error: DomainError) -> Refusal:
    """A store that cannot be asked. The original said no more of it either; the log does."""
    logger.warning("cloud_sync_unreachable", code=error.code, detail=error.detail)
    return refusal(500, INTERNAL)


def older_response(failure: Exception) -> HttpResponse:
    """Whatever went wrong, as the original would have told it."""
    if isinstance(failure, Refusal):
        return json_response(failure.body, failure.status)
    error = refusal_of(failure)
    headers = {name: value for name, value in error.headers.items() if name not in UNSENT_HEADERS}
    return json_response({"detail": _detail(error)}, error.status, headers)


def _detail(error: DomainError) -> str:
    match error:
        case Unauthorized():
            return "Invalid or missing API key"
        case ScopeMissing():
            return "Admin key required"
        case NotFound() if not error.detail:
            return "Not Found"
        case MethodNotAllowed():
            return "Method Not Allowed"
        case InternalError():
            return INTERNAL
    return error.detail or error.title
