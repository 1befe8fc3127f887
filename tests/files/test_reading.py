"""HEAD, Range, If-Range, 304, and that stored content can do no harm."""

import base64
import hashlib
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from apps.blobs.errors import BlobCorrupt
from apps.blobs.models import Blob, ObjectIntent
from apps.files.integrity import check
from apps.files.models import File
from tests.files.client import Api, body_of, nothing_changes, problem

SMALL = b"0123456789"
LARGE = bytes(range(256)) * 4000


@pytest.fixture(params=["small", "large"])
def stored(api: Api, request: pytest.FixtureRequest) -> tuple[Api, bytes]:
    """`f` at version 2: one that lies in its row, or one that is an object."""
    data = SMALL if request.param == "small" else LARGE
    api.put("f", b"before", type="text/plain")
    api.put("f", data, If_Match='"1"', type="text/plain; charset=utf-8")
    return api, data


def object_file() -> Path:
    """The file of the only object."""
    return Path(storages["blobs"].path(Blob.objects.get(object_key__isnull=False).object_key))


def test_head_answers_the_headers_of_get_and_no_body(stored: tuple[Api, bytes]) -> None:
    api, data = stored

    head, get = api.call("HEAD", "files/f"), api.get("files/f")

    assert (head.status_code, head.content, body_of(get)) == (200, b"", data)
    assert dict(head.headers) == dict(get.headers)
    assert head["Content-Length"] == str(len(data))
    assert head["ETag"] == '"2"'
    assert head["Accept-Ranges"] == "bytes"
    assert head["Repr-Digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"
    assert parsedate_to_datetime(head["Last-Modified"]) == File.objects.get().changed_at.replace(microsecond=0)


def test_head_of_nothing_is_404_without_a_body_of_its_own(api: Api) -> None:
    assert api.call("HEAD", "files/never").status_code == 404


def test_head_and_get_name_an_old_version(stored: tuple[Api, bytes]) -> None:
    api, _ = stored

    head, get = api.call("HEAD", "files/f?version=1"), api.get("files/f?version=1")

    assert (head["ETag"], head["Content-Length"], get.content) == ('"1"', "6", b"before")


def test_head_ignores_a_range(stored: tuple[Api, bytes]) -> None:
    api, data = stored

    inside, outside = (
        api.call("HEAD", "files/f", Range="bytes=0-1"),
        api.call("HEAD", "files/f", Range="bytes=9999999-"),
    )

    assert (inside.status_code, inside["Content-Length"]) == (200, str(len(data)))
    assert outside.status_code == 200


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=3-6", slice(3, 7)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-4", slice(-4, None)),
        ("bytes=2-99999999", slice(2, None)),
        ("bytes=-99999999", slice(0, None)),
    ],
)
def test_a_range_answers_its_part(stored: tuple[Api, bytes], header: str, part: slice) -> None:
    api, data = stored

    answer = api.get("files/f", Range=header)

    wanted = data[part]
    first = data.index(wanted) if len(data) == len(SMALL) else range(len(data))[part][0]
    assert (answer.status_code, body_of(answer)) == (206, wanted)
    assert answer["Content-Range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(data)}"
    assert answer["Content-Length"] == str(len(wanted))
    assert answer["ETag"] == '"2"'


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=6-3", "lines=1-2", "bytes=x-", "nonsense"])
def test_what_is_no_single_range_answers_the_whole(stored: tuple[Api, bytes], header: str) -> None:
    api, data = stored

    answer = api.get("files/f", Range=header)

    assert (answer.status_code, body_of(answer)) == (200, data)
    assert "Content-Range" not in answer


def test_a_range_outside_is_refused_with_the_size(stored: tuple[Api, bytes]) -> None:
    api, data = stored

    with nothing_changes():
        answers = [api.get("files/f", Range=header) for header in (f"bytes={len(data)}-", "bytes=-0")]

    for answer in answers:
        assert problem(answer) == (416, "bad_range")
        assert answer["Content-Range"] == f"bytes */{len(data)}"


def test_every_range_of_an_empty_file_lies_outside(api: Api) -> None:
    api.put("empty", b"")

    assert problem(api.get("files/empty", Range="bytes=0-")) == (416, "bad_range")
    assert body_of(api.get("files/empty")) == b""


@pytest.mark.parametrize(
    ("if_range", "status"),
    [('"2"', 206), ('"1"', 200), ('W/"2"', 200), ("2", 200), ("Mon, 05 Jan 2026 09:30:00 GMT", 200), ('"x"', 200)],
)
def test_a_range_counts_only_while_if_range_holds(stored: tuple[Api, bytes], if_range: str, status: int) -> None:
    api, data = stored

    answer = api.get("files/f", Range="bytes=0-1", If_Range=if_range)

    assert (answer.status_code, body_of(answer)) == (status, data[:2] if status == 206 else data)


@pytest.mark.parametrize("tags", ['"2"', "*", 'W/"2"', '"1", "2"', ' "2" '])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_known_tag_answers_304_without_bytes(stored: tuple[Api, bytes], method: str, tags: str) -> None:
    api, _ = stored

    answer = api.call(method, "files/f", If_None_Match=tags, Range="bytes=0-1")

    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", '"2"')
    assert "Content-Type" not in answer and "Content-Length" not in answer
    assert answer["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("tags", ['"1"', "2", '"22"', '"x"', ""])
def test_an_unknown_tag_answers_the_bytes(stored: tuple[Api, bytes], tags: str) -> None:
    api, data = stored

    assert body_of(api.get("files/f", If_None_Match=tags)) == data


def test_a_deleted_file_is_404_whatever_tag_is_known(api: Api) -> None:
    api.put("f", b"x")
    api.delete("f")

    assert api.get("files/f", If_None_Match="*").status_code == 404


@pytest.mark.parametrize(
    ("type", "disposition"),
    [
        ("text/html", "attachment"),
        ("text/html; charset=utf-8", "attachment"),
        ("TEXT/HTML", "attachment"),
        ("image/svg+xml", "attachment"),
        ("text/javascript", "attachment"),
        ("application/javascript", "attachment"),
        ("application/xhtml+xml", "attachment"),
        ("text/xml", "attachment"),
        ("application/pdf", "attachment"),
        ("application/octet-stream", "attachment"),
        ("text/css", "attachment"),
        ("x/y", "attachment"),
        ("text/plain", None),
        ("Text/Markdown; charset=utf-8", None),
        ("image/png", None),
        ("application/json", None),
    ],
)
@pytest.mark.parametrize("data", [b"<script>alert(1)</script>", b"<svg onload='alert(1)'>" + b" " * 70_000])
def test_stored_content_runs_nothing_in_a_browser(api: Api, type: str, disposition: str | None, data: bytes) -> None:
    api.put("page", data, type=type)

    for answer in (api.get("files/page"), api.call("HEAD", "files/page"), api.get("files/page?version=1")):
        assert answer["Content-Type"] == type
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.get("Content-Disposition") == disposition
        assert answer["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer["Vary"]


def test_a_file_without_a_type_is_bytes(api: Api) -> None:
    api.put("f", b"x", type="")

    assert api.get("files/f")["Content-Type"] == "application/octet-stream"


# --- Damaged objects


@pytest.fixture
def damaged(api: Api) -> Api:
    """`f` is an object of 100,000 bytes."""
    api.put("f", b"a" * 100_000)
    return api


def remove() -> None:
    object_file().unlink()


def truncate() -> None:
    object_file().write_bytes(b"a" * 99_999)


def alter() -> None:
    object_file().write_bytes(b"a" * 50_000 + b"b" + b"a" * 49_999)


@pytest.mark.parametrize("damage", [remove, truncate, alter])
def test_a_damaged_object_is_refused_whole(damaged: Api, damage: Any) -> None:
    damage()

    with nothing_changes():
        answer = damaged.get("files/f")
        frames = damaged.get_many({"path": "f"})

    assert problem(answer) == (502, "blob_corrupt")
    assert "ETag" not in answer
    assert [(header["status"], header["code"], body) for header, body in frames] == [(502, "blob_corrupt", b"")]


def test_a_range_of_a_removed_object_is_refused(damaged: Api) -> None:
    remove()

    assert problem(damaged.get("files/f", Range="bytes=0-9")) == (502, "blob_corrupt")


def test_a_long_answer_breaks_off_before_damaged_bytes_are_whole(api: Api) -> None:
    data = LARGE
    api.put("f", data)
    path = object_file()
    path.write_bytes(data[:-1] + b"x")

    answer = api.get("files/f")

    assert answer.status_code == 200
    sent = b""
    with pytest.raises(BlobCorrupt):
        for chunk in answer.streaming_content:
            sent += chunk
    assert len(sent) < int(answer["Content-Length"])
    assert data.startswith(sent)


@pytest.mark.parametrize("damage", [remove, truncate, alter])
def test_sending_damaged_bytes_once_more_brings_them_back(damaged: Api, damage: Any) -> None:
    damage()

    answer = damaged.put("g", b"a" * 100_000)

    assert answer.status_code == 201
    assert body_of(damaged.get("files/g")) == body_of(damaged.get("files/f")) == b"a" * 100_000
    assert Blob.objects.count() == 1
    assert ObjectIntent.objects.count() == 0
    assert check(read_data=True).damage == []


def test_sending_sound_bytes_once_more_stores_nothing(damaged: Api) -> None:
    keys = damaged.object_keys()

    damaged.put("g", b"a" * 100_000)

    assert damaged.object_keys() == keys
