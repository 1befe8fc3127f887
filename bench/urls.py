"""The hub's addresses, and two to compare with: a view that does nothing, and one that updates a row."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.peers import UPDATE_ROW
from memoryhub import urls


def no_op(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok", content_type="text/plain")


def one_row(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_ROW)
    return HttpResponse(b"ok", content_type="text/plain")


urlpatterns = [*urls.urlpatterns, path("api/v1/no-op", no_op), path("api/v1/one-row", one_row)]
