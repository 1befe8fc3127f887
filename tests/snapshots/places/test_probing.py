"""What a probe finds, and that it leaves nothing behind."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.snapshots.places.base import Place
from apps.snapshots.places.opening import directory_place
from apps.snapshots.places.probing import KEPT, Probe, probe
from tests.conftest import Bucket
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.fakes.s3_rights import S3WithRights
from tests.snapshots.places.conftest import COLLECTOR, OWNER, SECRET, policy

Opener = Callable[..., Place]
ALL = {"can_write": True, "can_read": True, "can_list": True, "can_delete": True}
NONE = dict.fromkeys(ALL, False)


def found(result: Probe) -> dict[str, Any]:
    """The findings that do not depend on the clock."""
    names = ("conditional_writes", "multipart", "checksums", "problems")
    return {name: getattr(result, name) for name in (*ALL, *names)}


def without(document: dict[str, Any], *actions: str) -> dict[str, Any]:
    """A policy with fewer rights."""
    for statement in document["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each not in actions]
    return document


def names(place: Place) -> list[str]:
    return [entry.name for entry in place.names()]


def uploads(bucket: Bucket) -> list[Any]:
    """Uploads in parts that nobody ended."""
    listed: list[Any] = bucket.client().list_multipart_uploads(Bucket="my-memories").get("Uploads", [])
    return listed


def test_a_directory_can_everything_and_keeps_nothing(directory: Place, tmp_path: Path):
    result = probe(directory)

    assert found(result) == ALL | {"conditional_writes": True, "multipart": None, "checksums": None, "problems": []}
    assert result.latency_ms is not None
    assert 0 < result.latency_ms < 10_000
    assert [path.name for path in (tmp_path / "target").rglob("*")] == [".spool"]


def test_a_bucket_is_asked_for_what_only_buckets_have(owned: Place, rights: S3WithRights, s3_server: Bucket):
    owned.put("mine", b"mine")
    rights.seen.clear()

    result = probe(owned)

    assert found(result) == ALL | {"conditional_writes": True, "multipart": True, "checksums": True, "problems": []}
    assert names(owned) == ["mine"]
    assert uploads(s3_server) == []
    assert len(rights.seen) <= 18


def test_another_storage_says_that_it_replaces(storage: Place):
    result = probe(storage)

    assert found(result) == ALL | {"conditional_writes": False, "multipart": None, "checksums": None, "problems": []}
    assert names(storage) == []


def test_a_server_that_overlooks_conditions_and_checksums_is_found_out(owned: Place, rights: S3WithRights):
    rights.ignored |= {"if-none-match", "content-md5", "x-amz-checksum-sha256"}

    result = probe(owned)

    assert found(result) == ALL | {"conditional_writes": False, "multipart": True, "checksums": False, "problems": []}
    assert names(owned) == []


def test_a_server_that_refuses_the_headers_can_do_without(owned: Place, rights: S3WithRights):
    rights.unknown |= {"if-none-match", "content-md5", "x-amz-checksum-sha256"}

    result = probe(owned)

    assert found(result) == ALL | {"conditional_writes": False, "multipart": True, "checksums": False, "problems": []}
    assert names(owned) == []


def test_one_checksum_that_is_compared_is_enough(owned: Place, rights: S3WithRights):
    rights.ignored |= {"content-md5"}

    assert probe(owned).checksums is True


def test_where_nothing_can_be_deleted_one_small_object_stays(open_as: Opener, s3_server: Bucket):
    place = open_as(COLLECTOR)

    results = [probe(place) for _ in range(3)]

    kept = (
        "Nothing can be deleted: copies that are no longer wanted stay until somebody else removes them. "
        "The probe keeps one small object, .memoryhub/probe/kept."
    )
    expected = ALL | {"can_delete": False, "conditional_writes": True, "multipart": True, "checksums": True}
    assert [found(result) for result in results] == [expected | {"problems": [kept]}] * 3
    assert [(entry.name, entry.size_bytes < 100) for entry in place.names()] == [(KEPT, True)]
    assert uploads(s3_server) == []


def test_where_an_upload_cannot_be_given_up_either_nothing_grows(
    open_as: Opener, rights: S3WithRights, s3_server: Bucket
):
    rights.policies = {OWNER: without(policy("snapshots-append-only.json"), "s3:AbortMultipartUpload")}
    place = open_as(OWNER)

    result = probe(place)
    probe(place)

    assert (result.can_write, result.can_delete, result.multipart) == (True, False, None)
    assert result.problems[1:] == ["The credentials may not give up an upload there (AccessDenied)."]
    assert [(entry.name, entry.size_bytes < 100) for entry in place.names()] == [(KEPT, True)]
    assert uploads(s3_server) == []


def test_credentials_that_may_only_read_are_told_apart(open_as: Opener, rights: S3WithRights):
    document = without(policy("snapshots-with-delete.json"), "s3:PutObject", "s3:DeleteObject")
    rights.policies = {OWNER: document}

    result = probe(open_as(OWNER))

    assert found(result) == {
        "can_write": False, "can_read": True, "can_list": True, "can_delete": False,
        "conditional_writes": None, "multipart": None, "checksums": None,
        "problems": ["The credentials may not write there (AccessDenied)."],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "missing", "problem"),
    [
        ("s3:ListBucket", "can_list", "The credentials may not list there (AccessDenied)."),
        ("s3:GetObject", "can_read", "The credentials may not read there (AccessDenied)."),
    ],
)
def test_a_single_missing_right_is_named(
    open_as: Opener, rights: S3WithRights, owned: Place, action: str, missing: str, problem: str
):
    rights.policies = {OWNER: policy("snapshots-with-delete.json"), COLLECTOR: without(
        policy("snapshots-with-delete.json"), action
    )}  # fmt: skip

    result = probe(open_as(COLLECTOR))

    assert {name: getattr(result, name) for name in ALL} == ALL | {missing: False}
    assert problem in result.problems
    assert names(owned) == []


def test_unknown_credentials_are_one_problem_and_no_error(open_as: Opener):
    result = probe(open_as("AKIASOMEBODY"))

    assert found(result) == NONE | {
        "conditional_writes": None, "multipart": None, "checksums": None,
        "problems": ["The target does not know these credentials (InvalidAccessKeyId)."],
    }  # fmt: skip
    assert SECRET not in repr(result)


def test_a_missing_bucket_is_one_problem_and_no_error(open_bucket: Opener):
    result = probe(open_bucket(bucket="no-such-bucket-anywhere"))

    assert found(result) == NONE | {
        "conditional_writes": None, "multipart": None, "checksums": None, "problems": ["The bucket does not exist."]
    }  # fmt: skip


def test_a_target_that_is_away_is_asked_once(open_bucket: Opener, tmp_path: Path):
    away = [
        probe(open_bucket(endpoint_url="http://127.0.0.1:1", timeout_s=0.5)),
        probe(directory_place(tmp_path / "not mounted" / "target")),
    ]

    for result in away:
        assert {name: getattr(result, name) for name in ALL} == NONE
        assert result.latency_ms is None
        assert len(result.problems) == 1
    assert "EndpointConnectionError" in away[0].problems[0]
    assert away[1].problems == ["The directory in which the target lies is not there."]


@pytest.mark.parametrize("fault", [Fault.STATUS_500, Fault.RESET, Fault.BREAK_OFF])
def test_a_target_that_fails_midway_is_reported_and_cleaned_up(
    behind_faults: Place, faulty: FaultyProxy, s3_server: Bucket, fault: Fault
):
    with faulty.failing(fault, "GET"):
        result = probe(behind_faults)

    assert (result.can_write, result.can_read, result.can_delete) == (True, False, True)
    assert len(result.problems) == 1
    assert s3_server.keys() == []


def test_damaged_bytes_are_told(behind_faults: Place, faulty: FaultyProxy, s3_server: Bucket):
    with faulty.failing(Fault.DAMAGE, "GET", times=1):
        result = probe(behind_faults)

    assert result.problems == ["The target gives back other bytes than were written."]
    assert s3_server.keys() == []


def test_names_of_probes_lie_in_the_reserved_folder(owned: Place, rights: S3WithRights):
    probe(owned)

    written = {line.partition(" ")[2].partition("/")[2] for line in rights.seen if line.startswith("s3:PutObject")}
    assert all(re.fullmatch(r"\.memoryhub/probe/(kept|[0-9a-f]{32})", name) for name in written)
    assert len(written) == 2
