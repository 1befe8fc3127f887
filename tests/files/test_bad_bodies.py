"""Bodies that are refused, and that a refusal changes nothing."""

import base64
import hashlib
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest

from apps.files.frames import END, MEDIA_TYPE, frame
from tests.files.client import Api, nothing_changes, problem

# --- Bodies

GOOD = b"the body"


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content_MD5", md5(b"another")),
        ("Content_MD5", hashlib.md5(GOOD).hexdigest()),
        ("Content_MD5", ""),
        ("Content_MD5", "é"),
        ("Content_Digest", digest(b"another")),
        ("Repr_Digest", digest(b"another")),
        ("Repr_Digest", f"md5=:{md5(GOOD)}:, {digest(b'another')}"),
        ("Content_Digest", "sha-256=::"),
    ],
)
def test_a_body_without_its_announced_checksum_is_refused(api: Api, header: str, value: str) -> None:
    with nothing_changes():
        small = api.put("a", GOOD, If_None_Match="*", **{header: value})
        large = api.put("a", GOOD * 10_000, If_None_Match="*", **{header: value})

    assert problem(small) == problem(large) == (400, "checksum_mismatch")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content_MD5", md5(GOOD)),
        ("Content_Digest", digest(GOOD)),
        ("Repr_Digest", digest(GOOD)),
        ("Repr_Digest", f"sha-512=:AAAA:, {digest(GOOD)}"),
        ("Repr_Digest", "sha-512=:AAAA:"),
    ],
)
def test_a_body_with_its_announced_checksum_is_taken(api: Api, header: str, value: str) -> None:
    assert api.put("a", GOOD, If_None_Match="*", **{header: value}).status_code == 201


BODIES = [
    ("PUT", "files/a?overwrite=true", "text/plain"),
    ("POST", "files:put", MEDIA_TYPE),
    ("POST", "files:get", "application/json"),
]


@pytest.mark.parametrize("size", [0, 10, 65_537, 1_000_000])
def test_a_body_that_breaks_off_is_refused(api: Api, size: int) -> None:
    with nothing_changes():
        answers = [
            api.call(method, path, b"x" * size, type=media, announced_bytes=size + 1) for method, path, media in BODIES
        ]

    assert [problem(answer) for answer in answers] == [(400, "incomplete_body")] * 3


@pytest.mark.parametrize("path", ["files/a?overwrite=true", "files:put", "files:get", "files:move"])
def test_a_body_without_a_length_is_refused(api: Api, path: str) -> None:
    method, media = ("PUT", "text/plain") if path.startswith("files/") else ("POST", MEDIA_TYPE)

    with nothing_changes():
        answer = api.client.generic(
            method,
            api.url(path),
            headers={"Authorization": f"Bearer {api.token}"},
            **{"CONTENT_TYPE": media, "wsgi.input": BytesIO(b"data")},  # type: ignore[arg-type]
        )

    assert problem(answer) == (411, "length_required")


def test_a_file_over_the_limit_is_refused_before_it_is_read(api: Api, settings: Any) -> None:
    settings.MEMORYHUB_MAX_FILE_BYTES = 1000

    with nothing_changes():
        refused = api.call("PUT", "files/a?overwrite=true", b"", announced_bytes=1001)
    taken = api.put("a", b"x" * 1000)

    assert problem(refused) == (413, "too_large")
    assert refused.json()["limit"] == 1000
    assert taken.status_code == 201


def test_a_file_over_the_limit_is_refused_in_a_batch_too(api: Api, settings: Any) -> None:
    settings.MEMORYHUB_MAX_FILE_BYTES = 1000

    answer = api.put_many(({"path": "a", "if_version": 0}, b"x" * 1001), ({"path": "b", "if_version": 0}, b"x" * 1000))

    items = answer.json()["items"]
    assert [(item["path"], item["status"]) for item in items] == [("a", 413), ("b", 201)]
    assert (items[0]["code"], items[0]["limit"]) == ("too_large", 1000)


def test_the_end_of_a_file_is_not_taken_for_the_whole(live_and_gone: Api) -> None:
    with nothing_changes():
        answer = live_and_gone.put("live", b"x", If_Match="*", Content_Range="bytes 4-4/5")

    assert problem(answer) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "Content-Range"


