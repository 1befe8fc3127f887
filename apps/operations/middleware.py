"""Django's middleware of the hub: the record of each request, and the console's parts kept away from the API."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import structlog
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from apps.common.errors import DomainError, MethodNotAllowed
from apps.common.problem import problem_response
from apps.operations import metrics

logger = structlog.get_logger(__name__)

MACHINE_PATHS = ("/api/", "/w/")
"""Below these there is no session, no CSRF, no static file, and no page but the API's own manual."""
STATIC_PATHS = "/static/"
STATIC, UNMATCHED = "static", "unmatched"

Answer = Callable[[HttpRequest], HttpResponse]


class RequestRecord:
    """One `request_finished` event and one observation a request, by route: paths may hold private names."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        if response.status_code == 405 and request.path_info.startswith(MACHINE_PATHS):
            response = _without_page(response, request)
        # An answer that never has a body must not announce an empty one. Source: RFC 9110 8.6.
        has_body = not response.streaming and response.status_code not in (204, 304)
        if response.status_code == 204:
            # Django's own default calls every answer a page.
            del response["Content-Type"]
        if has_body and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        seconds = time.perf_counter() - started
        match = request.resolver_match
        route = match.route if match else _unmatched(request)
        fields: dict[str, Any] = {"workspace": match.kwargs["slug"]} if match and "slug" in match.kwargs else {}
        status = response.status_code
        logger.info(
            "request_finished", method=request.method, route=route, status=status, ms=round(seconds * 1000, 1), **fields
        )
        metrics.observe_request(request.method or "", route, status, seconds)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A refusal that a plain Django view let out. DRF's views render theirs themselves."""
        return problem_response(exception, request) if isinstance(exception, DomainError) else None


def _unmatched(request: HttpRequest) -> str:
    return STATIC if request.path_info.startswith(STATIC_PATHS) else UNMATCHED


def _without_page(response: HttpResponse, request: HttpRequest) -> HttpResponse:
    """Django's own answer to a wrong method calls itself HTML; views that render one themselves keep theirs."""
    if not response.get("Content-Type", "").startswith("text/html"):
        return response
    return problem_response(MethodNotAllowed(headers={"Allow": response.get("Allow", "")}), request)


class _ConsoleOnly:
    """Makes a middleware step aside below MACHINE_PATHS, where each layer would be paid for at every request."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(MACHINE_PATHS):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class ConsoleStaticFiles:
    """Static files from where they are installed. Their list is made once a process and lasts: files do not change."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(STATIC_PATHS):
            installed = static_files()
            file = installed.files.get(request.path_info)
            if file is not None:
                return installed.serve(file, request)
        return self.get_response(request)


@cache
def static_files() -> WhiteNoiseMiddleware:
    """Every static file of every installed app, by address. Looks through their directories."""
    return WhiteNoiseMiddleware()


class ConsoleSession(_ConsoleOnly, SessionMiddleware):
    """Console sign-ins."""


class ConsoleAuthentication(_ConsoleOnly, AuthenticationMiddleware):
    """`request.user` of the console. The API knows no users, only tokens."""


class ConsoleMessages(_ConsoleOnly, MessageMiddleware):
    """The console's one-time messages."""


class ConsoleCsrf(_ConsoleOnly, CsrfViewMiddleware):
    """Forms of the console. No API call is authenticated by a cookie, so none can be forged."""

    def process_view(self, request: HttpRequest, callback: Any, callback_args: Any, callback_kwargs: Any) -> Any:
        if request.path_info.startswith(MACHINE_PATHS):
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)
