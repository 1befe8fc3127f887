"""Uploads, downloads and restores: what became of them is what is said. Jobs run in a thread beside the request."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from apps.blobs.models import Blob
from apps.dialects.answers import Refusal
from apps.dialects.cloud_sync import syncing
from apps.files.holds import purge_path
from apps.jobs import waiting
from apps.jobs.models import Job, JobState
from apps.jobs.waiting import MOST_WAITING, awaited
from apps.snapshots.actions import delete_snapshot
from apps.snapshots.downloading import forget_downloads
from apps.snapshots.models import CopyState, RemoteCopy, Restore, RestoreState, Snapshot
from apps.snapshots.restores import request_restore
from apps.workspaces.access import open_workspace
from apps.workspaces.models import Role
from tests.conftest import Bucket
from tests.dialects.cloud_sync.service import PREFIX, Service
from tests.dialects.cloud_sync.test_access import said
from tests.dialects.cloud_sync.test_sync import OFF, silent_store
from tests.factories import ACTOR
from tests.fakes.faulty_proxy import Fault, FaultyProxy

__all__ = ["silent_store"]


# --- Upload


def test_an_upload_succeeds_when_the_copy_is_whole_in_the_bucket(committed: Service, s3_server: Bucket) -> None:
    committed.write("a.md", "one")

    answer = committed.post("/sync/upload")

    [snapshot], [copy] = Snapshot.objects.all(), RemoteCopy.objects.all()
    message = "Backup created and uploaded to cloud"
    assert said(answer) == (200, {"success": True, "backup_name": snapshot.name, "message": message})
    assert (copy.name, copy.state, copy.files) == (snapshot.name, CopyState.SEALED, 1)
    assert f"{PREFIX}/{snapshot.name}/manifest.mhs" in s3_server.keys()  # noqa: SIM118 - not a dictionary's
    assert committed.get("/sync/status").json()["latest_remote"] == snapshot.name


def test_an_upload_that_failed_says_so_with_its_reason_and_is_tried_again(committed: Service, settings: Any) -> None:
    """The original said 200 with the same text."""
    settings.CLOUD_SYNC_ENDPOINT = "http://127.0.0.1:9"

    status, body = said(committed.post("/sync/upload"))

    [snapshot], [job] = Snapshot.objects.all(), Job.objects.filter(kind="snapshots.upload")
    assert status == 502
    assert body["detail"].startswith(f"The backup {snapshot.name} was made, but its upload failed: ")
    assert body["detail"].endswith(" It is tried again by itself.")
    assert job.error_detail in body["detail"]
    assert (job.state, RemoteCopy.objects.get().state) == (JobState.QUEUED, CopyState.UPLOADING)


def test_an_upload_into_a_bucket_that_is_not_there_is_no_success(committed: Service, settings: Any) -> None:
    settings.CLOUD_SYNC_BUCKET = "no-such-bucket"

    status, body = said(committed.post("/sync/upload"))

    assert (status, body.keys()) == (502, {"detail"})
    assert RemoteCopy.objects.get().state == CopyState.UPLOADING


def test_an_upload_that_is_still_on_its_way_is_neither_success_nor_failure(
    committed: Service, settings: Any, silent_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLOUD_SYNC_ENDPOINT = silent_store
    settings.MEMORYHUB_STORAGE_TIMEOUT_S = 2.0
    monkeypatch.setattr(syncing, "WITHIN_S", 2.5)

    status, body = said(committed.post("/sync/upload"))

    [copy], [job] = RemoteCopy.objects.all(), Job.objects.filter(kind="snapshots.upload")
    assert (status, body["success"]) == (202, False)
    assert (body["backup_name"], body["job"]) == (copy.name, str(job.public_id))
    awaited("snapshots.upload", str(copy.public_id), within_s=30)


def test_when_too_many_wait_the_next_hears_at_once_that_it_is_on_its_way(
    committed: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MOST_WAITING):
        assert waiting._places.acquire(blocking=False)
    try:
        answer = committed.post("/sync/upload")
    finally:
        for _ in range(MOST_WAITING):
            waiting._places.release()

    assert (answer.status_code, answer.json()["success"]) == (202, False)
    assert Job.objects.filter(kind="snapshots.upload", state=JobState.QUEUED).count() == 1


def test_uploads_of_one_second_are_copies_of_their_own(committed: Service) -> None:
    def upload(_: int) -> Any:
        try:
            return committed.post("/sync/upload").json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(upload, range(3)))

    assert len({answer["backup_name"] for answer in answers}) == 3
    assert committed.get("/sync/status").json()["remote_count"] == 3


# --- Download


def test_a_download_lies_on_this_machine_and_changes_no_file(cloud: Service, own_data: Path, s3_server: Bucket) -> None:
    cloud.write("notes/a.md", "one")
    cloud.write("b.bin", "x" * 100_000, "application/octet-stream")
    name = cloud.uploaded().name
    cloud.write("notes/a.md", "changed")
    now = cloud.files()

    status, body = said(cloud.post("/sync/download", confirm="true", backup_name=name))

    folder = own_data / "backups" / cloud.workspace.slug / name
    assert (status, list(body)) == (
        200,
        ["success", "backup_name", "files_downloaded", "local_path", "timestamp", "message"],
    )
    assert (body["success"], body["backup_name"], body["files_downloaded"]) == (True, name, 2)
    assert body["local_path"] == str(folder)
    assert body["message"] == f"Downloaded {name} from cloud. Use /restore to apply it."
    assert body["timestamp"].endswith("+00:00")
    assert (folder / "files/notes/a.md").read_text() == "one"
    assert [entry["path"] for entry in json.loads((folder / "metadata.json").read_text())] == ["b.bin", "notes/a.md"]
    assert cloud.files() == now
    assert (own_data / "backups" / cloud.workspace.slug).stat().st_mode & 0o077 == 0


def test_the_latest_is_downloaded_where_no_name_is_given(cloud: Service) -> None:
    cloud.uploaded(name="scheduled_20260101_000000")
    latest = cloud.uploaded(name="auto_20260102_000000").name

    by_query, by_body = cloud.post("/sync/download", confirm="true"), cloud.post("/sync/download", body={"confirm": 1})

    assert by_query.json()["backup_name"] == by_body.json()["backup_name"] == latest


def downloaded_elsewhere(cloud: Service) -> str:
    """A copy that is downloaded, of a snapshot that this hub no longer has."""
    cloud.write("a.md", "one", "text/x-old")
    cloud.write("big.md", "x" * 200_000)
    cloud.write("empty.md", "")
    name = cloud.uploaded().name
    cloud.post("/sync/download", confirm="true", backup_name=name)
    for snapshot in Snapshot.objects.all():
        delete_snapshot(cloud.workspace, snapshot, actor=ACTOR)
    return name


def test_a_download_is_a_backup_that_can_be_restored_without_its_target(cloud: Service, settings: Any) -> None:
    name, then = downloaded_elsewhere(cloud), cloud.files()
    cloud.write("a.md", "changed")
    cloud.write("new.md", "new")
    cloud.delete("big.md")
    settings.CLOUD_SYNC_ENABLED = False

    listed = cloud.get("/backups").json()["backups"]
    answer = cloud.post("/restore", body={"backup_name": name})

    assert [each["name"] for each in listed] == [name]
    assert (answer.status_code, answer.json()["total_memories"]) == (200, 3)
    assert cloud.files() == then
    head = cloud.http.get(
        f"http://hub/api/v1/workspaces/{cloud.workspace.slug}/files/a.md",
        headers={"Authorization": f"Bearer {cloud.token}"},
    )
    assert (head.text, head.headers["Content-Type"]) == ("one", "text/x-old")
    assert [snapshot.kind for snapshot in Snapshot.objects.all()] == ["safety"]


def test_restoring_a_download_of_the_same_state_changes_nothing(cloud: Service) -> None:
    name = downloaded_elsewhere(cloud)

    assert cloud.post("/restore", body={"backup_name": name}).status_code == 200
    assert not Snapshot.objects.exists()


@pytest.mark.parametrize("harm", ["no list", "no file", "other bytes", "a list that leads out"])
def test_a_damaged_download_is_incomplete_and_nothing_is_changed(cloud: Service, own_data: Path, harm: str) -> None:
    name = downloaded_elsewhere(cloud)
    folder = own_data / "backups" / cloud.workspace.slug / name
    match harm:
        case "no list":
            (folder / "metadata.json").unlink()
        case "no file":
            (folder / "files/a.md").unlink()
        case "other bytes":
            (folder / "files/a.md").write_text("two")
        case _:
            listed = (folder / "metadata.json").read_text()
            (folder / "metadata.json").write_text(listed.replace('"a.md"', '"../a.md"'))
    forget_everything(cloud)
    cloud.write("kept.md", "kept")
    now = cloud.files()

    answer = cloud.post("/restore", body={"backup_name": name})

    assert said(answer) == (404, {"detail": f"Backup '{name}' is incomplete"})
    assert cloud.files() == now
    assert not Snapshot.objects.exists()


def test_a_download_replaces_the_one_of_its_name(cloud: Service, own_data: Path) -> None:
    cloud.write("a.md", "one")
    name = cloud.uploaded().name
    home = own_data / "backups" / cloud.workspace.slug
    cloud.post("/sync/download", confirm="true")
    (home / name / "files/a.md").write_text("other")

    answer = cloud.post("/sync/download", confirm="true")

    assert answer.status_code == 200
    assert (home / name / "files/a.md").read_text() == "one"
    assert [path.name for path in home.iterdir()] == [name]


def test_only_the_newest_downloads_stay(tmp_path: Path) -> None:
    about = {"kind": "manual", "created_at": "2026-01-01T00:00:00Z"}
    for number in (3, 1, 2):
        (tmp_path / f"manual_{number}").mkdir()
        (tmp_path / f"manual_{number}/config.json").write_text(json.dumps(about))
        time.sleep(0.02)
    (tmp_path / "lost+found").mkdir()

    forget_downloads(tmp_path, most=2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["lost+found", "manual_1", "manual_2"]


def test_a_copy_with_a_missing_pack_is_not_downloaded_and_leaves_nothing(
    cloud: Service, s3_server: Bucket, own_data: Path
) -> None:
    cloud.write("a.md", "one")
    name = cloud.uploaded().name
    lose_packs(s3_server)

    status, body = said(cloud.post("/sync/download", confirm="true", backup_name=name))

    home = own_data / "backups" / cloud.workspace.slug
    assert status == 409
    assert body["detail"]
    assert list(home.iterdir()) == []


def lose_packs(bucket: Bucket) -> None:
    for key in bucket.keys():  # noqa: SIM118 - not a dictionary's
        if "/packs/" in key:
            bucket.client().delete_object(Bucket=bucket.name, Key=key)


def test_a_download_onto_a_disk_that_cannot_take_it_is_told(cloud: Service, own_data: Path) -> None:
    name = cloud.uploaded().name
    own_data.mkdir(exist_ok=True)
    (own_data / "backups").write_text("in the way")

    assert cloud.post("/sync/download", confirm="true", backup_name=name).status_code == 503


# --- Restore


def test_a_restore_from_the_cloud_brings_everything_back(committed: Service) -> None:
    committed.write("a.md", "one")
    committed.write("big.md", "x" * 200_000)
    name, then = committed.uploaded().name, committed.files()
    committed.write("a.md", "changed")
    committed.write("new.md", "new")
    committed.delete("big.md")

    status, body = said(committed.post(f"/sync/restore/{name}", confirm="true"))

    assert status == 200
    assert list(body) == ["success", "downloaded", "restored", "message"]
    assert list(body["downloaded"]) == ["backup_name", "files_downloaded", "local_path", "timestamp"]
    assert (body["downloaded"]["backup_name"], body["downloaded"]["files_downloaded"]) == (name, 2)
    assert body["restored"] == {"restored_from": name, "total_memories": 2}
    assert body["message"] == f"Successfully restored {name} from cloud"
    assert committed.files() == then
    assert Restore.objects.get().safety is not None


def test_the_confirmation_may_come_in_the_body_as_the_stock_client_sends_it(committed: Service) -> None:
    name = committed.uploaded().name

    assert committed.post(f"/sync/restore/{name}", body={"confirm": True}).status_code == 200
    assert committed.post(f"/sync/restore/{name}", body={"confirm": False}).status_code == 400


def test_a_damaged_copy_is_not_restored_and_the_reason_is_told(committed: Service, s3_server: Bucket) -> None:
    committed.write("a.md", "one")
    name = committed.uploaded().name
    delete_snapshot(committed.workspace, Snapshot.objects.get(), actor=ACTOR)
    forget_everything(committed)
    committed.write("b.md", "kept")
    now = committed.files()
    lose_packs(s3_server)

    status, body = said(committed.post(f"/sync/restore/{name}", confirm="true"))

    assert status == 502
    assert body["detail"].startswith(f"The restore of {name} failed, and nothing was changed: ")
    assert committed.files() == now
    assert Restore.objects.get().state == RestoreState.FAILED


def forget_everything(service: Service) -> None:
    """Content that the workspace knows is not read again: now it knows none."""
    for path in service.files():
        service.delete(path)
        purge_path(service.workspace, path, confirm=path, actor=ACTOR, acting_role=Role.OWNER)
    Blob.objects.filter(workspace_id=service.workspace.pk).delete()


def test_a_restore_whose_target_goes_away_fails_for_good(committed: Service, s3_server: Bucket, settings: Any) -> None:
    """The caller hears that nothing was changed, so nothing may be changed a minute later."""
    with FaultyProxy(s3_server.endpoint_url) as proxy:
        settings.CLOUD_SYNC_ENDPOINT = proxy.url
        committed.write("a.md", "one")
        copy = committed.uploaded()
        committed.write("a.md", "kept")
        now = committed.files()
        workspace = open_workspace(caller(committed), committed.workspace.slug, "restores:write", key_is_token=True)

        with proxy.failing(Fault.STATUS_503, "GET"), pytest.raises(Refusal) as refusal:
            syncing.restore(workspace, copy)

    assert refusal.value.status == 502
    assert refusal.value.body["detail"].startswith(f"The restore of {copy.name} failed, and nothing was changed: ")
    assert committed.files() == now
    assert Restore.objects.get().state == RestoreState.FAILED
    assert not Job.objects.filter(kind="snapshots.restore", state__in=["queued", "running"]).exists()


def caller(service: Service) -> Any:
    """A request, as the gate looks at it."""
    return SimpleNamespace(META={"HTTP_X_API_KEY": service.token})


def test_a_second_restore_waits_for_the_first(committed: Service) -> None:
    copy = committed.uploaded()
    request_restore(committed.workspace, copy=copy, actor=ACTOR)

    answer = committed.post(f"/sync/restore/{copy.name}", confirm="true")

    assert answer.status_code == 409
    assert answer.headers["Retry-After"] == "5"


def test_switched_off_everything_stays_as_it_was(cloud: Service, settings: Any) -> None:
    cloud.uploaded()
    settings.CLOUD_SYNC_ENABLED = False

    assert said(cloud.post("/sync/upload")) == (400, OFF)
    assert cloud.get("/backups").json()["count"] == 1
