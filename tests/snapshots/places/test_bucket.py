"""Copies in a bucket: what its options do, large files, and answers that no object store gave."""

import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from apps.snapshots.places import s3
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import ObjectExists, TargetDenied, TargetUnavailable
from apps.snapshots.places.opening import S3Options, s3_place
from tests.conftest import Bucket
from tests.fakes.s3_rights import S3WithRights
from tests.house.tree import ROOT
from tests.snapshots.places.conftest import OWNER

HTML = "<html><head><title>Sign in</title></head><body>Accept the terms of this network.</body></html>"
ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>InternalError</Code><Message>later</Message></Error>"
EMPTY_XML = "<?xml version='1.0'?><html></html>"

Opener = Callable[..., Place]


def test_objects_lie_under_the_prefix(bucket: Place, s3_server: Bucket):
    bucket.put("one", b"one")
    bucket.below("team").put("two", b"two")

    assert s3_server.keys() == ["hub/copies/one", "hub/copies/team/two"]


@pytest.mark.parametrize(("prefix", "key"), [("", "one"), ("/", "one"), ("memories/", "memories/one")])
def test_a_prefix_may_end_with_a_slash_or_be_none(open_bucket: Opener, s3_server: Bucket, prefix: str, key: str):
    place = open_bucket(prefix=prefix)

    place.put("one", b"one")

    assert s3_server.keys() == [key]
    assert [entry.name for entry in place.names()] == ["one"]


def test_what_others_keep_in_the_bucket_is_not_listed(open_bucket: Opener, s3_server: Bucket):
    client = s3_server.client()
    for key in ("hub/copies-of-others/one", "hub/copies/", "hub/copies/folder/", "hub/copies//odd", "hub/copies", "z"):
        client.put_object(Bucket=s3_server.name, Key=key, Body=b"")
    place = open_bucket()
    place.put("two", b"two")

    assert [entry.name for entry in place.names()] == ["two"]
    assert list(place.folders()) == ["folder"]


def test_a_large_file_goes_in_parts_and_never_lies_in_memory(bucket: Place, s3_server: Bucket, tmp_path: Path):
    source = tmp_path / "source"
    block = os.urandom(1024 * 1024)
    with source.open("wb") as file:
        for _ in range(40):
            file.write(block)
        file.write(b"the end")
    bucket.stat("warm")

    tracemalloc.start()
    bucket.put("large", source)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # Less than one part.
    assert peak_bytes < 8 * 1024 * 1024
    head = s3_server.client().head_object(Bucket=s3_server.name, Key="hub/copies/large")
    # The ETag of an object in parts tells how many there were.
    assert (head["ContentLength"], head["ETag"][-3:]) == (source.stat().st_size, '-6"')
    with (tmp_path / "fetched").open("wb") as fetched:
        assert bucket.fetch("large", fetched, most_bytes=50_000_000) == source.stat().st_size
    assert (tmp_path / "fetched").read_bytes() == source.read_bytes()


def test_a_pack_is_one_request(open_as: Opener, rights: S3WithRights, tmp_path: Path):
    source = tmp_path / "pack"
    source.write_bytes(bytes(16 * 1024 * 1024 + 1000))
    place = open_as(OWNER, prefix="")

    place.put("from-file", source)
    place.put("from-memory", source.read_bytes())

    assert rights.seen == ["s3:PutObject from-file", "s3:PutObject from-memory"]


def test_a_large_fresh_file_is_refused_by_one_request(open_as: Opener, rights: S3WithRights, tmp_path: Path):
    source = tmp_path / "source"
    source.write_bytes(bytes(s3.AT_ONCE_BYTES + 1))
    place = open_as(OWNER, prefix="fresh")
    place.put("one", b"the first")
    rights.seen.clear()

    with pytest.raises(ObjectExists):
        place.put("one", source, fresh=True)

    assert rights.seen == ["s3:PutObject fresh/one"]
    assert place.read("one", most_bytes=100) == b"the first"


@pytest.mark.parametrize("kind", ["ignored", "unknown"])
def test_a_server_that_does_not_know_the_condition_replaces(open_as: Opener, rights: S3WithRights, kind: str):
    getattr(rights, kind).add("if-none-match")
    place = open_as(OWNER)
    place.put("one", b"the first, longer data")

    place.put("one", b"the second", fresh=True)

    assert place.read("one", most_bytes=100) == b"the second"


