"""The hub's addresses, and three to compare with: a view that does nothing, and two that update a row."""

from typing import ClassVar

from django.db import connection, models
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peers import UPDATE_ROW
from memoryhub import urls


def no_op(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok", content_type="text/plain")


def one_row(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_ROW)
    return HttpResponse(b"ok", content_type="text/plain")


class Row(models.Model):
    """The row of UPDATE_ROW."""

    number = models.BigIntegerField()

    class Meta:
        app_label = "bench"
        db_table = "bench_row"
        managed = False


class OneRowByOrm(APIView):
    """What an ordinary DRF view does to count something."""

    authentication_classes: ClassVar = []
    permission_classes: ClassVar = []

    def post(self, request: Request) -> Response:
        Row.objects.filter(pk=1).update(number=models.F("number") + 1)
        return Response({"status": "ok"})


urlpatterns = [
    *urls.urlpatterns,
    path("api/v1/no-op", no_op),
    path("api/v1/one-row", one_row),
    path("api/v1/one-row-by-orm", OneRowByOrm.as_view()),
]
