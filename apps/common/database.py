"""The way of measured statements to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from django.db import connection


@contextmanager
def hot_cursor() -> Iterator[psycopg.Cursor[Any]]:
    """A cursor that binds on the server and can send and take binary values; errors become Django's.

    Django's own writes every value into the text of the statement, which costs several times as much for bytes.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(cast(Any, connection.connection)) as cursor:
        yield cursor
