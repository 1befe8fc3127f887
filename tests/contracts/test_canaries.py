"""Secrets that went through a hub, right and wrong, stand in nothing that it leaves behind."""

import base64
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests import services
from tests.conftest import Bucket
from tests.contracts import canaries as pushing
from tests.contracts.canaries import Canaries, stands_in
from tests.contracts.path_tokens import push_path_tokens
from tests.fakes.heare_auth import FakeHeareAuth
from tests.live import LiveHub
from tests.system.newcomers import temporary_place

pytestmark = pytest.mark.slow

CONTENTS = {"small file", "large file"}
MAY_HOLD = {
    "blobs": CONTENTS,
    # A receiver's address is kept as it is called.
    "dump": CONTENTS | {"webhook address"},
}
"""What a place is for."""
SIGNS_OF_LIFE = {
    "audit": b"token.issued",
    "blobs": b"",
    "broker": b"apps.jobs.tasks",
    "dump": b"COPY public.accounts_apitoken",
    "logs": b"request_finished",
    "metrics": b"memoryhub_request_seconds_bucket",
    "refusals": b"urn:memoryhub:problem:unauthorized",
}
"""What stands in each place when it was looked at at all."""


@pytest.fixture(scope="module")
def hub_place() -> Iterator[Path]:
    """Where PostgreSQL's account can reach its data, so that all of a hub is gone with its directory."""
    directory = temporary_place()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module", params=["json", "text"])
def left_behind(request: pytest.FixtureRequest, hub_place: Path, s3_process: services.S3Server) -> Canaries:
    """A hub that keeps objects in a directory and logs JSON, then one that keeps them in a bucket and logs text."""
    canaries = Canaries()
    form = request.param
    with FakeHeareAuth() as heare, HTTPServer() as receiver:
        receiver.expect_request("/taken").respond_with_data("")
        receiver.expect_request("/refused").respond_with_data("no", status=500)
        bucket = a_bucket(s3_process) if form == "text" else None
        settings = {"LOG_FORMAT": form} | (bucket_settings(bucket, canaries) if bucket else {})
        environment = pushing.hub_environment(canaries, heare.url, **settings)
        with LiveHub(hub_place / form, environment) as hub:
            with pushing.watched_broker(hub, canaries):
                pushing.push(hub, canaries, heare.keys, receiver.url_for("").rstrip("/"))
                push_path_tokens(hub, canaries)
                if bucket:
                    canaries.places["blobs"] = objects_of(bucket)
                    pushing.push_at_a_missing_bucket(hub, canaries)
                else:
                    canaries.places["blobs"] = pushing.files_below(hub.data / "blobs")
            pushing.collect(hub, canaries)
    return canaries


def a_bucket(server: services.S3Server) -> Bucket:
    bucket = Bucket(server.url, f"canaries-{secrets.token_hex(8)}")
    bucket.client().create_bucket(Bucket=bucket.name)
    return bucket


def bucket_settings(bucket: Bucket, canaries: Canaries) -> dict[str, str]:
    """The server takes any key."""
    return {
        "S3_BUCKET": bucket.name,
        "S3_ENDPOINT_URL": bucket.endpoint_url,
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": canaries.fresh("AWS_SECRET_ACCESS_KEY"),
    }


def objects_of(bucket: Bucket) -> bytes:
    """Names and bytes of all objects, after which the bucket is gone."""
    client, found = bucket.client(), b""
    for key in bucket.keys():  # noqa: SIM118 - not a dictionary's
        found += key.encode() + client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
        client.delete_object(Bucket=bucket.name, Key=key)
    client.delete_bucket(Bucket=bucket.name)
    return found


@pytest.mark.parametrize("place", SIGNS_OF_LIFE)
def test_no_secret_stands_in(place: str, left_behind: Canaries):
    assert SIGNS_OF_LIFE[place] in left_behind.places[place]

    assert left_behind.found_in(place) - MAY_HOLD.get(place, set()) == set()


def test_the_search_finds_what_a_place_is_for(left_behind: Canaries):
    assert CONTENTS & left_behind.found_in("dump") == {"small file"}
    assert CONTENTS & left_behind.found_in("blobs") >= {"large file"}


@pytest.mark.parametrize("secret", ["canary0123456789", "mh_0aB1cD2eF3gH_secret"])
def test_a_secret_is_found_in_every_encoding_that_hides_nothing(secret: str):
    plain = secret.encode()

    assert stands_in(secret, b"before " + plain + b" after")
    assert stands_in(secret, b"\\x" + plain.hex().encode())
    for offset in range(3):
        assert stands_in(secret, base64.b64encode(b"." * offset + plain + b"behind it"))
    assert not stands_in(secret, plain[:-1])
