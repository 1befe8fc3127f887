"""Preparing a database, as the step of a start does it."""

import json
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


def prepare(database: str, **settings: str) -> dict[str, object]:
    environment = {**os.environ, "DATABASE_URL": database, "PYTHONPATH": str(services.ROOT), "LOG_LEVEL": "ERROR"}
    environment |= settings
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


def test_a_redis_that_does_not_answer_is_a_sentence_without_its_password_and_nothing_is_made(database: str) -> None:
    address = f"redis://user:s3cret-word@127.0.0.1:{services.free_port()}/0"

    with pytest.raises(HubError, match=r"^The Redis that REDIS_URL names cannot be used: .*refused") as refusal:
        prepare(database, REDIS_URL=address)

    assert "s3cret-word" not in str(refusal.value)
    assert tables(database) == set()


def test_settings_that_name_no_workspace_are_told_and_logged(database: str, capfd: pytest.CaptureFixture[str]) -> None:
    settings = {
        "ROOT_DIALECT": "memory-proxy:notes",
        "DIALECT_HOSTS": "a.example=memory-proxy:default",
        "API_KEY": "a-static-token-of-it",
        "API_KEY_WORKSPACE": "team",
        "LOG_LEVEL": "WARNING",
        "LOG_FORMAT": "json",
    }

    made = prepare(database, **settings)

    events = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "workspace_absent" in line]
    assert made["warnings"] == [
        f"{setting} names the workspace {slug}, which does not exist: it opens nothing until "
        f"`memoryhub workspace create {slug}` makes it."
        for setting, slug in (("ROOT_DIALECT", "notes"), ("API_KEY_WORKSPACE", "team"))
    ]
    assert [(event["setting"], event["slug"]) for event in events] == [
        ("ROOT_DIALECT", "notes"),
        ("API_KEY_WORKSPACE", "team"),
    ]
