"""Many files in one request."""

import hashlib
from typing import Any

import pytest

from apps.blobs.models import Blob, ObjectIntent
from apps.files.frames import END, MEDIA_TYPE, frame
from apps.files.models import ChangeSet, File
from apps.workspaces.models import WorkspaceCounter
from tests.files.client import Api, assert_sound, nothing_changes, outcomes, problem

Item = tuple[dict[str, Any], bytes]


def put(path: str, data: bytes, if_version: Any = 0, **fields: Any) -> Item:
    return {"path": path, "if_version": if_version, **fields}, data


def delete(path: str, if_version: Any) -> Item:
    return {"path": path, "op": "delete", "if_version": if_version}, b""


def test_a_batch_is_one_change_set_with_numbers_in_order(filled: Api) -> None:
    answer = filled.put_many(
        put("c", b"new", content_type="text/plain"),
        put("a", b"FIRST", 1),
        delete("b", 2),
        put("gone", b"back"),
        query="?message=all+at+once",
    )

    assert answer.status_code == 200
    assert outcomes(answer) == [(201, "created"), (200, "updated"), (200, "deleted"), (201, "created")]
    assert [item["version"] for item in answer.json()["items"]] == [5, 6, 7, 8]
    change_set = ChangeSet.objects.latest("id")
    base = filled.workspace.pk << 40
    assert (change_set.id - base, change_set.last - base) == (5, 8)
    assert (change_set.origin, change_set.message) == ("sync", "all at once")
    assert (change_set.put_count, change_set.delete_count) == (3, 1)
    counter = WorkspaceCounter.objects.get(workspace=filled.workspace)
    assert (counter.last_sequence, counter.live_files, counter.live_bytes) == (8, 3, 12)
    assert filled.get("files/c")["Content-Type"] == "text/plain"
    assert_sound()


MIXED = [
    (put("new", b"1"), (201, "created")),
    (put("a", b"x", 7), (412, "precondition_failed")),
    (put("b", b"second", 2, content_type="text/markdown"), (200, "unchanged")),
    (delete("gone", 4), (412, "precondition_failed")),
    (delete("never", "any"), (404, "not_found")),
    (({"path": "known", "if_version": 0, "from_sha256": hashlib.sha256(b"third").hexdigest()}, b""), (201, "created")),
    (({"path": "unknown", "if_version": 0, "from_sha256": "0" * 64}, b""), (404, "not_found")),
    (put("../up", b"x"), (400, "bad_path")),
    (({"path": "undecided"}, b"x"), (428, "precondition_required")),
    (put("odd", b"x", -1), (400, "bad_precondition")),
    (put("wrong", b"x", 0, sha256="0" * 64), (400, "checksum_mismatch")),
    (put("right", b"x", 0, sha256=hashlib.sha256(b"x").hexdigest()), (201, "created")),
    (put("digest", b"x", 0, sha256="xyz"), (422, "invalid")),
    (put("upper", b"x", 0, sha256=hashlib.sha256(b"x").hexdigest().upper()), (422, "invalid")),
    (put("type", b"x", 0, content_type="nonsense"), (422, "invalid")),
    (put("type2", b"x", 0, content_type=7), (422, "invalid")),
    (put("more", b"x", 0, colour="red"), (422, "invalid")),
    (put("op", b"x", 0, op="rename"), (422, "invalid")),
    (put("op2", b"x", 0, op=["put"]), (422, "invalid")),
    (({"path": "body", "op": "delete", "if_version": 1}, b"x"), (422, "invalid")),
    (({"path": "both", "if_version": 0, "from_sha256": "0" * 64}, b"x"), (422, "invalid")),
    (put("last", b"2"), (201, "created")),
]


def test_in_partial_mode_each_item_has_its_own_fate(filled: Api) -> None:
    answer = filled.put_many(*(item for item, _ in MIXED))

    assert answer.status_code == 200
    assert outcomes(answer) == [fate for _, fate in MIXED]
    assert [item["path"] for item in answer.json()["items"]] == [item["path"] for (item, _), _ in MIXED]
    assert [item["version"] for item in answer.json()["items"] if item["status"] == 201] == [5, 6, 7, 8]
    live = set(File.objects.filter(is_deleted=False).values_list("path", flat=True))
    assert live == {"a", "b", "new", "known", "right", "last"}
    assert filled.get("files/known").content == b"third"
    assert_sound()


