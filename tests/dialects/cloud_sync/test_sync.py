"""The calls below /sync, row by row as the contract has them, where no job has to run."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from apps.dialects.cloud_sync import cloud as cloud_module
from apps.jobs.running import run_due
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import request_upload
from apps.snapshots.models import CopyState, RemoteCopy, Repository, Restore, Snapshot, SnapshotKind
from apps.snapshots.policies import set_policy
from apps.snapshots.targets import add_target, target_named
from tests.conftest import Bucket
from tests.dialects.cloud_sync.service import PREFIX, Service
from tests.factories import ACTOR

OFF = {"detail": "Cloud sync not configured"}
CONFIRM = "Confirmation required. Set confirm=true to proceed. WARNING: "
BAD_NAMES = ["a..b", "..hidden", "foo\\bar", "a\\..\\b"]


def said(answer: Any) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def state_of_hub() -> tuple[int, ...]:
    return Snapshot.objects.count(), RemoteCopy.objects.count(), Restore.objects.count()


def put(bucket: Bucket, key: str, body: bytes = b"x") -> None:
    bucket.client().put_object(Bucket=bucket.name, Key=key, Body=body)


# --- Off


def test_off_says_so_and_refuses_the_rest(service: Service) -> None:
    status = said(service.get("/sync/status"))
    refusals = [
        service.post("/sync/upload"),
        service.get("/sync/snapshots"),
        service.post("/sync/download", confirm="true"),
        service.post("/sync/download"),
        service.post("/sync/restore/manual_20260101_000000", confirm="true"),
        service.post("/sync/restore/a..b"),
    ]

    assert status == (200, {"enabled": False, "message": "Cloud sync not configured"})
    assert [said(answer) for answer in refusals] == [(400, OFF)] * len(refusals)
    assert state_of_hub() == (0, 0, 0)


@pytest.mark.parametrize("name", ["CLOUD_SYNC_ENABLED", "CLOUD_SYNC_BUCKET"])
def test_enabled_without_a_bucket_and_a_bucket_that_is_not_enabled_are_off(
    cloud: Service, settings: Any, name: str
) -> None:
    assert cloud.get("/sync/status").json()["enabled"]
    setattr(settings, name, "" if name.endswith("BUCKET") else False)

    assert cloud.get("/sync/status").json() == {"enabled": False, "message": "Cloud sync not configured"}
    assert said(cloud.get("/sync/snapshots")) == (400, OFF)


def test_settings_for_another_workspace_leave_this_one_off(cloud: Service) -> None:
    other = Service.of_new_workspace()

    assert cloud.get("/sync/status").json()["enabled"] is True
    assert other.get("/sync/status").json()["enabled"] is False


def test_the_target_of_the_policy_is_the_cloud_of_any_other_workspace(disk: Service, tmp_path: Path) -> None:
    slug, snapshot = disk.workspace.slug, create_snapshot(disk.workspace, name="manual_20260101_000000", actor=ACTOR)
    request_upload(disk.workspace, snapshot, target_named("disk"), actor=ACTOR)
    run_due()

    assert disk.get("/sync/status").json()["remote_count"] == 1
    assert disk.get("/sync/snapshots").json() == {
        "snapshots": [{"name": snapshot.name, "s3_prefix": f"{slug}/{snapshot.name}/"}],
        "count": 1,
    }
    assert (tmp_path / "copies" / slug / snapshot.name / "manifest.mhs").is_file()


# --- What is there


def test_an_empty_bucket(cloud: Service) -> None:
    assert said(cloud.get("/sync/status")) == (
        200,
        {"enabled": True, "latest_remote": None, "latest_local": None, "remote_count": 0, "local_count": 0},
    )
    assert said(cloud.get("/sync/snapshots")) == (200, {"snapshots": [], "count": 0})
    assert said(cloud.post("/sync/download", confirm="true")) == (404, {"detail": "No backups found in cloud"})


def test_copies_are_listed_by_name_and_their_prefixes_lie_in_the_bucket(cloud: Service, s3_server: Bucket) -> None:
    for name in ("manual_20260102_000000", "scheduled_20260101_000000", "auto_20260103_000000"):
        cloud.write("a.md", name)
        cloud.uploaded(name=name)

    listed = cloud.get("/sync/snapshots").json()

    assert [each["name"] for each in listed["snapshots"]] == [
        "scheduled_20260101_000000",
        "manual_20260102_000000",
        "auto_20260103_000000",
    ]
    assert listed["count"] == 3
    for each in listed["snapshots"]:
        assert each["s3_prefix"] == f"{PREFIX}/{each['name']}/"
        assert any(key.startswith(each["s3_prefix"]) for key in s3_server.keys())  # noqa: SIM118 - not a dictionary's


def test_latest_is_the_newest_state_and_never_one_from_before_a_restore(cloud: Service) -> None:
    """In the original it was the greatest name: a deleted memory came back."""
    cloud.write("a.md", "one")
    cloud.uploaded(name="pre_delete_20260101_000000")
    cloud.delete("a.md")
    cloud.uploaded(name="manual_20260102_000000")
    cloud.uploaded(name="safety_20260103_000000", kind=SnapshotKind.SAFETY)

    status = cloud.get("/sync/status").json()

    assert (status["latest_remote"], status["latest_local"]) == ("manual_20260102_000000", "manual_20260102_000000")
    assert (status["remote_count"], status["local_count"]) == (3, 3)


def test_half_uploads_and_folders_of_others_are_not_copies(cloud: Service, s3_server: Bucket) -> None:
    put(s3_server, f"{PREFIX}/manual_20260101_000000/config.json", b"{}")
    put(s3_server, f"{PREFIX}/photos/cat.jpg")
    put(s3_server, f"{PREFIX}/.memoryhub/packs/ab/{'ab' * 32}")
    put(s3_server, f"{PREFIX}/auto_20260101_000000/manifest.mhs", b"no manifest at all")

    assert cloud.get("/sync/snapshots").json() == {"snapshots": [], "count": 0}
    assert cloud.get("/sync/status").json()["latest_remote"] is None


def test_what_is_gone_from_the_bucket_is_gone_here(cloud: Service, s3_server: Bucket) -> None:
    cloud.uploaded(name="manual_20260101_000000")
    cloud.uploaded(name="manual_20260102_000000")
    s3_server.client().delete_object(Bucket=s3_server.name, Key=f"{PREFIX}/manual_20260102_000000/manifest.mhs")

    assert cloud.get("/sync/status").json()["latest_remote"] == "manual_20260101_000000"
    assert cloud.get("/sync/snapshots").json()["count"] == 1
    assert said(cloud.post("/sync/restore/manual_20260102_000000", confirm="true")) == (
        404,
        {"detail": "No backup found: manual_20260102_000000"},
    )


@pytest.mark.slow
def test_more_than_a_thousand_copies_are_all_seen(cloud: Service, s3_server: Bucket) -> None:
    """The original read one page: with 1,011 the newest was invisible."""
    first = cloud.uploaded(name="manual_20250101_000000")
    copies_like(first, s3_server, [f"manual_2026{number:04}_000000" for number in range(1, 1012)])

    listed = cloud.get("/sync/snapshots").json()
    status = cloud.get("/sync/status").json()

    assert listed["count"] == len(listed["snapshots"]) == 1012
    assert listed["snapshots"][0]["name"] == "manual_20261011_000000"
    assert status["latest_remote"] == "manual_20261011_000000"
    assert status["remote_count"] == 1012


def copies_like(copy: RemoteCopy, bucket: Bucket, names: list[str]) -> None:
    """Copies of this hub, a second after each other, whose manifests are not read."""
    client = bucket.client()
    with ThreadPoolExecutor(8) as pool:
        keys = [f"{PREFIX}/{name}/manifest.mhs" for name in names]
        list(pool.map(lambda key: client.put_object(Bucket=bucket.name, Key=key, Body=b"x"), keys))
    RemoteCopy.objects.bulk_create(
        RemoteCopy(
            repository=copy.repository,
            name=name,
            writer=copy.writer,
            kind=copy.kind,
            state=CopyState.SEALED,
            created_at=copy.created_at + timedelta(seconds=number),
            sealed_at=copy.sealed_at,
        )
        for number, name in enumerate(names, 1)
    )


def test_copies_of_another_hub_are_seen_and_go_with_their_manifests(cloud: Service, s3_server: Bucket) -> None:
    here = cloud.uploaded(name="manual_20260101_000000")
    RemoteCopy.objects.all().delete()
    Repository.objects.update(writer=uuid4())

    seen = cloud.get("/sync/status").json()
    s3_server.client().delete_object(Bucket=s3_server.name, Key=f"{PREFIX}/{here.name}/manifest.mhs")

    assert (seen["latest_remote"], seen["remote_count"]) == (here.name, 1)
    assert cloud.get("/sync/status").json()["remote_count"] == 0


# --- A store that is down


@pytest.fixture
def silent_store() -> Iterator[str]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


CALLS = [
    ("GET", "/sync/status"),
    ("GET", "/sync/snapshots"),
    ("POST", "/sync/download"),
    ("POST", "/sync/restore/manual_20260101_000000"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_store_that_refuses_connections_is_500_in_the_originals_words(
    cloud: Service, settings: Any, method: str, path: str
) -> None:
    settings.CLOUD_SYNC_ENDPOINT = "http://127.0.0.1:9"

    assert said(cloud.call(method, path, confirm="true")) == (500, {"detail": "Internal server error"})
    assert state_of_hub() == (0, 0, 0)


def test_a_store_that_hangs_is_500_soon(cloud: Service, settings: Any, silent_store: str) -> None:
    settings.CLOUD_SYNC_ENDPOINT = silent_store
    began = time.monotonic()

    answers = [said(cloud.get("/sync/status")), said(cloud.get("/sync/snapshots"))]

    assert answers == [(500, {"detail": "Internal server error"})] * 2
    assert time.monotonic() - began < 15
    assert cloud.get("/backups").status_code == 200


def test_stores_that_hang_hold_up_no_other(disk: Service, silent_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_module, "ANSWER_TIMEOUT_S", 0.5)
    keys = {"access_key": "a", "secret_key": "b"}
    for number in range(3):
        options = {"bucket": "memories", "endpoint_url": silent_store, "timeout_s": 30}
        add_target(f"silent-{number}", kind="s3", options=options, secrets=keys, actor=ACTOR)
        hanging = Service.of_new_workspace()
        set_policy(hanging.workspace, {"target": f"silent-{number}"}, actor=ACTOR)
        assert hanging.get("/sync/status").status_code == 500

    assert disk.get("/sync/status").status_code == 200


def test_a_bucket_that_does_not_exist_is_500(cloud: Service, settings: Any) -> None:
    settings.CLOUD_SYNC_BUCKET = "no-such-bucket"

    assert said(cloud.get("/sync/status")) == (500, {"detail": "Internal server error"})


# --- Checks of download and restore, in their order


def test_download_wants_a_confirmation_before_it_looks_at_the_name(disk: Service) -> None:
    unconfirmed = [
        disk.post("/sync/download"),
        disk.post("/sync/download", confirm="false", backup_name="../../etc"),
        disk.post("/sync/download", backup_name="unknown", body={"confirm": False}),
        disk.post("/sync/download", confirm="false", body={"confirm": True}),
    ]

    expected = (400, {"detail": f"{CONFIRM}This will download from cloud."})
    assert [said(answer) for answer in unconfirmed] == [expected] * 4


@pytest.mark.parametrize("name", [*BAD_NAMES, "../../etc", "foo/bar"])
def test_download_refuses_names_that_lead_elsewhere(disk: Service, name: str) -> None:
    by_query = disk.post("/sync/download", confirm="true", backup_name=name)
    by_body = disk.post("/sync/download", body={"confirm": True, "backup_name": name})

    assert said(by_query) == said(by_body) == (400, {"detail": f"Invalid backup name: {name}"})


def test_download_of_an_unknown_name_is_404_and_of_an_empty_one_the_latest(disk: Service) -> None:
    unknown = disk.post("/sync/download", confirm="true", backup_name="manual_20260101_000000")
    empty = disk.post("/sync/download", confirm="true", backup_name="")

    assert said(unknown) == (404, {"detail": "Backup not found in cloud"})
    assert said(empty) == (404, {"detail": "No backups found in cloud"})


def test_restore_wants_a_confirmation_then_a_name_then_a_copy(disk: Service) -> None:
    unconfirmed = disk.post("/sync/restore/a..b")
    bad = [disk.post(f"/sync/restore/{name}", confirm="true") for name in BAD_NAMES]
    unknown = disk.post("/sync/restore/manual_20260101_000000", confirm="true")

    assert said(unconfirmed) == (400, {"detail": f"{CONFIRM}This will overwrite local data."})
    assert [said(answer) for answer in bad] == [(400, {"detail": f"Invalid backup name: {name}"}) for name in BAD_NAMES]
    assert said(unknown) == (404, {"detail": "No backup found: manual_20260101_000000"})
    assert state_of_hub() == (0, 0, 0)


@pytest.mark.parametrize("path", ["/sync/restore/a/b", "/sync/restore/a%2Fb", "/sync/restore/", "/sync/restore"])
def test_a_slash_in_the_path_is_no_address(disk: Service, path: str) -> None:
    assert said(disk.post(path, confirm="true")) == (404, {"detail": "Not Found"})


# --- Booleans


@pytest.mark.parametrize("text", ["true", "True", "1", "yes", "on", "t", "y", "YES"])
def test_what_is_true_in_a_query(disk: Service, text: str) -> None:
    assert disk.post("/sync/download", confirm=text).status_code == 404


@pytest.mark.parametrize("value", [True, "true", 1, 1.0, "on"])
def test_what_is_true_in_a_body(disk: Service, value: Any) -> None:
    assert disk.post("/sync/download", body={"confirm": value}).status_code == 404


@pytest.mark.parametrize("value", [False, "false", 0, "off", "n", None])
def test_what_is_false_in_a_body(disk: Service, value: Any) -> None:
    assert disk.post("/sync/download", body={"confirm": value}).status_code == 400


@pytest.mark.parametrize("text", ["", "maybe", "2", "truee", " true"])
@pytest.mark.parametrize("path", ["/sync/download", "/sync/restore/x"])
def test_any_other_text_is_422(disk: Service, path: str, text: str) -> None:
    assert said(disk.post(path, confirm=text)) == (
        422,
        {
            "detail": [
                {
                    "type": "bool_parsing",
                    "loc": ["query", "confirm"],
                    "msg": "Input should be a valid boolean, unable to interpret input",
                    "input": text,
                }
            ]
        },
    )


@pytest.mark.parametrize(("value", "kind"), [("maybe", "bool_parsing"), (2, "bool_parsing"), ([], "bool_type")])
def test_any_other_value_is_422_and_says_that_it_was_in_the_body(disk: Service, value: Any, kind: str) -> None:
    answer = disk.post("/sync/download", body={"confirm": value})

    [entry] = answer.json()["detail"]
    assert (answer.status_code, entry["type"], entry["loc"], entry["input"]) == (422, kind, ["body", "confirm"], value)


@pytest.mark.parametrize("body", [b"no json", b"[1, 2]", b'"text"', b"\xff", b'{"confirm": tru'])
def test_a_body_that_is_no_object_says_nothing(disk: Service, body: bytes) -> None:
    """The service never looked at it."""
    with_query = disk.http.post("/sync/download?confirm=true", content=body)
    without = disk.http.post("/sync/download", content=body)

    assert (with_query.status_code, without.status_code) == (404, 400)