@pytest.mark.parametrize(
    ("options", "encryption", "key_id"),
    [
        ({}, None, None),
        ({"server_side_encryption": "AES256"}, "AES256", None),
        ({"server_side_encryption": "aws:kms", "sse_kms_key_id": "alias/copies"}, "aws:kms", "alias/copies"),
    ],
)
def test_objects_are_written_with_the_servers_encryption(
    open_bucket: Opener, s3_server: Bucket, tmp_path: Path,
    options: dict[str, str], encryption: str | None, key_id: str | None,
):  # fmt: skip
    source = tmp_path / "source"
    source.write_bytes(bytes(s3.AT_ONCE_BYTES + 1))
    place = open_bucket(**options)

    place.put("small", b"small")
    place.put("fresh", b"fresh", fresh=True)
    place.put("in-parts", source)

    client = s3_server.client()
    keys = [f"hub/copies/{name}" for name in ("small", "fresh", "in-parts")]
    heads = [client.head_object(Bucket=s3_server.name, Key=key) for key in keys]
    assert [(head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")) for head in heads] == [(encryption, key_id)] * 3
    assert place.read("small", most_bytes=100) == b"small"


def test_a_missing_bucket_is_told_and_not_taken_for_an_empty_one(open_bucket: Opener):
    place = open_bucket(bucket="no-such-bucket-anywhere")
    steps: list[Callable[[], object]] = [
        lambda: place.put("one", b"data"),
        lambda: place.put("one", b"data", fresh=True),
        lambda: place.read("one", most_bytes=100),
        lambda: place.stat("one"),
        lambda: list(place.names()),
        lambda: list(place.folders()),
        lambda: place.delete("one"),
    ]

    for step in steps:
        with pytest.raises(TargetDenied, match="The bucket does not exist"):
            step()


@pytest.mark.parametrize("bucket_name", ["no spaces here", "x"])
def test_a_bucket_that_cannot_exist_is_told(open_bucket: Opener, bucket_name: str):
    with pytest.raises(TargetDenied):
        open_bucket(bucket=bucket_name).put("one", b"data")


def test_a_server_that_is_not_there_may_be_back_later(open_bucket: Opener):
    with pytest.raises(TargetUnavailable):
        open_bucket(endpoint_url="http://127.0.0.1:1", timeout_s=0.5).put("one", b"data")


def test_without_credentials_it_says_so(s3_server: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    place = s3_place(S3Options(bucket=s3_server.name, prefix="unknown", endpoint_url=s3_server.endpoint_url))

    with pytest.raises(TargetDenied, match="There are no credentials"):
        place.put("one", b"data")


def test_keys_of_the_machine_are_used_where_none_are_given(s3_server: Bucket, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    place = s3_place(S3Options(bucket=s3_server.name, prefix="role", endpoint_url=s3_server.endpoint_url))

    place.put("one", b"one")

    assert s3_server.keys() == ["role/one"]


def test_a_place_that_is_opened_again_shares_its_client_with_all_threads(open_bucket: Opener):
    first, again, other = open_bucket(), open_bucket(prefix="elsewhere"), open_bucket(region="eu-central-1")
    clients = []

    def note(place: Place) -> None:
        clients.append(place._bucket.client)

    threads = [Thread(target=note, args=(place,)) for place in (first, again, first, again)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(client) for client in clients}) == 1
    assert other._bucket is not first._bucket


def test_boto3_is_loaded_by_the_first_bucket_and_not_before(tmp_path: Path):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from apps.snapshots.places import opening, presets, probing\n"
        f"probing.probe(opening.directory_place(Path({str(tmp_path)!r})))\n"
        "print([name for name in ('boto3', 'botocore', 'storages') if name in sys.modules])\n"
        "opening.s3_place(opening.S3Options(bucket='memories'))\n"
        "print('boto3' in sys.modules)\n"
    )

    finished = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (finished.stderr, finished.stdout.splitlines()) == ("", ["[]", "True"])


# --- A 200 that says nothing


@pytest.fixture
def liar(httpserver: HTTPServer, open_bucket: Opener, monkeypatch: pytest.MonkeyPatch) -> Callable[[Response], Place]:
    """A server that answers everything with one and the same answer."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)

    def answering(answer: Response) -> Place:
        httpserver.expect_request(re.compile(".*")).respond_with_response(answer)
        return open_bucket(endpoint_url=httpserver.url_for("").rstrip("/"), timeout_s=5.0)

    return answering


@pytest.mark.parametrize("body", [HTML, ERROR, EMPTY_XML, "", "no markup at all"])
def test_a_200_that_no_object_store_gave_is_never_taken_for_one(
    liar: Callable[[Response], Place], body: str, tmp_path: Path
):
    place = liar(Response(body, status=200, content_type="text/html"))
    source = tmp_path / "source"
    source.write_bytes(bytes(s3.AT_ONCE_BYTES + 1))
    steps: list[Callable[[], object]] = [
        lambda: place.put("one", b"data"),
        lambda: place.put("one", b"data", fresh=True),
        lambda: place.put("one", source),
        lambda: place.read("one", most_bytes=1000),
        lambda: place.beginning("one", 1000),
        lambda: place.stat("one"),
        lambda: list(place.names()),
        lambda: list(place.folders()),
    ]

    for step in steps:
        with pytest.raises(TargetUnavailable):
            step()


LISTING = (
    "<?xml version='1.0'?><ListBucketResult><Name>b</Name><IsTruncated>{truncated}</IsTruncated>{more}"
    "<Contents><Key>hub/copies/{first}</Key><Size>1</Size></Contents>"
    "<Contents><Key>hub/copies/{second}</Key><Size>1</Size></Contents></ListBucketResult>"
)


@pytest.mark.parametrize(
    "listing",
    [
        LISTING.format(truncated="true", more="", first="a", second="b"),
        LISTING.format(
            truncated="true", more="<NextContinuationToken>x</NextContinuationToken>", first="a", second="b"
        ),
        LISTING.format(truncated="false", more="", first="b", second="a"),
        LISTING.format(truncated="false", more="", first="a", second="a"),
    ],
    ids=["no way on", "a circle", "out of order", "twice"],
)
def test_a_listing_that_cannot_be_whole_is_no_listing(liar: Callable[[Response], Place], listing: str):
    place = liar(Response(listing, status=200, content_type="application/xml"))

    with pytest.raises(TargetUnavailable):
        list(place.names())


def test_a_listing_without_times_is_one(liar: Callable[[Response], Place]):
    place = liar(Response(LISTING.format(truncated="false", more="", first="a", second="b"), status=200))

    assert [(entry.name, entry.size_bytes, entry.modified_at) for entry in place.names()] == [
        ("a", 1, None), ("b", 1, None)
    ]  # fmt: skip
