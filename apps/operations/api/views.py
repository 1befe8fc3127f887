"""Health, readiness, metrics and the API's own description. None of them is part of the described API."""

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from ipaddress import ip_address
from threading import Lock
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from apps.operations import metrics, probes
from apps.operations.version import hub_version
from apps.workspaces.access import open_operator

MAKING_SCHEMA = Lock()
"""The generator takes views apart while it reads them: two at once meet half of one."""
FORWARDED = "memoryhub.forwarded"
"""Set by the edge in the WSGI environment of a request that came through a proxy."""


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A person who opens the hub's address gets the console."""
    return redirect("admin:index")


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """200 while database and blob storage answer, else 503. Asks each at most once in two seconds and process."""
    answers = [probe.is_well() for probe in probes.HEALTH]
    is_well = all(answers)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    body = {"status": "ok" if is_well else "unavailable", "timestamp": f"{now}Z", "version": hub_version()}
    return _uncached(body, 200 if is_well else 503)


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all; no service is asked."""
    return _uncached({"status": "ok"}, 200)


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when everything is there that requests need, migrations applied, else 503 with what is missing."""
    checks = {probe.name: probe.is_well() for probe in probes.READINESS}
    is_ready = all(checks.values())
    return _uncached({"status": "ok" if is_ready else "unavailable", "checks": checks}, 200 if is_ready else 503)


def _uncached(body: dict[str, Any], status: int) -> HttpResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """Metrics, for an operator's token or for a peer on this very machine. Four queries."""
    if not _is_local(request):
        open_operator(request)
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _is_local(request: HttpRequest) -> bool:
    if not settings.MEMORYHUB_METRICS_LOCAL or FORWARDED in request.META:
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI description as JSON, made once a process."""
    with MAKING_SCHEMA:
        body, etag = _schema()
    response = HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-cache", "ETag": etag})
    return get_conditional_response(request, etag=etag, response=response) or response


@cache
def _schema() -> tuple[bytes, str]:
    description = SchemaGenerator().get_schema(request=None, public=True)
    body = OpenApiJsonRenderer().render(description, renderer_context={})
    return body, f'"{sha256(body).hexdigest()[:32]}"'
