import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client, override_settings

from apps.operations import probes
from apps.operations.version import hub_version
from memoryhub.settings import backends
from tests.conftest import Bucket
from tests.operations.stores import bucket_storage, local_storage
from tests.services import free_port

pytestmark = pytest.mark.django_db


def test_health_needs_no_token_and_tells_status_time_and_version(client: Client) -> None:
    before = datetime.now(UTC)

    answer = client.get("/health")

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["status", "timestamp", "version"]
    assert body["status"] == "ok"
    assert body["version"] == hub_version()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert abs((datetime.fromisoformat(body["timestamp"]) - before).total_seconds()) < 5
    assert answer["Cache-Control"] == "no-store"


def test_health_is_503_while_the_blob_directory_takes_no_write(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with override_settings(STORAGES=local_storage(tmp_path / "file" / "below")):
        answer = client.get("/health")

    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")


def test_health_is_200_with_a_bucket_and_503_without_it(client: Client, s3_server: Bucket) -> None:
    good = bucket_storage({"S3_BUCKET": s3_server.name, "S3_ENDPOINT_URL": s3_server.endpoint_url})
    bad = bucket_storage({"S3_BUCKET": "another-one", "S3_ENDPOINT_URL": s3_server.endpoint_url})

    with override_settings(STORAGES=good):
        assert client.get("/health").status_code == 200
    probes.storage.forget()
    with override_settings(STORAGES=bad):
        assert client.get("/health").status_code == 503
    assert s3_server.keys() == []


def test_health_is_503_while_nobody_answers_at_the_store(client: Client) -> None:
    away = bucket_storage({"S3_BUCKET": "b", "S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"})

    with override_settings(STORAGES=away):
        assert client.get("/health").status_code == 503


def test_a_service_is_asked_once_while_its_answer_is_remembered(
    client: Client, django_assert_num_queries: Callable
) -> None:
    client.get("/health")

    with django_assert_num_queries(0):
        assert client.get("/health").status_code == 200


def test_alive_asks_nobody(client: Client, django_assert_num_queries: Callable) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_names_every_part(client: Client, tmp_path: Path) -> None:
    with override_settings(STORAGES=local_storage(tmp_path)):
        answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": True, "migrations": True, "redis": True, "storage": True, "storage_writing": True},
    }
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_ready_is_503_while_a_migration_is_missing(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs'")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] is False
    probes.migrations.forget()


def test_ready_is_503_while_redis_is_away(client: Client) -> None:
    away = backends.cache(f"redis://127.0.0.1:{free_port()}/0")

    with override_settings(CACHES={"default": away}):
        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "database": True,
        "migrations": True,
        "redis": False,
        "storage": True,
        "storage_writing": True,
    }


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", "/metrics"])
def test_only_reads_are_answered(client: Client, path: str) -> None:
    answer = client.post(path, data=json.dumps({}), content_type="application/json")

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
