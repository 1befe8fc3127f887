"""The same faults behind a whole hub: what a client on a socket sees of an answer that has begun."""

import json
import os
import shutil
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Bucket
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.live import LiveHub
from tests.system.newcomers import temporary_place

pytestmark = pytest.mark.slow

LARGER = os.urandom(4 * 1024 * 1024)


@pytest.fixture
def object_store(s3_server: Bucket) -> Iterator[FaultyProxy]:
    with FaultyProxy(s3_server.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def hub(s3_server: Bucket, object_store: FaultyProxy) -> Iterator[LiveHub]:
    """A hub whose way to the bucket fails when it is told to."""
    environment = {
        "S3_BUCKET": s3_server.name,
        "S3_ENDPOINT_URL": object_store.url,
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
        "MEMORYHUB_STORAGE_TIMEOUT_S": "1",
    }
    place = temporary_place()
    with LiveHub(place / "hub", environment) as live:
        yield live
    shutil.rmtree(place)


def test_a_read_that_breaks_off_is_no_ordinary_end_and_a_write_is_whole_or_nothing(
    hub: LiveHub, object_store: FaultyProxy
):
    with hub.workspace("default").client() as client:
        client.put("/files/larger.bin", content=LARGER, headers={"If-None-Match": "*"}).raise_for_status()

        for fault in (Fault.BREAK_OFF, Fault.SHORTEN, Fault.DAMAGE):
            with object_store.failing(fault, "GET"), pytest.raises(httpx.RemoteProtocolError):
                client.get("/files/larger.bin")
        with object_store.failing(Fault.HANG, "GET"):
            unread = client.get("/files/larger.bin")
        with object_store.failing(Fault.RESET_AFTER, "PUT"):
            unwritten = client.put("/files/other.bin", content=LARGER[1:], headers={"If-None-Match": "*"})

        assert [(answer.status_code, answer.json()["code"]) for answer in (unread, unwritten)] == [
            (503, "unavailable")
        ] * 2
        assert "Retry-After" in unread.headers and "Retry-After" in unwritten.headers
        assert client.get("/files/other.bin").status_code == 404
        assert client.get("/files/larger.bin").content == LARGER
    report = hub.command("fsck", "--read-data", "--json")
    assert (report.returncode, json.loads(report.stdout)["damage"]) == (0, [])
    with object_store.failing(Fault.STATUS_500):
        assert hub.command("fsck").returncode == 2
