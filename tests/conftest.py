"""Real servers for every test. They start once a run, before Django reads its settings, and stop at its end."""

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import services
from tests.live import LiveHub

RUNNING = pytest.StashKey[services.Services]()
LIVE_REDIS_DATABASES = 32
ADDRESSES = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--durable", action="store_true", help="Run every test on a PostgreSQL with fsync on.")


def pytest_configure(config: pytest.Config) -> None:
    """Starts the servers, or in a worker of pytest-xdist takes over the controller's, then lets Django load."""
    if config.getoption("help", default=False) or config.getoption("version", default=0):
        return
    addresses = services.passed_on() if hasattr(config, "workerinput") else None
    services.remove_foreign_settings(os.environ)
    if addresses is None:
        config.stash[RUNNING] = services.Services(durable=config.getoption("--durable"))
        addresses = config.stash[RUNNING].addresses()
    config.stash[ADDRESSES] = addresses
    os.environ.update(services.hub_settings(addresses, redis_database=_worker_number() + 1))
    os.environ[services.PASSED_ON] = json.dumps(addresses)

    from django.conf import settings

    # Reading one setting makes pytest-django take Django over when its own turn comes.
    assert settings.DATABASES["default"]["NAME"] == "postgres"
    if config.getoption("numprocesses", default=None):
        # Workers inherit this environment: with the name in it pytest-django would load the controller's settings
        # before a worker has its own, and all would share one Redis database.
        del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure(config: pytest.Config) -> None:
    running = config.stash.get(RUNNING, None)
    if running is not None:
        running.stop()


def _worker_number() -> int:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0


@pytest.fixture(autouse=True)
def as_a_new_process(settings: Any) -> None:
    """What this process remembers of earlier tests' requests must not answer for this one's.

    All tests come from one address, so its limits are off but where a test turns them on.
    """
    import structlog

    from apps.accounts import heare, limits
    from apps.operations import cors, probes
    from apps.workspaces import access

    settings.MEMORYHUB_RATE_LIMIT_ADDRESS = "off"
    settings.MEMORYHUB_RATE_LIMIT_PUSH = "off"
    structlog.contextvars.clear_contextvars()
    limits.forget()
    heare.forget()
    access.forget_cached()
    cors.forget_origins()
    for probe in {*probes.HEALTH, *probes.READINESS}:
        probe.forget()


@pytest.fixture(autouse=True)
def patient_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat has a connection of its own, and takes a job for lost that lies in a test's open transaction.

    With the product's pause every such job that takes more than 5 s on a busy machine would end as lost.
    """
    from apps.jobs import runs

    monkeypatch.setattr(runs, "LONGEST_BEAT_S", 3600.0)


@pytest.fixture(scope="session")
def service_addresses(request: pytest.FixtureRequest) -> dict[str, str]:
    """`directory`, `database_url` and `redis_url` of the run's servers."""
    return request.config.stash[ADDRESSES]


@pytest.fixture
def redis_url() -> str:
    """The Redis database of this test process; emptied before each test that asks."""
    import redis

    url = os.environ["REDIS_URL"]
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket on the test's S3 server, and the keys that open it."""

    endpoint_url: str
    name: str
    access_key: str = "testing"
    secret_key: str = "testing"
    region: str = "us-east-1"

    def client(self) -> Any:
        """A boto3 client for it."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )

    def keys(self) -> list[str]:
        """The keys of all its objects, in order."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@pytest.fixture(scope="session")
def s3_process(service_addresses: dict[str, str]) -> Iterator[services.S3Server]:
    """The S3 server of this test process, started by the first test that needs one."""
    server = services.S3Server(Path(service_addresses["directory"]) / f"s3-{os.getpid()}.log")
    yield server
    server.stop()


@pytest.fixture
def s3_server(s3_process: services.S3Server) -> Bucket:
    """A fresh bucket on a real S3-speaking server."""
    bucket = Bucket(s3_process.url, f"bucket-{uuid.uuid4().hex}")
    bucket.client().create_bucket(Bucket=bucket.name)
    return bucket


@pytest.fixture(scope="session")
def live_hub(service_addresses: dict[str, str]) -> Iterator[LiveHub]:
    """A running hub of this test process: web server, worker and scheduler over a database of its own."""
    name = f"live_{os.getpid()}"
    settings = services.hub_settings(service_addresses, redis_database=LIVE_REDIS_DATABASES + _worker_number())
    settings["DATABASE_URL"] = services.create_database(service_addresses, name)
    with LiveHub(Path(service_addresses["directory"]) / name, settings) as hub:
        yield hub


@pytest.fixture
def durable_postgres() -> Iterator[services.PostgresServer]:
    """An empty PostgreSQL with fsync on, for this test alone; it may be killed and started again."""
    server = services.PostgresServer(durable=True)
    yield server
    server.stop()