@pytest.mark.parametrize("item", [item for item, fate in MIXED if fate[0] >= 400], ids=lambda item: item[0]["path"])
def test_all_or_nothing_with_a_refused_item_writes_nothing(filled: Api, item: Item) -> None:
    fate = next(fate for other, fate in MIXED if other is item)

    with nothing_changes():
        answer = filled.put_many(
            put("new", b"1"), item, delete("b", 2), put("last", b"2"), query="?mode=all_or_nothing"
        )

    assert answer.status_code == 412
    assert outcomes(answer) == [(424, "not_applied"), fate, (424, "not_applied"), (424, "not_applied")]


def test_all_or_nothing_without_a_refusal_writes_all(filled: Api) -> None:
    answer = filled.put_many(
        put("new", b"1"),
        put("b", b"second", 2, content_type="text/markdown"),
        delete("a", 1),
        query="?mode=all_or_nothing",
    )

    assert answer.status_code == 200
    assert outcomes(answer) == [(201, "created"), (200, "unchanged"), (200, "deleted")]
    assert_sound()


def test_a_batch_that_changes_nothing_takes_no_number(filled: Api) -> None:
    with nothing_changes():
        answer = filled.put_many(put("a", b"first", 1, content_type="text/markdown"), delete("never", "any"))
        empty = filled.put_many()

    assert outcomes(answer) == [(200, "unchanged"), (404, "not_found")]
    assert (empty.status_code, empty.json()) == (200, {"items": []})


def test_every_refused_number_is_free_for_the_next_write(filled: Api) -> None:
    filled.put_many(put("a", b"x", 7), put("../up", b"x"))
    filled.put_many(put("new", b"x"), put("a", b"x", 7), query="?mode=all_or_nothing")

    assert filled.put("next", b"x").json()["version"] == 5


def test_a_batch_of_a_thousand_files_comes_back_whole(api: Api) -> None:
    data = {f"folder{number % 7}/{number:04}.md": b"%d" % number * (number % 50) for number in range(1000)}

    answer = api.put_many(*(put(path, body) for path, body in data.items()), query="?mode=all_or_nothing")
    frames = api.get_many(*({"path": path} for path in data))

    assert answer.status_code == 200
    assert [item["version"] for item in answer.json()["items"]] == list(range(1, 1001))
    assert {header["path"]: body for header, body in frames} == data
    assert [header["version"] for header, _ in frames] == list(range(1, 1001))
    assert ChangeSet.objects.count() == 1
    assert_sound()


def test_a_batch_over_a_thousand_items_is_refused(api: Api) -> None:
    with nothing_changes():
        answer = api.put_many(*(put(f"{number}", b"") for number in range(1001)))
        read = api.post("files:get", {"items": [{"path": "a"}] * 1001})

    assert (*problem(answer), answer.json()["limit"]) == (413, "too_large", 1000)
    assert (*problem(read), read.json()["limit"]) == (413, "too_large", 1000)


@pytest.mark.parametrize("query", ["", "?mode=all_or_nothing"])
@pytest.mark.parametrize(
    "items",
    [
        [put("new", b"1"), put("new", b"2")],
        [put("a", b"1", 1), delete("a", "any")],
        [put("new", b"1"), put("other", b"1"), put("new", b"1")],
    ],
)
def test_a_batch_with_a_path_twice_is_refused(filled: Api, items: list[Item], query: str) -> None:
    with nothing_changes():
        answer = filled.put_many(*items, query=query)

    assert problem(answer) == (400, "bad_json")


@pytest.mark.parametrize(
    ("operation", "items"),
    [
        ("copy", [{"source": "a", "target": "c"}, {"source": "b", "target": "c"}]),
        ("move", [{"source": "a", "target": "c"}, {"source": "b", "target": "c"}]),
        ("move", [{"source": "a", "target": "c"}, {"source": "a", "target": "d"}]),
        ("move", [{"source": "a", "target": "b", "if_version": 2}, {"source": "b", "target": "a", "if_version": 1}]),
        (
            "revert",
            [{"path": "a", "version": 1, "if_version": "any"}, {"path": "a", "version": 1, "if_version": "any"}],
        ),
    ],
)
def test_a_transfer_with_a_path_twice_is_refused(filled: Api, operation: str, items: list[dict[str, Any]]) -> None:
    with nothing_changes():
        answer = filled.post(f"files:{operation}", {"items": items})

    assert problem(answer) == (400, "bad_json")


