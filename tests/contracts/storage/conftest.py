"""The storages of blobs, each built as the settings would. Imports wait until Django has its settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Bucket
from tests.fakes.faulty_proxy import FaultyProxy

if TYPE_CHECKING:
    from apps.blobs.bucket import BucketBlobStorage
    from apps.blobs.local import LocalBlobStorage

TIMEOUT_S = 0.5
"""Of one answer of the object store: short, because it is asked three times."""


def bucket_values(bucket: Bucket, *, endpoint_url: str, timeout_s: float) -> dict[str, Any]:
    """The settings of a hub whose blobs lie in this bucket."""
    return {
        "S3_BUCKET": bucket.name,
        "S3_PREFIX": "hub",
        "S3_ENDPOINT_URL": endpoint_url,
        "S3_SERVER_SIDE_ENCRYPTION": "",
        "AWS_REGION": bucket.region,
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
        "AWS_SESSION_TOKEN": "",
        "MEMORYHUB_STORAGE_TIMEOUT_S": timeout_s,
    }


@pytest.fixture(params=["directory", "bucket"])
def storage(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> "LocalBlobStorage | BucketBlobStorage":
    """The storage in use: an empty directory, then an empty bucket on a real server."""
    from django.core.files.storage import storages

    from memoryhub.settings import backends

    values: dict[str, Any] = {"S3_BUCKET": ""}
    if request.param == "bucket":
        bucket: Bucket = request.getfixturevalue("s3_server")
        values = bucket_values(bucket, endpoint_url=bucket.endpoint_url, timeout_s=10.0)
    settings.STORAGES = settings.STORAGES | {"blobs": backends.storage(values, directory=tmp_path / "blobs")}
    return storages["blobs"]


@pytest.fixture
def object_store(s3_server: Bucket, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """The way to the bucket that holds the blobs of this test: it fails when it is told to.

    boto3 makes its attempts as always, but without the pauses of up to three seconds between them.
    """
    from memoryhub.settings import backends

    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with FaultyProxy(s3_server.endpoint_url) as proxy:
        values = bucket_values(s3_server, endpoint_url=proxy.url, timeout_s=TIMEOUT_S)
        settings.STORAGES = settings.STORAGES | {"blobs": backends.storage(values, directory=Path("unused"))}
        yield proxy
