"""Preparing a database, as the step of a start does it."""

import os
import uuid

import psycopg
import pytest

from memoryhub.embedded.errors import HubError
from memoryhub.embedded.programs import Step
from tests import services


@pytest.fixture
def database(service_addresses: dict[str, str]) -> str:
    """The address of an empty database."""
    return services.create_database(service_addresses, f"first_{uuid.uuid4().hex[:12]}")


def prepare(database: str) -> dict[str, object]:
    environment = {**os.environ, "DATABASE_URL": database, "PYTHONPATH": str(services.ROOT), "LOG_LEVEL": "ERROR"}
    return Step("memoryhub.embedded.firststart", environment=environment, waits=True).result()


def tables(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def test_an_empty_database_gets_schema_workspace_and_administrator_once(database: str) -> None:
    first = prepare(database)
    second = prepare(database)

    assert (first["workspace"], first["administrator"], second["migrations"]) == ("default", "admin", 0)
    assert (second["workspace"], second["password"]) == (None, None)
    assert len(str(first["password"])) == 20
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT slug FROM workspaces_workspace").fetchall() == [("default",)]
        assert connection.execute("SELECT username, is_superuser FROM accounts_user").fetchall() == [("admin", True)]


def test_a_database_of_something_else_is_refused_and_stays_as_it_is(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id int)")

    with pytest.raises(
        HubError, match=r"holds no hub but other things, such as the table 'orders'\. Nothing was changed"
    ):
        prepare(database)

    assert tables(database) == {"orders"}


def test_a_database_of_another_django_project_is_refused_and_stays_as_it_is(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE django_migrations (id int, app text, name text, applied timestamptz)")
        connection.execute("CREATE TABLE shop_order (id int)")

    with pytest.raises(HubError, match="such as the table 'shop_order'"):
        prepare(database)

    assert tables(database) == {"django_migrations", "shop_order"}


def test_a_database_of_a_newer_hub_is_refused(database: str) -> None:
    prepare(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('files', '9999_from_the_future', now())"
        )

    with pytest.raises(HubError, match=r"migrated by a newer hub \(files\.9999_from_the_future is unknown here\)"):
        prepare(database)


def test_a_database_that_does_not_answer_is_a_sentence(database: str) -> None:
    with pytest.raises(HubError, match="The database cannot be used: "):
        prepare(database.replace("@/first_", "@/missing_"))
