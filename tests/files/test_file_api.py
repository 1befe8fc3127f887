import base64
import hashlib
import json

import pytest

from apps.files.models import ChangeSet, File, FileVersion
from apps.workspaces.models import WorkspaceCounter
from tests.files.client import Api


def rows() -> tuple[int, int, int]:
    return File.objects.count(), FileVersion.objects.count(), ChangeSet.objects.count()


def test_put_of_a_new_path_creates_version_one(api: Api) -> None:
    answer = api.put("notes/a.md", b"hello")

    assert answer.status_code == 201
    assert answer["ETag"] == '"1"'
    body = answer.json()
    assert body["path"] == "notes/a.md"
    assert (body["result"], body["version"], body["size_bytes"]) == ("created", 1, 5)
    assert body["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert body["md5"] == hashlib.md5(b"hello").hexdigest()
    counter = WorkspaceCounter.objects.get(workspace=api.workspace)
    assert (counter.last_sequence, counter.live_files, counter.live_bytes, counter.stored_bytes) == (1, 1, 5, 5)


def test_get_answers_the_bytes_and_what_names_them(api: Api) -> None:
    api.put("notes/a.md", b"hello")

    answer = api.get("files/notes/a.md")

    assert answer.content == b"hello"
    assert answer["ETag"] == '"1"'
    assert answer["Content-Type"] == "text/markdown"
    assert answer["Content-Length"] == "5"
    assert answer["Repr-Digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(b'hello').digest()).decode()}:"
    assert "Content-Disposition" not in answer


def test_put_of_equal_bytes_is_unchanged_and_takes_no_sequence(api: Api) -> None:
    api.put("a", b"hello")

    answer = api.put("a", b"hello", If_Match='"1"')

    assert (answer.status_code, answer.json()["result"], answer["ETag"]) == (200, "unchanged", '"1"')
    assert rows() == (1, 1, 1)


def test_every_version_stays_readable(api: Api) -> None:
    api.put("a", b"one")
    api.put("a", b"two", If_Match='"1"')
    api.call("DELETE", "files/a", If_Match='"2"')

    assert api.get("files/a").status_code == 404
    assert api.get("files/a?version=1").content == b"one"
    assert api.get("files/a?version=2").content == b"two"
    assert api.get("files/a?version=3").status_code == 404


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"If-Match": '"7"'}, ""),
        ({"If-None-Match": "*"}, ""),
    ],
)
def test_put_with_a_false_condition_is_refused_and_writes_nothing(
    api: Api, headers: dict[str, str], query: str
) -> None:
    api.put("a", b"one")

    answer = api.put("a", b"two", query=query, **headers)

    assert answer.status_code == 412
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["version"]) == ("precondition_failed", 1)
    assert problem["sha256"] == hashlib.sha256(b"one").hexdigest()
    assert problem["md5"] == hashlib.md5(b"one").hexdigest()
    assert api.get("files/a").content == b"one"
    assert rows() == (1, 1, 1)


def test_put_without_any_condition_is_refused_and_writes_nothing(api: Api) -> None:
    answer = api.call("PUT", "files/a", b"x")

    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    assert rows() == (0, 0, 0)


def test_a_large_file_goes_to_storage_and_comes_back_in_ranges(api: Api) -> None:
    data = bytes(range(256)) * 4096
    assert api.put("big.bin", data).status_code == 201

    whole = api.get("files/big.bin")
    part = api.get("files/big.bin", Range="bytes=1000-1009")
    tail = api.get("files/big.bin", Range="bytes=-5")
    outside = api.get("files/big.bin", Range=f"bytes={len(data)}-")

    assert b"".join(whole.streaming_content) == data
    assert (part.status_code, b"".join(part.streaming_content)) == (206, data[1000:1010])
    assert part["Content-Range"] == f"bytes 1000-1009/{len(data)}"
    assert b"".join(tail.streaming_content) == data[-5:]
    assert (outside.status_code, outside.json()["code"]) == (416, "bad_range")
    assert outside["Content-Range"] == f"bytes */{len(data)}"


def test_copy_move_and_revert_make_versions_without_bytes(api: Api) -> None:
    api.put("a", b"one")
    api.put("a", b"two", If_Match='"1"')

    copied = api.post("files:copy", {"items": [{"source": "a", "target": "b", "source_version": 1}]})
    moved = api.post("files:move", {"items": [{"source": "a", "target": "c"}]})
    reverted = api.post("files:revert", {"items": [{"path": "c", "version": 5, "if_version": "any"}]})

    assert copied.json()["items"][0]["version"] == 3
    assert api.get("files/b").content == b"one"
    assert moved.json()["items"][0]["version"] == 5
    assert api.get("files/a").status_code == 404
    assert api.get("files/c").content == b"two"
    assert reverted.json()["items"][0]["result"] == "unchanged"


def test_index_changes_and_history_agree(api: Api) -> None:
    api.put("a", b"one")
    api.put("b/c", b"two")
    start = api.get("index").getvalue()
    index = json.loads(start)
    api.put("a", b"three", If_Match='"1"')
    api.call("DELETE", "files/b/c", If_Match='"2"')

    changes = api.get(f"changes?since={index['cursor']}").json()
    history = api.get("history/a").json()

    assert [row[0:3] for row in index["files"][1:]] == [["a", 1, 3], ["b/c", 2, 3]]
    assert [(item["path"], item["version"], item["is_deleted"]) for item in changes["items"]] == [
        ("a", 3, False),
        ("b/c", 4, True),
    ]
    assert changes["has_more"] is False
    assert api.get(f"changes?since={changes['cursor']}").json()["items"] == []
    assert [(item["version"], item["actor"][:6], item["origin"]) for item in history["items"]] == [
        (3, "token:", "put"),
        (1, "token:", "put"),
    ]


def test_an_unchanged_index_is_304(api: Api) -> None:
    api.put("a", b"one")
    tag = api.get("index")["ETag"]

    assert api.get("index", If_None_Match=tag).status_code == 304
    api.put("b", b"one")
    assert api.get("index", If_None_Match=tag).status_code == 200
