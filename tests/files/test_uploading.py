"""Small blobs on their way from the database to the bucket."""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from subprocess import Popen

import psycopg
import pytest
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone

from apps.blobs import sweeping
from apps.blobs.bucket import BucketBlobStorage
from apps.blobs.local import LocalBlobStorage
from apps.blobs.models import Blob, ObjectIntent
from apps.files import uploading
from apps.files.models import FeedCheckpoint
from apps.files.queries import UPLOAD
from apps.jobs.actions import enqueue
from apps.jobs.models import Job
from tests.conftest import Bucket
from tests.files.client import Api, assert_sound, body_of, problem
from tests.files.work import run

LARGE = b"large" * 20_000


def upload(api: Api) -> int:
    uploaded: int = run(uploading.KIND, api.workspace)["uploaded"]
    return uploaded


def places(*, size_bytes: int) -> tuple[bool, bool]:
    """Whether the blob of that size lies in its row, and whether in the bucket."""
    blob = Blob.objects.get(size_bytes=size_bytes)
    return blob.inline is not None, blob.object_key is not None


@pytest.fixture
def stored(bucket: Bucket, api: Api) -> Api:
    assert isinstance(storages["blobs"], BucketBlobStorage)
    return api


def test_a_small_blob_is_copied_to_the_bucket_and_stays_in_its_row(stored: Api, bucket: Bucket) -> None:
    stored.put("a", b"one")

    assert upload(stored) == 1

    blob = Blob.objects.get()
    assert bucket.keys() == [f"hub/{blob.object_key}"]
    assert str(blob.object_key).startswith(stored.workspace.public_id.hex)
    assert bytes(blob.inline or b"") == b"one"
    assert not ObjectIntent.objects.exists()
    assert upload(stored) == 0
    assert_sound()


def test_a_superseded_blob_leaves_the_database_and_is_read_from_the_bucket(stored: Api) -> None:
    stored.put("a", b"one")
    stored.put("a", b"three", If_Match='"1"')
    stored.put("gone", b"deleted")
    stored.delete("gone")

    assert upload(stored) == 3

    assert [places(size_bytes=size) for size in (3, 5, 7)] == [(False, True), (True, True), (False, True)]
    old = stored.get("files/a?version=1")
    part = stored.get("files/a?version=1", Range="bytes=1-1")
    assert (old.status_code, body_of(old), body_of(part)) == (200, b"one", b"n")
    assert [body for _, body in stored.get_many({"path": "a", "version": 1}, {"path": "gone", "version": 3})] == [
        b"one",
        b"deleted",
    ]
    assert_sound()


def test_a_blob_that_is_superseded_after_its_upload_leaves_the_database_then(stored: Api) -> None:
    stored.put("a", b"one")
    upload(stored)
    stored.put("a", b"three", If_Match='"1"')

    upload(stored)

    assert [places(size_bytes=size) for size in (3, 5)] == [(False, True), (True, True)]


def test_a_blob_that_another_file_still_shows_stays_in_its_row(stored: Api) -> None:
    stored.put("a", b"one")
    stored.put("b", b"one")
    stored.put("a", b"three", If_Match='"1"')

    upload(stored)

    assert places(size_bytes=3) == (True, True)


def test_bytes_that_come_again_lie_in_their_row_again(stored: Api) -> None:
    stored.put("a", b"one")
    stored.put("a", b"three", If_Match='"1"')
    upload(stored)

    stored.put("a", b"one", If_Match='"2"')

    assert places(size_bytes=3) == (True, True)
    assert stored.get("files/a").content == b"one"
    assert upload(stored) == 0
    assert places(size_bytes=5) == (False, True)
    assert_sound()


def test_a_reverted_file_without_bytes_in_its_row_is_read_from_the_bucket(stored: Api) -> None:
    stored.put("a", b"one")
    stored.put("a", b"three", If_Match='"1"')
    upload(stored)

    stored.post("files:revert", {"items": [{"path": "a", "version": 1, "if_version": 2}]})

    assert places(size_bytes=3) == (False, True)
    assert body_of(stored.get("files/a")) == b"one"


def test_an_empty_file_survives_its_way_to_the_bucket(stored: Api) -> None:
    stored.put("a", b"")
    stored.put("a", b"x", If_Match='"1"')

    upload(stored)

    assert places(size_bytes=0) == (False, True)
    assert body_of(stored.get("files/a?version=1")) == b""
    assert_sound()


def test_a_large_file_goes_to_the_bucket_at_once(stored: Api, bucket: Bucket) -> None:
    stored.put("big", LARGE)

    assert len(bucket.keys()) == 1
    assert body_of(stored.get("files/big")) == LARGE
    assert body_of(stored.get("files/big", Range="bytes=70000-70009")) == LARGE[70_000:70_010]
    assert upload(stored) == 0
    assert_sound()


