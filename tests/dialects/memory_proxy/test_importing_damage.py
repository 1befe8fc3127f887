"""Buckets that are not as the original left them: each fault is told, and everything else comes over."""

from dataclasses import replace
from typing import Any

import pytest

from apps.accounts.models import AuditEvent
from apps.dialects.memory_proxy.bucket import BucketError
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.dialects.memory_proxy.moving import move, texts
from tests.dialects.memory_proxy.original import Original, md5_of
from tests.factories import make_workspace
from tests.fakes.s3_relay import S3Relay

NS = "personas/default/memory"


@pytest.fixture
def workspace(db: None) -> Workspace:
    return make_workspace()


@pytest.fixture
def original(s3_server: Bucket) -> Original:
    """With one sound file."""
    original = Original(s3_server)
    original.put(NS, "sound", b"sound")
    return original


def came_over(workspace: Workspace) -> dict[str, bytes | None]:
    return {path.removeprefix(f"{NS}/"): text for path, text in texts(workspace).items()}


@pytest.mark.parametrize(
    "fault, told",
    [
        ({"md5": md5_of(b"other")}, ("damaged", "wrong_md5")),
        ({"metadata": {}}, ("damaged", "bad_metadata")),
        ({"metadata": {"version": "17", "is-deleted": "false"}}, ("damaged", "bad_metadata")),
        ({"metadata": {"is-deleted": "true"}}, ("damaged", "bad_metadata")),
        ({"version": "soon"}, ("damaged", "bad_metadata")),
    ],
)
def test_a_damaged_object_is_told_and_left_out(
    original: Original, workspace: Workspace, fault: dict[str, Any], told: tuple[str, str]
) -> None:
    original.store(f"{NS}/bad", b"text", **fault)

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/sound": ("imported", ""), f"{NS}/bad": told}
    assert moved.problems == 1
    assert came_over(workspace) == {"sound": b"sound"}


def test_a_file_without_a_version_is_version_0(original: Original, workspace: Workspace) -> None:
    original.store(f"{NS}/old", b"text", version=None)

    moved = move(original, workspace)

    assert {row.path: row.version for row in moved.rows if row.md5 == md5_of(b"text")} == {f"{NS}/old": 0}
    assert came_over(workspace) == {"sound": b"sound", "old": b"text"}


@pytest.mark.parametrize("body", [b"", b"text of a user", b'{"files": 7}', b"\xff"])
def test_an_index_that_is_no_json_is_told_and_the_files_come_over(
    original: Original, workspace: Workspace, body: bytes
) -> None:
    original.write_index(NS, body)

    moved = move(original, workspace)

    assert moved.told() == {
        f"{NS}/.sync-index.json": ("damaged", "bad_index"),
        f"{NS}/sound": ("imported", "not_in_index"),
    }
    assert moved.problems == 1
    assert came_over(workspace) == {"sound": b"sound"}


def test_without_an_index_the_files_come_over(original: Original, workspace: Workspace) -> None:
    original.remove(f"{NS}/.sync-index.json")

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/sound": ("imported", "not_in_index")}
    assert moved.problems == 0


def test_what_the_index_names_and_the_bucket_lacks_is_told_as_lost(original: Original, workspace: Workspace) -> None:
    version = original.put(NS, "lost", b"text")
    original.remove(f"{NS}/lost")

    moved = move(original, workspace)

    (row,) = [row for row in moved.rows if row.outcome == "lost"]
    assert (row.key, row.version, row.md5) == (original.key(f"{NS}/lost"), version, md5_of(b"text"))
    assert moved.problems == 1
    assert came_over(workspace) == {"sound": b"sound"}


def test_what_the_index_does_not_name_comes_over(original: Original, workspace: Workspace) -> None:
    original.store(f"{NS}/unnamed", b"text", version=17)

    moved = move(original, workspace)

    assert moved.told()[f"{NS}/unnamed"] == ("imported", "not_in_index")
    assert moved.problems == 0
    assert came_over(workspace) == {"sound": b"sound", "unnamed": b"text"}


