from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connection
from django.test import override_settings

from memoryhub.settings import backends, env
from tests.conftest import Bucket


def test_database_connections_last_and_have_time_outs() -> None:
    address = "postgres://u:p%40ss@db:5433/hub?sslmode=require"

    config = backends.database(address, statement_timeout_s=30, lock_timeout_s=0.5)

    assert config == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "hub",
        "USER": "u",
        "PASSWORD": "p@ss",
        "HOST": "db",
        "PORT": 5433,
        "OPTIONS": {
            "sslmode": "require",
            "options": "-c statement_timeout=30000 -c lock_timeout=500 -c idle_in_transaction_session_timeout=60000",
            "prepare_threshold": 3,
            "application_name": "memoryhub",
            "connect_timeout": 5,
        },
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
        "ATOMIC_REQUESTS": False,
    }


def test_options_of_the_address_are_kept() -> None:
    config = backends.database("postgres:///hub?options=-c%20search_path%3Dx", statement_timeout_s=1, lock_timeout_s=1)

    assert config["OPTIONS"]["options"].startswith("-c search_path=x -c statement_timeout=1000 ")


@pytest.mark.django_db
def test_the_running_connection_has_the_time_outs() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")

        assert cursor.fetchone() == ("30s", "5s")


@pytest.mark.parametrize(
    ("address", "broker"),
    [
        ("redis://host:6379/2", "redis://host:6379/2"),
        ("rediss://:secret@host/0", "rediss://:secret@host/0"),
        ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
        ("unix://user:secret@/run/v.sock?db=1", "redis+socket://user:secret@/run/v.sock?virtual_host=1"),
    ],
)
def test_celery_gets_its_own_spelling_of_a_redis_address(address: str, broker: str) -> None:
    assert backends.broker(address) == broker


def test_bytes_lie_in_a_directory_without_a_bucket(tmp_path: Path) -> None:
    values = env.read({}, tmp_path)

    config = backends.storage(values.values, directory=tmp_path / "blobs")

    assert config == {
        "BACKEND": "apps.blobs.local.LocalBlobStorage",
        "OPTIONS": {
            "location": str(tmp_path / "blobs"),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def test_a_bucket_is_used_by_the_documented_names(s3_server: Bucket, tmp_path: Path) -> None:
    from django.core.files.base import ContentFile

    values = env.read(
        {
            "S3_BUCKET": s3_server.name,
            "S3_PREFIX": "memory",
            "S3_ENDPOINT_URL": s3_server.endpoint_url,
            "S3_SERVER_SIDE_ENCRYPTION": "AES256",
            "AWS_ACCESS_KEY_ID": s3_server.access_key,
            "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
        },
        tmp_path,
    )

    with override_settings(STORAGES={"blobs": backends.storage(values.values, directory=tmp_path)}):
        storages["blobs"].save("a/b", ContentFile(b"bytes"))

    assert s3_server.keys() == ["memory/a/b"]
    head = s3_server.client().head_object(Bucket=s3_server.name, Key="memory/a/b")
    assert head["ServerSideEncryption"] == "AES256"


def test_the_public_address_is_a_trusted_origin() -> None:
    assert backends.origins("https://hub.example.org:8443/base") == ["https://hub.example.org:8443"]
    assert backends.origins("") == []


def test_the_public_address_is_the_server_that_the_api_describes() -> None:
    assert backends.servers("https://hub.example.org/base") == [{"url": "https://hub.example.org/base"}]
    assert backends.servers("") == []
