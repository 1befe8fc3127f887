"""What is answered when no view can: problem+json for machines, a short page for people at the console's paths."""

import sys

import structlog
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.common import problem
from apps.common.errors import DomainError, NotFound, ScopeMissing
from apps.operations.middleware import MACHINE_PATHS

logger = structlog.get_logger(__name__)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """`handler404`."""
    return _refusal(NotFound(), request)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """`handler400`."""
    known = problem.as_domain_error(exception) if exception else None
    return _refusal(known or problem.BadRequest(), request)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """`handler403`."""
    return _refusal(ScopeMissing(), request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`: the console's form was too old or came from elsewhere."""
    return _refusal(ScopeMissing("The form is too old or came from another site. Load the page again."), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`, called inside the `except`. A service that is away is 503; the rest is logged as ours."""
    failure = sys.exception()
    known = problem.as_domain_error(failure) if failure else None
    if known is None:
        logger.error("request_crashed", exc_info=failure)
    return _refusal(known or problem.InternalError(), request)


def _refusal(error: DomainError, request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith(MACHINE_PATHS) or not _wants_page(request):
        return problem.problem_response(error, request)
    page = render_to_string("refusal.html", {"status": error.status, "title": error.title, "detail": error.detail})
    return HttpResponse(page, status=error.status, headers=error.headers)


def _wants_page(request: HttpRequest) -> bool:
    """Browsers name text/html; curl and clients ask for anything or for JSON."""
    return "text/html" in request.META.get("HTTP_ACCEPT", "")
