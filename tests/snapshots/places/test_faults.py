"""A bucket behind a network that fails: what callers are told, and that nothing is half there."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.common.errors import Unavailable
from apps.snapshots.places import s3
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import TargetUnavailable
from tests.conftest import Bucket
from tests.fakes.faulty_proxy import Fault, FaultyProxy

DATA = os.urandom(700_000)
UNANSWERED = (Fault.HANG, Fault.STATUS_500, Fault.STATUS_503, Fault.RESET)


def content(place: Place, name: str = "one") -> bytes:
    return place.read(name, most_bytes=1_000_000)


@pytest.mark.parametrize("fault", [*UNANSWERED, Fault.RESET_AFTER])
def test_a_write_without_an_answer_fails_and_may_be_repeated(behind_faults: Place, faulty: FaultyProxy, fault: Fault):
    with faulty.failing(fault, "PUT"), pytest.raises(TargetUnavailable) as refused:
        behind_faults.put("one", DATA)

    assert isinstance(refused.value, Unavailable)
    assert refused.value.headers["Retry-After"] == "5"
    behind_faults.put("one", DATA)
    assert content(behind_faults) == DATA


@pytest.mark.parametrize("fault", [Fault.STATUS_500, Fault.STATUS_503, Fault.RESET, Fault.RESET_AFTER])
def test_a_fault_that_passes_is_not_noticed(behind_faults: Place, faulty: FaultyProxy, fault: Fault):
    with faulty.failing(fault, "PUT", times=1):
        behind_faults.put("one", DATA)
    with faulty.failing(fault, "GET", times=1):
        read = content(behind_faults)
    with faulty.failing(fault, "GET", times=1):
        names = [entry.name for entry in behind_faults.names()]
    with faulty.failing(fault, "DELETE", times=1):
        behind_faults.delete("one")

    assert (read, names) == (DATA, ["one"])
    assert behind_faults.stat("one") is None


@pytest.mark.parametrize("fault", [*UNANSWERED, Fault.BREAK_OFF, Fault.RESET_MIDWAY])
def test_a_read_without_a_whole_answer_gives_no_bytes(behind_faults: Place, faulty: FaultyProxy, fault: Fault):
    behind_faults.put("one", DATA)
    fetched = io.BytesIO()

    with faulty.failing(fault, "GET"):
        with pytest.raises(TargetUnavailable):
            content(behind_faults)
        with pytest.raises(TargetUnavailable):
            behind_faults.fetch("one", fetched, most_bytes=1_000_000)
        with pytest.raises(TargetUnavailable):
            behind_faults.beginning("one", 600_000)

    assert DATA.startswith(fetched.getvalue())
    assert content(behind_faults) == DATA


def test_a_refusal_that_is_reset_midway_is_no_fault_of_ours(behind_faults: Place, faulty: FaultyProxy):
    with faulty.failing(Fault.RESET_MIDWAY, "GET"), pytest.raises(TargetUnavailable):
        content(behind_faults, "missing")


@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_listing_without_an_answer_is_not_an_empty_one(behind_faults: Place, faulty: FaultyProxy, fault: Fault):
    behind_faults.put("folder/one", DATA)

    with faulty.failing(fault, "GET"):
        with pytest.raises(TargetUnavailable):
            list(behind_faults.names())
        with pytest.raises(TargetUnavailable):
            list(behind_faults.folders())

    assert [entry.name for entry in behind_faults.names()] == ["folder/one"]


@pytest.mark.parametrize("fault", [Fault.BREAK_OFF, Fault.RESET_MIDWAY, Fault.SHORTEN])
def test_half_a_listing_is_none(behind_faults: Place, faulty: FaultyProxy, fault: Fault):
    for number in range(20):
        behind_faults.put(f"folder/{number}", b"x")

    with faulty.failing(fault, "GET"), pytest.raises(TargetUnavailable):
        list(behind_faults.names())


@pytest.mark.parametrize("fault", UNANSWERED)
def test_an_object_of_which_nothing_is_heard_is_not_told_to_be_missing(
    behind_faults: Place, faulty: FaultyProxy, fault: Fault
):
    behind_faults.put("one", DATA)

    with faulty.failing(fault, "HEAD"), pytest.raises(TargetUnavailable):
        behind_faults.stat("one")
    with faulty.failing(fault, "DELETE"), pytest.raises(TargetUnavailable):
        behind_faults.delete("one")

    assert content(behind_faults) == DATA


@pytest.mark.parametrize(("method", "fault"), [("PUT", Fault.RESET), ("POST", Fault.STATUS_503), ("HEAD", Fault.RESET)])
def test_an_upload_in_parts_that_fails_leaves_no_object_as_if_it_were_whole(
    open_bucket: Callable[..., Place], faulty: FaultyProxy, tmp_path: Path, fault: Fault, method: str
):
    place = open_bucket(endpoint_url=faulty.url)
    source = tmp_path / "source"
    source.write_bytes(bytes(s3.AT_ONCE_BYTES + 1))

    with faulty.failing(fault, method), pytest.raises(TargetUnavailable):
        place.put("large", source)

    found = place.stat("large")
    # The object is whole when only the look at it afterwards has failed.
    assert (found and found.size_bytes) == (source.stat().st_size if method == "HEAD" else None)
    place.put("large", source)
    found = place.stat("large")
    assert found is not None
    assert found.size_bytes == source.stat().st_size


def test_an_upload_in_parts_that_fails_is_given_up(
    open_bucket: Callable[..., Place], faulty: FaultyProxy, s3_server: Bucket, tmp_path: Path
):
    source = tmp_path / "source"
    source.write_bytes(bytes(s3.AT_ONCE_BYTES + 1))

    with faulty.failing(Fault.STATUS_503, "PUT"), pytest.raises(TargetUnavailable):
        open_bucket(endpoint_url=faulty.url).put("large", source)

    # Parts of an upload that nobody ends cost money unseen.
    assert "Uploads" not in s3_server.client().list_multipart_uploads(Bucket=s3_server.name)


def test_the_way_itself_changes_nothing(behind_faults: Place, faulty: FaultyProxy):
    behind_faults.put("one", DATA)

    assert content(behind_faults) == DATA
    assert [line.partition(" ")[0] for line in faulty.seen] == ["PUT", "GET"]
