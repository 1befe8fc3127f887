"""An object store that is slow, refuses, breaks off or lies: what callers are told, and that nothing is half done."""

import os
from itertools import islice
from typing import Any

import httpx
import pytest

from apps.blobs import sweeping
from apps.blobs.errors import BlobCorrupt
from apps.blobs.models import Blob, ObjectIntent
from apps.blobs.spooling import CHUNK_BYTES
from apps.common.errors import Unavailable
from apps.files import uploading
from apps.files.frames import END, frame, parse_frames
from apps.files.frames import MEDIA_TYPE as FRAMES
from apps.files.integrity import check
from apps.files.models import File
from apps.jobs import running
from apps.jobs.actions import enqueue
from apps.jobs.models import Job, JobState
from tests.contracts.house import House, connection_kept, everything
from tests.contracts.openapi import Exchange
from tests.dialects.memory_proxy.proxy import client_at
from tests.fakes.faulty_proxy import Fault, FaultyProxy

API = "/api/v1/workspaces/default"
LARGE = os.urandom(100_000)
LARGER = os.urandom(3 * CHUNK_BYTES + 1000)
UNANSWERED = (Fault.HANG, Fault.STATUS_500, Fault.STATUS_503, Fault.RESET)


@pytest.fixture
def house(object_store: FaultyProxy, db: None) -> House:
    """A workspace whose larger files lie in the bucket behind the proxy."""
    return House.new("default")


@pytest.fixture
def committed_house(object_store: FaultyProxy, transactional_db: None) -> House:
    """The same for what works on connections of its own."""
    return House.new("default")


def put(house: House, path: str, data: bytes) -> httpx.Response:
    return house.send(Exchange("PUT", f"{API}/files/{path}", {"If-None-Match": "*"}, data))


def get(house: House, path: str, **headers: str) -> httpx.Response:
    return house.send(Exchange("GET", f"{API}/files/{path}", headers))


def assert_away(answer: httpx.Response) -> None:
    """The refusal that says: come again."""
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) in range(1, 61)


def rows_but_intents() -> dict[str, list[tuple[Any, ...]]]:
    """All rows but the notes of uploads that were begun, and when the token was used."""
    return {
        name: rows for name, rows in everything().items() if name not in ("blobs.ObjectIntent", "accounts.ApiToken")
    }


def assert_sound() -> None:
    report = check(read_data=True)
    assert (report.damage, report.could_not_check) == ([], [])


@pytest.mark.parametrize("fault", [*UNANSWERED, Fault.RESET_AFTER])
def test_a_write_that_finds_no_store_is_told_so_and_changes_nothing(
    fault: Fault, house: House, object_store: FaultyProxy
):
    before = rows_but_intents()

    with object_store.failing(fault, "PUT"):
        refused = put(house, "large.bin", LARGE)

    assert_away(refused)
    assert rows_but_intents() == before
    assert ObjectIntent.objects.count() == 1
    assert_sound()
    again = put(house, "large.bin", LARGE)
    assert (again.status_code, again.json()["version"]) == (201, 1)
    assert get(house, "large.bin").content == LARGE
    assert_sound()


@pytest.mark.parametrize("fault", [Fault.STATUS_500, Fault.STATUS_503, Fault.RESET, Fault.RESET_AFTER])
def test_a_fault_that_passes_is_not_noticed(fault: Fault, house: House, object_store: FaultyProxy):
    with object_store.failing(fault, "PUT", times=1):
        written = put(house, "large.bin", LARGE)
    with object_store.failing(fault, "GET", times=1):
        read = get(house, "large.bin")

    assert (written.status_code, read.status_code, read.content) == (201, 200, LARGE)
    assert ObjectIntent.objects.count() == 0
    assert_sound()


def test_a_batch_that_finds_no_store_is_refused_whole(house: House, object_store: FaultyProxy):
    items = [("small.md", b"small"), ("large.bin", LARGE)]
    body = b"".join(frame({"path": path, "if_version": 0}, data) for path, data in items) + END
    before = rows_but_intents()

    with object_store.failing(Fault.STATUS_503, "PUT"):
        answer = house.send(Exchange("POST", f"{API}/files:put", {"Content-Type": FRAMES}, body))

    assert_away(answer)
    assert rows_but_intents() == before
    assert_sound()


@pytest.mark.parametrize("fault", [*UNANSWERED, Fault.BREAK_OFF, Fault.RESET_MIDWAY])
def test_a_read_that_finds_no_store_is_told_so(fault: Fault, house: House, object_store: FaultyProxy):
    put(house, "large.bin", LARGE)

    with object_store.failing(fault, "GET"):
        refused = get(house, "large.bin")

    assert_away(refused)
    assert get(house, "large.bin").content == LARGE


@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_read_of_a_range_that_finds_no_store_is_told_so(fault: Fault, house: House, object_store: FaultyProxy):
    put(house, "large.bin", LARGE)

    with object_store.failing(fault, "GET"):
        refused = get(house, "large.bin", Range="bytes=10-99999")

    assert_away(refused)
    assert get(house, "large.bin", Range="bytes=10-99999").content == LARGE[10:]


@pytest.mark.parametrize("fault", [Fault.SHORTEN, Fault.DAMAGE])
def test_bytes_that_are_not_what_they_were_are_told_as_damage(fault: Fault, house: House, object_store: FaultyProxy):
    put(house, "large.bin", LARGE)

    with object_store.failing(fault, "GET"):
        answer = get(house, "large.bin")

    assert (answer.status_code, answer.json()["code"]) == (502, "blob_corrupt")