@pytest.mark.parametrize(
    "relative, told",
    [
        ("folder/", ("ignored", "folder")),
        ("a//b", ("refused", "bad_path")),
        ("a/../b", ("refused", "bad_path")),
        ("a\\b", ("refused", "bad_path")),
        ("a\x7fb", ("refused", "bad_path")),
        ("x" * 256, ("refused", "bad_path")),
        ("deep/.sync-index.JSON", ("refused", "bad_path")),
    ],
)
def test_a_foreign_key_is_told_and_left_out(
    original: Original, workspace: Workspace, relative: str, told: tuple[str, str]
) -> None:
    original.store(f"{NS}/{relative}", b"" if relative.endswith("/") else b"text", version=17)

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/sound": ("imported", ""), f"{NS}/{relative}": told}
    assert moved.problems == (told[0] == "refused")
    assert came_over(workspace) == {"sound": b"sound"}


def test_an_object_that_the_server_does_not_give_is_told(original: Original, workspace: Workspace) -> None:
    original.put(NS, "denied", b"text")
    original.put(NS, "after", b"after")

    with S3Relay(original.bucket.endpoint_url) as relay:
        relay.refuse("/denied", 403)
        moved = move(through(relay, original), workspace)

    assert moved.told()[f"{NS}/denied"] == ("unreadable", "unreadable")
    assert moved.problems == 1
    assert came_over(workspace) == {"sound": b"sound", "after": b"after"}


def test_an_object_that_breaks_off_is_told_and_comes_with_the_next_run(
    original: Original, workspace: Workspace
) -> None:
    original.put(NS, "long", b"x" * 200_000)

    with S3Relay(original.bucket.endpoint_url) as relay:
        relay.cut("/long")
        broken = move(through(relay, original), workspace)
    after = came_over(workspace)
    whole = move(original, workspace)

    assert broken.told()[f"{NS}/long"] == ("unreadable", "unreadable")
    assert after == {"sound": b"sound"}
    assert whole.told() == {f"{NS}/sound": ("present", ""), f"{NS}/long": ("imported", "")}


def test_a_bucket_that_goes_away_ends_the_run_and_keeps_what_came(original: Original, workspace: Workspace) -> None:
    for number in range(40):
        original.put(NS, f"f{number:02}", b"text")

    with S3Relay(original.bucket.endpoint_url) as relay:
        relay.refuse_after(20, 403)
        with pytest.raises(BucketError, match="does not let these keys into the bucket"):
            move(through(relay, original), workspace)
    came = len(came_over(workspace))
    rest = move(original, workspace)

    assert 0 < came < 41
    assert AuditEvent.objects.filter(action="bucket.imported").order_by("id")[0].details["is_whole"] is False
    assert [outcome for outcome, _ in rest.told().values()].count("imported") == 41 - came
    assert len(came_over(workspace)) == 41


def test_a_second_run_reads_no_file_again(original: Original, workspace: Workspace) -> None:
    original.put(NS, "empty", b"")
    original.put(NS, "gone", b"text")
    original.delete(NS, "gone")
    move(original, workspace)

    with S3Relay(original.bucket.endpoint_url) as relay:
        again = move(through(relay, original), workspace)

    assert {outcome for outcome, _ in again.told().values()} == {"present"}
    asked = [request.partition(original.prefix)[::2] for request in relay.seen if f"/{original.prefix}/" in request]
    assert sorted((verb.split()[0], key.partition(NS)[2]) for verb, key in asked) == [
        ("GET", "/.sync-index.json"),
        ("HEAD", "/empty"),
        ("HEAD", "/gone"),
    ]


def through(relay: S3Relay, original: Original) -> Original:
    return replace(original, bucket=replace(original.bucket, endpoint_url=relay.url))
