"""The servers of the test run itself."""

import pytest
import redis
from django.contrib.auth import get_user_model
from django.db import connection

from tests.conftest import Bucket


@pytest.mark.django_db
def test_the_database_is_a_real_postgres_of_this_run() -> None:
    get_user_model().objects.create(username="somebody")

    assert connection.vendor == "postgresql"
    assert get_user_model().objects.count() == 1


def test_the_redis_database_starts_empty(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)

    assert client.dbsize() == 0
    client.set("left", "behind")


def test_the_redis_database_starts_empty_again(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)

    assert client.dbsize() == 0
    client.set("left", "behind")


def test_every_test_gets_an_empty_bucket(s3_server: Bucket) -> None:
    assert s3_server.keys() == []

    s3_server.client().put_object(Bucket=s3_server.name, Key="a/b", Body=b"bytes")

    assert s3_server.keys() == ["a/b"]