def test_an_object_that_is_gone_is_told_as_damage_and_found_by_fsck(house: House, object_store: FaultyProxy):
    from django.core.files.storage import storages

    put(house, "large.bin", LARGE)
    blob = Blob.objects.get()
    storages["blobs"].delete(blob.object_key)

    answers = [get(house, "large.bin"), get(house, "large.bin", Range="bytes=0-9")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(502, "blob_corrupt")] * 2
    [finding] = check(read_data=False).damage
    assert (finding.check, finding.what) == ("blob_has_its_bytes", blob.sha256.hex())


@pytest.mark.parametrize(
    ("fault", "error", "span"),
    [
        (Fault.BREAK_OFF, Unavailable, ""),
        (Fault.SHORTEN, BlobCorrupt, ""),
        (Fault.DAMAGE, BlobCorrupt, ""),
        (Fault.BREAK_OFF, Unavailable, "bytes=0-"),
        (Fault.BREAK_OFF, Unavailable, "bytes=0-700000"),
        (Fault.SHORTEN, BlobCorrupt, "bytes=0-700000"),
    ],
)
def test_an_answer_that_has_begun_never_ends_as_if_it_were_whole(
    fault: Fault, error: type[Exception], span: str, house: House, object_store: FaultyProxy
):
    put(house, "larger.bin", LARGER)
    headers = {"Range": span} if span else {}
    received = b""

    with (
        object_store.failing(fault, "GET"),
        connection_kept(),
        client_at(API, house.token) as client,
        client.stream("GET", "/files/larger.bin", headers=headers) as answer,
        pytest.raises(error),
    ):
        announced = int(answer.headers["Content-Length"])
        for chunk in answer.iter_raw():
            received += chunk

    assert answer.status_code == (206 if span else 200)
    assert 0 < len(received) < announced
    assert LARGER.startswith(received)


def test_a_batch_of_reads_says_of_each_file_what_became_of_it(house: House, object_store: FaultyProxy):
    put(house, "small.md", b"small")
    put(house, "large.bin", LARGE)
    wanted = Exchange(
        "POST", f"{API}/files:get", {"Content-Type": "application/json"},
        b'{"items": [{"path": "large.bin"}, {"path": "small.md"}]}',
    )  # fmt: skip

    with object_store.failing(Fault.STATUS_503, "GET"):
        away = house.send(wanted)
    with object_store.failing(Fault.DAMAGE, "GET"):
        damaged = house.send(wanted)

    assert [(header["status"], header.get("code"), body) for header, body in parse_frames(away.content)] == [
        (503, "unavailable", b""), (200, None, b"small")
    ]  # fmt: skip
    assert [(header["status"], header.get("code"), body) for header, body in parse_frames(damaged.content)] == [
        (502, "blob_corrupt", b""), (200, None, b"small")
    ]  # fmt: skip


def test_fsck_that_finds_no_store_says_that_it_could_not_check(house: House, object_store: FaultyProxy):
    put(house, "large.bin", LARGE)

    with object_store.failing(Fault.STATUS_500):
        report = check(read_data=True)

    assert (report.damage, report.exit_code) == ([], 2)
    assert report.could_not_check == ["The blob storage failed to read."]
    assert_sound()


@pytest.mark.parametrize("fault", [Fault.STATUS_503, Fault.RESET_AFTER])
def test_an_upload_that_finds_no_store_is_tried_again_and_loses_nothing(
    fault: Fault, committed_house: House, object_store: FaultyProxy
):
    for number in range(3):
        put(committed_house, f"small{number}.md", b"small %d" % number)
    job = enqueue(uploading.KIND, str(committed_house.workspace.pk), workspace_id=committed_house.workspace.pk)

    with object_store.failing(fault, "PUT"):
        outcome = running.run_job(job.pk)

    job.refresh_from_db()
    assert (outcome, job.state, job.error_code) == ("retry", JobState.QUEUED, "unavailable")
    assert list(Blob.objects.values_list("object_key", flat=True)) == [None] * 3
    assert_sound()
    Job.objects.filter(pk=job.pk).update(next_run_at=job.created_at)
    assert running.run_job(job.pk) == "succeeded"
    assert Blob.objects.exclude(object_key=None).count() == 3
    assert ObjectIntent.objects.count() == 3
    assert [get(committed_house, f"small{number}.md").text for number in range(3)] == ["small 0", "small 1", "small 2"]
    assert_sound()


def test_a_sweep_that_finds_no_store_keeps_its_intents(committed_house: House, object_store: FaultyProxy):
    with object_store.failing(Fault.RESET_AFTER, "PUT"):
        put(committed_house, "large.bin", LARGE)
    intent = ObjectIntent.objects.get()
    ObjectIntent.objects.update(created_at=intent.created_at - 2 * sweeping.GRACE)
    job = enqueue(sweeping.KIND, "")

    with object_store.failing(Fault.STATUS_503, "DELETE"):
        outcome = running.run_job(job.pk)

    assert outcome == "retry"
    assert ObjectIntent.objects.get().object_key == intent.object_key
    job.refresh_from_db()
    Job.objects.filter(pk=job.pk).update(next_run_at=job.created_at)
    assert running.run_job(job.pk) == "succeeded"
    assert not ObjectIntent.objects.exists()
    assert not File.objects.exists()


def test_the_proxy_itself_changes_nothing(house: House, object_store: FaultyProxy):
    put(house, "larger.bin", LARGER)

    assert get(house, "larger.bin").content == LARGER
    verbs = [line.partition(" ")[0] for line in islice(object_store.seen, 2)]
    assert verbs == ["PUT", "GET"]
