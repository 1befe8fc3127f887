"""What operators are told about the work behind the requests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import override_settings

from apps.blobs.capabilities import Capabilities, storage_capabilities
from apps.blobs.models import Blob
from apps.jobs import actions, leases
from apps.jobs.models import Tick
from apps.operations import queries
from tests.conftest import Bucket
from tests.factories import make_workspace
from tests.operations.stores import bucket_storage, local_storage
from tests.services import free_port

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_the_standing_counts_jobs_and_tells_the_last_tick() -> None:
    Tick.objects.create(at=NOON - timedelta(seconds=7))
    actions.enqueue("files.collect", "due", now=NOON)
    actions.enqueue("files.collect", "overdue", now=NOON - timedelta(hours=1))
    actions.enqueue("files.collect", "later", run_at=NOON + timedelta(hours=1), now=NOON)
    leases.claim(actions.enqueue("files.collect", "runs", now=NOON).pk, now=NOON)

    found = queries.standing(NOON)

    assert (found.last_tick_at, found.last_tick_age_s) == (NOON - timedelta(seconds=7), 7.0)
    assert found.jobs == {"queued": 3, "due": 2, "running": 1, "failed": 0, "stuck": 1}
    assert "blobs.sweep" in [run.kind for run in found.periodic]


@pytest.mark.django_db
def test_without_a_tick_there_is_no_age() -> None:
    found = queries.standing(NOON)

    assert (found.last_tick_at, found.last_tick_age_s) == (None, None)


@pytest.mark.django_db
def test_uploads_wait_only_where_there_is_a_bucket(tmp_path: Path, s3_server: Bucket) -> None:
    workspace = make_workspace()
    for number, key in enumerate((None, None, None, "uploaded")):
        Blob.objects.create(
            workspace=workspace,
            sha256=bytes([number]) * 32,
            md5=b"m" * 16,
            size_bytes=1,
            inline=b"x",
            object_key=key,
            created_at=NOON,
        )
    there = bucket_storage({"S3_BUCKET": s3_server.name, "S3_ENDPOINT_URL": s3_server.endpoint_url})

    with override_settings(STORAGES=local_storage(tmp_path)):
        assert queries.standing(NOON).uploads_waiting is None
    with override_settings(STORAGES=there):
        assert queries.standing(NOON).uploads_waiting == 3
        assert queries.standing(NOON, most_uploads=2).uploads_waiting == 2


def test_a_storage_tells_what_it_is_and_leaves_no_litter(s3_server: Bucket, tmp_path: Path) -> None:
    there = bucket_storage({"S3_BUCKET": s3_server.name, "S3_ENDPOINT_URL": s3_server.endpoint_url})
    away = bucket_storage({"S3_BUCKET": "b", "S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"})

    told = []
    for storages in (local_storage(tmp_path), there, away):
        with override_settings(STORAGES=storages):
            told.append(storage_capabilities())

    assert told == [Capabilities("directory", None), Capabilities("bucket", True), Capabilities("bucket", None)]
    assert s3_server.keys() == []
    assert list(tmp_path.iterdir()) == []