def test_a_refused_item_repeats_no_more_than_the_beginning_of_its_path(live_and_gone: Api) -> None:
    path = "/".join("x" * 100 for _ in range(5))

    written = live_and_gone.put_many(({"path": path, "if_version": 7}, b"x"))
    ((read, _body),) = live_and_gone.get_many({"path": path})

    assert written.json()["items"][0]["status"] == 412
    assert written.json()["items"][0]["path"] == read["path"] == path[:199] + "\u2026"


@pytest.mark.parametrize(
    ("operation", "second", "code"),
    [
        ("copy", {"source": "none", "target": "b"}, (404, "not_found")),
        ("move", {"source": "none", "target": "b"}, (404, "not_found")),
        ("revert", {"path": "none", "version": 1, "if_version": "any"}, (404, "not_found")),
        ("copy", {"source": "live", "target": "b", "if_version": 9}, (412, "precondition_failed")),
    ],
)
def test_of_many_items_the_refused_one_is_named(
    live_and_gone: Api, operation: str, second: dict[str, Any], code: tuple[int, str]
) -> None:
    first = {"source": "live", "target": "a"} if "source" in second else {"path": "live", "version": 1, "if_version": 1}

    with nothing_changes():
        answer = live_and_gone.post(f"files:{operation}", {"items": [first, second]})

    assert problem(answer) == code
    assert answer.json()["path"] == ("b" if code[0] == 412 else "none")


@pytest.mark.parametrize("operation", ["copy", "move", "revert", "get"])
def test_of_many_items_the_unreadable_one_is_counted(live_and_gone: Api, operation: str) -> None:
    readable = {"path": "live"} if operation == "get" else {"path": "live", "version": 1, "if_version": 1}
    if operation in ("copy", "move"):
        readable = {"source": "live", "target": "a"}

    answer = live_and_gone.post(f"files:{operation}", {"items": [readable, readable | dict.fromkeys(readable, "..")]})

    assert problem(answer) == (400, "bad_path")
    assert answer.json()["item"] == 1


@pytest.mark.parametrize(
    ("path", "type", "limit"),
    [("files:put", MEDIA_TYPE, 32 * 1024 * 1024), ("files:get", "application/json", 2 * 1024 * 1024)],
)
def test_a_batch_over_the_limit_is_refused_before_it_is_read(api: Api, path: str, type: str, limit: int) -> None:
    answer = api.call("POST", path, b"", type=type, announced_bytes=limit + 1)

    assert problem(answer) == (413, "too_large")
    assert answer.json()["limit"] == limit


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip, identity", "x"])
def test_a_compressed_body_is_refused(api: Api, encoding: str) -> None:
    with nothing_changes():
        answers = [
            api.call(method, path, b"x", type=media, Content_Encoding=encoding) for method, path, media in BODIES
        ]

    assert [problem(answer) for answer in answers] == [(415, "unsupported_encoding")] * 3


def test_a_batch_of_another_media_type_is_refused(api: Api) -> None:
    with nothing_changes():
        answer = api.call("POST", "files:put", frame({"path": "a", "if_version": 0}, b"x") + END, type="text/plain")

    assert problem(answer) == (415, "unsupported_encoding")


@pytest.mark.parametrize("type", ["text", "te xt/plain", "text/é", "/", "text/", "a" * 250 + "/plain"])
def test_a_wrong_media_type_is_refused(api: Api, type: str) -> None:
    with nothing_changes():
        answer = api.put("a", b"x", type=type)

    assert problem(answer) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "Content-Type"


# --- JSON

BAD_BODIES: list[tuple[str, tuple[int, str]]] = [
    ("", (400, "bad_json")),
    ("x", (400, "bad_json")),
    ("[]", (400, "bad_json")),
    ("null", (400, "bad_json")),
    ("{}", (400, "bad_json")),
    ('{"items": {}}', (400, "bad_json")),
    ('{"items": [1]}', (400, "bad_json")),
    ('{"items": [[]]}', (400, "bad_json")),
    ("[" * 100_000, (400, "bad_json")),
    ('{"items": [{"path": ' + "9" * 5000 + "}]}", (400, "bad_json")),
    ('{"items": [], "more": 1}', (422, "invalid")),
    ('{"items": [{"other": 1}]}', (422, "invalid")),
    ('{"items": [{}]}', (422, "invalid")),
    ('{"items": [{"path": 1, "source": 1}]}', (422, "invalid")),
    ('{"items": [{"path": null, "source": null}]}', (422, "invalid")),
]


