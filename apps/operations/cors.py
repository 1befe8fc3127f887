"""Cross-origin calls from web pages: off unless a workspace or a dialect lists the page's origin.

Tokens travel in a header that the page sets itself, so credentials (cookies) are never allowed, with or without a
wildcard. Source: Fetch standard, CORS protocol.
"""

import re
import time
from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from apps.common.expiring import ExpiringCache
from apps.operations import queries

PLACE = re.compile(r"/api/v1/workspaces/(?P<slug>[^/]+)/|/w/(?P<dialect_slug>[^/]+)/(?P<dialect>[^/]+)")
METHODS = "GET, HEAD, PUT, POST, PATCH, DELETE"
REQUEST_HEADERS = (
    "Authorization, Content-Type, Content-MD5, Idempotency-Key, If-Match, If-Match-Version, If-None-Match, If-Range, "
    "Range, Repr-Digest, X-API-Key, X-Request-ID"
)
ANSWER_HEADERS = "Content-Range, ETag, Last-Modified, Location, Repr-Digest, Retry-After, X-Request-ID, X-Version"
PREFLIGHT_S = 600
REMEMBERED_S = 5.0
MOST_REMEMBERED = 1024

_origins: ExpiringCache[tuple[str, ...]] = ExpiringCache(MOST_REMEMBERED)


def dialect_origins(pairs: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """MEMORYHUB_CORS_DIALECTS (`dialect=origin`) by dialect."""
    found: dict[str, set[str]] = {}
    for pair in pairs:
        dialect, _, origin = pair.partition("=")
        found.setdefault(dialect, set()).add(origin)
    return {dialect: frozenset(origins) for dialect, origins in found.items()}


class CrossOrigin:
    """Answers preflights below /api and /w, without asking for a token, and marks answers to listed origins."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.dialects: Mapping[str, frozenset[str]] = dialect_origins(settings.MEMORYHUB_CORS_DIALECTS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        origin = request.META.get("HTTP_ORIGIN")
        if not origin or not request.path_info.startswith(("/api/", "/w/")):
            return self.get_response(request)
        if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META:
            response = self._preflighted(origin, request)
        else:
            response = self.get_response(request)
            if self._allows(origin, request.path_info):
                response["Access-Control-Allow-Origin"] = origin
                response["Access-Control-Expose-Headers"] = ANSWER_HEADERS
        patch_vary_headers(response, ("Origin",))
        return response

    def _preflighted(self, origin: str, request: HttpRequest) -> HttpResponse:
        """Empty and the same for any path and slug: only the headers say whether the origin is listed.

        Where it is not, a dialect answers as the service that it stands for.
        """
        is_listed = self._allows(origin, request.path_info)
        if not is_listed and request.path_info.startswith("/w/"):
            return self.get_response(request)
        response = HttpResponse(status=204)
        del response["Content-Type"]
        if is_listed:
            response["Access-Control-Allow-Methods"] = METHODS
            response["Access-Control-Allow-Headers"] = REQUEST_HEADERS
            response["Access-Control-Max-Age"] = str(PREFLIGHT_S)
            response["Access-Control-Allow-Origin"] = origin
        return response

    def _allows(self, origin: str, path: str) -> bool:
        place = PLACE.match(path)
        if not place:
            return False
        listed: set[str] = set(_workspace_origins(place["slug"] or place["dialect_slug"]))
        if place["dialect"]:
            listed |= self.dialects.get(place["dialect"], frozenset())
        return origin in listed or "*" in listed


def forget_origins() -> None:
    """Read the workspaces' lists anew."""
    _origins.clear()


def _workspace_origins(slug: str) -> tuple[str, ...]:
    now = time.monotonic()
    origins = _origins.get(slug, now=now)
    if origins is None:
        origins = queries.cors_origins(slug)
        _origins.put(slug, origins, until=now + REMEMBERED_S)
    return origins