@pytest.mark.parametrize("left", [None, b"", LARGE[:-1], LARGE[:-1] + b"x"])
def test_damage_in_the_bucket_is_told(stored: Api, bucket: Bucket, left: bytes | None) -> None:
    stored.put("big", LARGE)
    key = bucket.keys()[0]
    if left is None:
        bucket.client().delete_object(Bucket=bucket.name, Key=key)
    else:
        bucket.client().put_object(Bucket=bucket.name, Key=key, Body=left)

    assert problem(stored.get("files/big")) == (502, "blob_corrupt")
    if not left:
        assert problem(stored.get("files/big", Range="bytes=0-1")) == (502, "blob_corrupt")


def test_a_bucket_that_is_away_makes_reads_and_large_writes_wait(stored: Api, bucket: Bucket) -> None:
    stored.put("big", LARGE)
    stored.put("small", b"x")
    bucket.client().delete_object(Bucket=bucket.name, Key=bucket.keys()[0])
    bucket.client().delete_bucket(Bucket=bucket.name)

    assert problem(stored.get("files/big")) == (503, "unavailable")
    assert problem(stored.put("more", LARGE[1:])) == (503, "unavailable")
    assert stored.get("files/small").content == b"x"
    assert stored.put("small2", b"x").status_code == 201


def test_uploads_go_on_where_they_stopped(stored: Api, bucket: Bucket) -> None:
    for number in range(5):
        stored.put(f"{number}", b"%d" % number)
    upload(stored)
    stored.put("more", b"more")

    assert upload(stored) == 1
    assert len(bucket.keys()) == 6
    assert FeedCheckpoint.objects.get(consumer=UPLOAD).sequence == 6


def test_only_workspaces_with_news_are_planned_for(stored: Api) -> None:
    assert run(uploading.PLAN_KIND) == {"planned": 0}
    stored.put("a", b"one")

    assert run(uploading.PLAN_KIND) == {"planned": 1}
    assert upload(stored) == 1
    assert run(uploading.PLAN_KIND) == {"planned": 0}


def test_a_write_asks_for_an_upload(stored: Api) -> None:
    stored.put("a", b"one")

    assert Job.objects.filter(kind=uploading.KIND, subject=str(stored.workspace.pk), state="queued").count() == 1


def test_nothing_is_copied_into_a_directory_of_this_machine(api: Api) -> None:
    assert isinstance(storages["blobs"], LocalBlobStorage)
    api.put("a", b"one")

    assert run(uploading.PLAN_KIND) == {"planned": 0}
    assert not Job.objects.filter(kind=uploading.KIND).exists()
    assert places(size_bytes=3) == (True, False)


PROGRAM = "import sys, django; django.setup(); from apps.jobs.running import run_job; print(run_job(int(sys.argv[1])))"


@pytest.mark.slow
def test_a_worker_killed_between_upload_and_row_loses_and_leaves_nothing(
    bucket: Bucket, committed_api: Api, another_process: Callable[..., "Popen[str]"]
) -> None:
    """The rows are locked by another connection, so that the worker hangs after its uploads; then it is killed."""
    committed_api.put("a", b"one")
    committed_api.put("b", b"three")
    job = enqueue(uploading.KIND, str(committed_api.workspace.pk), workspace_id=committed_api.workspace.pk)
    variables = {
        "S3_BUCKET": bucket.name,
        "S3_PREFIX": "hub",
        "S3_ENDPOINT_URL": bucket.endpoint_url,
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
    }
    address = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: address[name] for name in names if name in address}) as other:
        other.execute("SELECT FROM blobs_blob FOR UPDATE")

        worker = another_process("-c", PROGRAM, str(job.pk), **variables)
        deadline = time.monotonic() + 60
        while len(bucket.keys()) < 2:
            assert worker.poll() is None and time.monotonic() < deadline, worker.communicate()
            time.sleep(0.02)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)

    assert {blob.object_key for blob in Blob.objects.all()} == {None}
    orphans = set(ObjectIntent.objects.values_list("object_key", flat=True))
    assert {f"hub/{key}" for key in orphans} == set(bucket.keys())
    assert committed_api.get("files/a").content == b"one"
    assert_sound()

    Job.objects.all().delete()
    assert upload(committed_api) == 2
    ObjectIntent.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert run(sweeping.KIND) == {"swept": 2, "spool_files": 0}

    assert {f"hub/{blob.object_key}" for blob in Blob.objects.all()} == set(bucket.keys())
    assert not orphans & set(Blob.objects.values_list("object_key", flat=True))
    assert_sound()
