"""A cluster of our own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from memoryhub.embedded.errors import HubError
from tests.services import PostgresServer


@pytest.fixture(scope="module")
def shared_postgres() -> Iterator[PostgresServer]:
    """For tests that leave the server as it is."""
    server = PostgresServer(durable=True)
    yield server
    server.stop()


def setting(url: str, name: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_a_cluster_has_checksums_passwords_and_no_network(shared_postgres: PostgresServer) -> None:
    url = shared_postgres.url

    assert setting(url, "data_checksums") == "on"
    assert setting(url, "listen_addresses") == ""
    assert setting(url, "fsync") == "on"
    assert setting(url, "server_encoding") == "UTF8"
    rules = (shared_postgres.cluster.data / "pg_hba.conf").read_text().splitlines()
    methods = {rule.split()[-1] for rule in rules if rule.strip() and not rule.startswith("#")}
    assert methods == {"scram-sha-256"}
    assert shared_postgres.cluster.data.stat().st_mode & 0o777 == 0o700


def test_a_wrong_password_opens_nothing(shared_postgres: PostgresServer) -> None:
    url = shared_postgres.url.replace(shared_postgres.cluster.password, "wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_the_hubs_database_is_made_once(shared_postgres: PostgresServer) -> None:
    shared_postgres.cluster.create_database()
    shared_postgres.cluster.create_database()

    assert setting(shared_postgres.cluster.url(), "server_encoding") == "UTF8"


def test_a_killed_server_starts_again_with_what_it_acknowledged(durable_postgres: PostgresServer) -> None:
    with psycopg.connect(durable_postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 41 + 1 AS answer")

    durable_postgres.kill()
    assert (durable_postgres.cluster.data / "postmaster.pid").exists()
    durable_postgres.start()

    with psycopg.connect(durable_postgres.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_server_whose_supervisor_is_gone_is_stopped_before_another_starts(durable_postgres: PostgresServer) -> None:
    orphan = durable_postgres.child

    durable_postgres.start()

    assert orphan.exit_code == 0
    assert durable_postgres.child.exit_code is None


def test_a_stale_pid_file_that_names_a_stranger_harms_nobody(durable_postgres: PostgresServer) -> None:
    durable_postgres.child.stop(grace_s=20)
    pid_file = durable_postgres.cluster.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{durable_postgres.cluster.data}\n")

    durable_postgres.cluster.stop_orphan()

    assert pid_file.exists()


def test_a_half_made_cluster_is_made_anew(durable_postgres: PostgresServer) -> None:
    durable_postgres.child.stop(grace_s=20)
    data = durable_postgres.cluster.data
    data.rename(data.with_name("data.partial"))
    (data.with_name("data.partial") / "PG_VERSION").unlink()

    durable_postgres.cluster.create()

    durable_postgres.start()
    assert not data.with_name("data.partial").exists()
    assert setting(durable_postgres.url, "data_checksums") == "on"


def test_a_server_that_cannot_start_tells_the_end_of_its_log(durable_postgres: PostgresServer) -> None:
    durable_postgres.child.stop(grace_s=20)
    with (durable_postgres.cluster.data / "postgresql.conf").open("a") as stream:
        stream.write("no_such_setting = 1\n")

    with pytest.raises(
        HubError, match=r'(?s)ended while it started.*unrecognized configuration parameter "no_such_setting"'
    ):
        durable_postgres.start()


def test_the_fast_shutdown_does_not_wait_for_clients(durable_postgres: PostgresServer) -> None:
    client = psycopg.connect(durable_postgres.url)

    durable_postgres.child.stop(grace_s=20)

    client.close()
    assert durable_postgres.child.exit_code == 0
    assert durable_postgres.child.stop_signal == signal.SIGINT


def test_the_password_is_in_no_command_line(shared_postgres: PostgresServer) -> None:
    command = Path(f"/proc/{shared_postgres.child.pid}/cmdline").read_bytes().decode()

    assert shared_postgres.cluster.password not in command
    assert "DATABASE_URL" not in Path(f"/proc/{shared_postgres.child.pid}/environ").read_bytes().decode()