@pytest.mark.parametrize(("text", "code"), BAD_BODIES)
def test_a_body_that_is_not_the_wanted_json_is_refused(live_and_gone: Api, text: str, code: tuple[int, str]) -> None:
    with nothing_changes():
        answers = [
            live_and_gone.call("POST", f"files:{operation}", text, type="application/json")
            for operation in ("get", "copy", "move", "revert")
        ]

    assert [problem(answer) for answer in answers] == [code] * 4


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, 2**40, 2**70, [], {}])
def test_a_version_that_is_none_is_refused(live_and_gone: Api, version: Any) -> None:
    bodies = [
        ("files:get", {"path": "live", "version": version}),
        ("files:copy", {"source": "live", "target": "b", "source_version": version}),
        ("files:move", {"source": "live", "target": "b", "source_version": version}),
        ("files:revert", {"path": "live", "version": version, "if_version": "any"}),
    ]

    with nothing_changes():
        answers = [live_and_gone.post(path, {"items": [item]}) for path, item in bodies]

    assert [problem(answer) for answer in answers] == [(422, "invalid")] * 4


@pytest.mark.parametrize("version", ["", "x", "-1", "1.0", "1e3", "٣", " 1", str(2**40), str(2**40 + 1), "9" * 30])
def test_a_version_parameter_that_is_none_is_refused(live_and_gone: Api, version: str) -> None:
    answer = live_and_gone.get(f"files/live?version={quote(version)}")

    assert problem(answer) == (422, "invalid")


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"path": "live", "version": 1}, (428, "precondition_required")),
        ({"path": "live", "version": 1, "if_version": "x"}, (400, "bad_precondition")),
        ({"path": "live", "version": 1, "if_version": True}, (400, "bad_precondition")),
        ({"path": "live", "version": 1, "if_version": 0}, (412, "precondition_failed")),
        ({"path": "live", "version": 2, "if_version": "any"}, (404, "not_found")),
        ({"path": "never", "version": 1, "if_version": "any"}, (404, "not_found")),
        ({"path": "live", "if_version": "any"}, (422, "invalid")),
    ],
)
def test_a_revert_that_cannot_be_is_refused(live_and_gone: Api, item: dict[str, Any], code: tuple[int, str]) -> None:
    with nothing_changes():
        answer = live_and_gone.post("files:revert", {"items": [item]})

    assert problem(answer) == code


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"source": "never", "target": "b"}, (404, "not_found")),
        ({"source": "gone", "target": "b"}, (404, "not_found")),
        ({"source": "live", "target": "live2", "if_version": 7}, (412, "precondition_failed")),
        ({"source": "live", "target": "gone", "if_version": 3}, (412, "precondition_failed")),
        ({"source": "live", "target": "b", "if_version": -1}, (400, "bad_precondition")),
        ({"source": "live"}, (422, "invalid")),
        ({"target": "b"}, (422, "invalid")),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(live_and_gone: Api, item: dict[str, Any], code: tuple[int, str]) -> None:
    with nothing_changes():
        copied = live_and_gone.post("files:copy", {"items": [item]})
        moved = live_and_gone.post("files:move", {"items": [item]})

    assert problem(copied) == problem(moved) == code


def test_a_file_is_not_moved_onto_itself(live_and_gone: Api) -> None:
    with nothing_changes():
        answer = live_and_gone.post(
            "files:move", {"items": [{"source": "live", "target": "live", "if_version": "any"}]}
        )

    assert problem(answer) == (400, "bad_json")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "limit=1.5"])
@pytest.mark.parametrize("path", ["changes", "history/live"])
def test_a_wrong_limit_is_refused(live_and_gone: Api, path: str, query: str) -> None:
    assert problem(live_and_gone.get(f"{path}?{query}")) == (422, "invalid")


@pytest.mark.parametrize("text", ["x", "1", "True", ""])
def test_a_wrong_boolean_is_refused(live_and_gone: Api, text: str) -> None:
    assert problem(live_and_gone.get(f"index?tombstones={text}")) == (422, "invalid")
