"""Places of every kind, each over a real directory or server. Imports wait until Django has its settings."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Bucket
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.s3_rights import S3WithRights
from tests.house.tree import ROOT

if TYPE_CHECKING:
    from apps.snapshots.places.base import Place

BUCKET = "my-memories"
"""Of the published policies."""
OWNER, COLLECTOR = "AKIAOWNER", "AKIACOLLECTOR"
"""Who may delete, and who may not."""
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
TIMEOUT_S = 0.5
REFUSING = ("directory", "bucket", "append-only")
"""The kinds that keep an object from a fresh write."""


def policy(name: str) -> dict[str, Any]:
    """A published policy document."""
    document: dict[str, Any] = json.loads((ROOT / "docs/iam" / name).read_text(encoding="utf-8"))
    return document


@pytest.fixture
def rights(s3_server: Bucket) -> Iterator[S3WithRights]:
    """A server with the bucket of the policies, and two users."""
    s3_server.client().create_bucket(Bucket=BUCKET)
    policies = {OWNER: policy("snapshots-with-delete.json"), COLLECTOR: policy("snapshots-append-only.json")}
    with S3WithRights(s3_server.endpoint_url, policies) as server:
        yield server


@pytest.fixture
def open_as(rights: S3WithRights) -> "Callable[..., Place]":
    """Opens a folder of the policies' bucket, empty at first, with an access key."""
    from apps.snapshots.places.opening import S3Options, s3_place

    prefix = uuid.uuid4().hex

    def opened(access_key: str, **options: Any) -> "Place":
        values = {"bucket": BUCKET, "prefix": prefix, "endpoint_url": rights.url, "timeout_s": 10.0}
        return s3_place(S3Options(**(values | {"access_key": access_key, "secret_key": SECRET} | options)))

    return opened


@pytest.fixture
def owned(open_as: "Callable[..., Place]") -> "Place":
    return open_as(OWNER)


@pytest.fixture
def append_only(open_as: "Callable[..., Place]") -> "Place":
    """A folder of a bucket whose credentials may not delete."""
    return open_as(COLLECTOR)


@pytest.fixture
def directory(tmp_path: Path) -> "Place":
    from apps.snapshots.places.opening import directory_place

    return directory_place(tmp_path / "target")


@pytest.fixture
def open_bucket(s3_server: Bucket) -> "Callable[..., Place]":
    """Opens a folder of a fresh bucket, with other options than usual."""
    from apps.snapshots.places.opening import S3Options, s3_place

    def opened(**options: Any) -> "Place":
        values = {
            "bucket": s3_server.name,
            "prefix": "hub/copies",
            "endpoint_url": s3_server.endpoint_url,
            "access_key": s3_server.access_key,
            "secret_key": s3_server.secret_key,
            "timeout_s": 10.0,
        }
        return s3_place(S3Options(**(values | options)))

    return opened


@pytest.fixture
def bucket(open_bucket: "Callable[..., Place]") -> "Place":
    return open_bucket()


@pytest.fixture
def storage(tmp_path: Path) -> "Place":
    """Django's own storage of files, as one of which only the common methods are known."""
    from django.core.files.storage import FileSystemStorage

    from apps.snapshots.places.generic import StoragePlace
    from apps.snapshots.places.opening import named_storage

    options = {"location": str(tmp_path / "storage"), "allow_overwrite": True}
    return StoragePlace(lambda: named_storage(FileSystemStorage, options), "copies")


@pytest.fixture(params=["directory", "bucket", "storage", "append-only"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest, kind: str) -> "Place":
    """An empty place of every kind."""
    found: Place = request.getfixturevalue(kind.replace("-", "_"))
    return found


@pytest.fixture(params=["directory", "bucket", "storage"])
def deleting_place(request: pytest.FixtureRequest) -> "Place":
    """An empty place of every kind that lets its objects be deleted."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def faulty(s3_server: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """The way to a bucket, which fails when it is told to. boto3 tries as often as always, but without its pauses."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with FaultyProxy(s3_server.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def behind_faults(faulty: FaultyProxy, open_bucket: "Callable[..., Place]") -> "Place":
    """A bucket at the end of that way."""
    return open_bucket(endpoint_url=faulty.url, timeout_s=TIMEOUT_S)