def test_a_stream_cut_anywhere_writes_nothing(filled: Api) -> None:
    whole = frame({"path": "new", "if_version": 0}, b"12345") + frame({"path": "other", "if_version": 0}, b"") + END

    with nothing_changes():
        codes = {problem(filled.call("POST", "files:put", whole[:size], type=MEDIA_TYPE)) for size in range(len(whole))}

    assert codes == {(400, "incomplete_body")}


@pytest.mark.parametrize("header", [{}, {"path": 1}, {"path": None}, {"if_version": 0}])
def test_a_frame_without_a_path_refuses_the_whole_batch(filled: Api, header: dict[str, Any]) -> None:
    with nothing_changes():
        answer = filled.put_many(put("new", b"1"), (header, b"x"))

    assert problem(answer) == (400, "bad_json")


def test_bytes_after_the_end_refuse_the_whole_batch(filled: Api) -> None:
    with nothing_changes():
        answer = filled.call("POST", "files:put", frame({"path": "n", "if_version": 0}) + END + b"x", type=MEDIA_TYPE)

    assert problem(answer) == (400, "bad_json")


def test_large_files_in_a_batch_become_objects(api: Api) -> None:
    small, edge, large = b"s" * 100, b"e" * 65_536, b"l" * 65_537
    huge = bytes(range(256)) * 40_000

    answer = api.put_many(put("small", small), put("edge", edge), put("large", large), put("huge", huge))
    frames = {
        header["path"]: body for header, body in api.get_many({"path": "huge"}, {"path": "large"}, {"path": "edge"})
    }

    assert outcomes(answer) == [(201, "created")] * 4
    kinds = {blob.size_bytes: (blob.inline is not None, blob.object_key is not None) for blob in Blob.objects.all()}
    assert kinds == {100: (True, False), 65_536: (True, False), 65_537: (False, True), len(huge): (False, True)}
    assert frames == {"huge": huge, "large": large, "edge": edge}
    assert not ObjectIntent.objects.exists()
    assert_sound()


def test_an_object_that_turns_out_to_be_known_goes_at_once(api: Api) -> None:
    large = b"l" * 100_000
    api.put("one", large)

    api.put_many(put("two", large))

    assert api.object_keys() == [Blob.objects.get().object_key]
    assert not ObjectIntent.objects.exists()
    assert_sound()


def test_a_batch_read_has_a_frame_for_each_wish_in_order(filled: Api) -> None:
    filled.put("a", b"FIRST", If_Match='"1"')

    frames = filled.get_many(
        {"path": "never"},
        {"path": "a"},
        {"path": "gone"},
        {"path": "a", "version": 1},
        {"path": "a", "version": 2},
        {"path": "a"},
        {"path": "gone", "version": 3},
    )

    assert [
        (header["path"], header["status"], header.get("code") or header["version"], body) for header, body in frames
    ] == [
        ("never", 404, "not_found", b""),
        ("a", 200, 5, b"FIRST"),
        ("gone", 404, "not_found", b""),
        ("a", 200, 1, b"first"),
        ("a", 404, "not_found", b""),
        ("a", 200, 5, b"FIRST"),
        ("gone", 200, 3, b"third"),
    ]
    header = frames[1][0]
    assert header["sha256"] == hashlib.sha256(b"FIRST").hexdigest()
    assert header["md5"] == hashlib.md5(b"FIRST").hexdigest()
    assert header["content_type"] == "text/markdown"


def test_what_does_not_fit_a_batch_read_says_so(api: Api) -> None:
    large = b"x" * (20 * 1024 * 1024)
    api.put("one", large)
    api.put("two", large)
    api.put("small", b"s")

    frames = api.get_many({"path": "one"}, {"path": "two"}, {"path": "small"})

    assert [(header["status"], header.get("code"), len(body)) for header, body in frames] == [
        (200, None, len(large)),
        (413, "too_large", 0),
        (200, None, 1),
    ]


def test_an_empty_batch_read_is_empty(api: Api) -> None:
    assert api.get_many() == []


def test_an_idempotency_key_makes_a_batch_happen_once(filled: Api) -> None:
    data = frame({"path": "new", "if_version": "any"}, b"1") + END

    first = filled.call("POST", "files:put", data, type=MEDIA_TYPE, Idempotency_Key="once")
    with nothing_changes():
        again = filled.call("POST", "files:put", data, type=MEDIA_TYPE, Idempotency_Key="once")
        other = filled.call("POST", "files:put", END, type=MEDIA_TYPE, Idempotency_Key="once")

    assert (again.status_code, again.json()) == (200, first.json())
    assert problem(other) == (422, "idempotency_mismatch")
