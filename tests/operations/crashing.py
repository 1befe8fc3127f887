"""Addresses that fail in every way, and the hub's own handlers."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apps.common.errors import Busy, Invalid
from memoryhub.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

SECRET = "mh_abcdefghijkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ01"


def crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"inner detail {SECRET}")


def denied(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("inner detail")


def invalid(request: HttpRequest) -> HttpResponse:
    raise Invalid.of("name", "bad", "Not this.")


def busy(request: HttpRequest) -> HttpResponse:
    raise Busy


def slow_query(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1")
        cursor.execute("SELECT pg_sleep(1)")
    return HttpResponse()


urlpatterns = [
    path(f"{prefix}/{view.__name__}", view)
    for prefix in ("api", "page")
    for view in (crash, denied, suspicious, invalid, busy, slow_query)
]
