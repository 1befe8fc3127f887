"""The status tables of the current wire: /{ns}/blob/{path}, /sync/{ns}."""

import base64
import hashlib
import re
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.dialects.memory_proxy.proxy import BASE, Proxy

BLOB = "/ns/blob/a.md"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def state(proxy: Proxy) -> Any:
    """All that a refused write must leave as it was."""
    return proxy.get("/sync/").text


def refused(answer: httpx.Response) -> tuple[int, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()


def mismatch(detail: str, current: str, provided: str) -> tuple[int, Any]:
    context = {"current_version": current, "provided_version": provided}
    return 412, {"detail": detail, "error_code": "PRECONDITION_FAILED", "context": context}


def test_a_new_file_is_201_with_its_tag_its_version_and_an_index_of_it_alone(proxy: Proxy) -> None:
    proxy.put("/ns/blob/other.md", b"other", If_Match_Version="0")

    answer = proxy.put(BLOB, b"hello", If_Match_Version="0", Content_Type="text/markdown")

    assert answer.status_code == 201
    assert answer.headers["ETag"] == f'"{md5(b"hello")}"'
    assert answer.headers["X-Version"] == str(BASE + 2)
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    moment = body["index_last_modified"]
    assert STAMP.fullmatch(moment)
    assert answer.text == (
        f'{{"files":{{"a.md":{{"md5":"{md5(b"hello")}","last_modified":"{moment}","size":5,"version":{BASE + 2},'
        f'"is_deleted":false}}}},"index_last_modified":"{moment}","index_version":{BASE + 2}}}'
    )


def test_a_replaced_file_is_200_and_a_replaced_tombstone_too(proxy: Proxy) -> None:
    proxy.put(BLOB, b"one", If_Match_Version="0")

    replaced = proxy.put(BLOB, b"two", If_Match_Version=str(BASE + 1))
    proxy.delete(BLOB)
    revived = proxy.put(BLOB, b"three", If_Match_Version=str(BASE + 3))

    assert (replaced.status_code, replaced.headers["X-Version"]) == (200, str(BASE + 2))
    assert (revived.status_code, revived.headers["X-Version"]) == (200, str(BASE + 4))
    assert proxy.get(BLOB).content == b"three"


def test_equal_bytes_make_a_new_version_all_the_same(proxy: Proxy) -> None:
    proxy.put(BLOB, b"one", If_Match_Version="0")

    again = proxy.put(BLOB, b"one", If_Match_Version=str(BASE + 1))

    assert (again.status_code, again.headers["X-Version"]) == (200, str(BASE + 2))
    assert proxy.get(BLOB).headers["X-Version"] == str(BASE + 2)


LIVE, GONE, NEVER = str(BASE + 1), str(BASE + 2), "none"


@pytest.mark.parametrize(
    ("stored", "provided", "expected"),
    [
        ("live", "0", mismatch("File already exists (expected version 0)", LIVE, "0")),
        ("live", "0.0", mismatch("File already exists (expected version 0)", LIVE, "0")),
        ("live", "999", mismatch(f"Version mismatch: current={LIVE}, expected=999", LIVE, "999")),
        ("live", "-1", mismatch(f"Version mismatch: current={LIVE}, expected=-1", LIVE, "-1")),
        ("live", "1", mismatch(f"Version mismatch: current={LIVE}, expected=1", LIVE, "1")),
        ("live", GONE, mismatch(f"Version mismatch: current={LIVE}, expected={GONE}", LIVE, GONE)),
        ("live", "9" * 30, mismatch(f"Version mismatch: current={LIVE}, expected={'9' * 30}", LIVE, "9" * 30)),
        ("tombstone", "0", mismatch("File already exists (expected version 0)", GONE, "0")),
        ("tombstone", LIVE, mismatch(f"Version mismatch: current={GONE}, expected={LIVE}", GONE, LIVE)),
        ("never", "7", mismatch("File does not exist (expected version 7)", NEVER, "7")),
        ("never", "-1", mismatch("File does not exist (expected version -1)", NEVER, "-1")),
    ],
)
def test_put_with_a_false_version_is_412_and_writes_nothing(
    proxy: Proxy, stored: str, provided: str, expected: tuple[int, Any]
) -> None:
    if stored != "never":
        proxy.put(BLOB, b"one", If_Match_Version="0")
    if stored == "tombstone":
        proxy.delete(BLOB)
    before = state(proxy)

    answer = proxy.put(BLOB, b"two", If_Match_Version=provided)

    assert refused(answer) == expected
    assert state(proxy) == before


@pytest.mark.parametrize("header", ["0.0", "+0", " 0 ", "0_0"])
def test_numbers_are_read_as_the_original_read_them(proxy: Proxy, header: str) -> None:
    assert proxy.put(BLOB, b"one", If_Match_Version=header).status_code == 201


@pytest.mark.parametrize(
    ("header", "kind", "message"),
    [
        (None, "missing", "Field required"),
        ("abc", "int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
        ("", "int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
        ("1.5", "int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
        ('"1"', "int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
        ("9" * 41, "int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size"),
    ],
)
def test_put_without_a_readable_version_is_422_and_writes_nothing(
    proxy: Proxy, header: str | None, kind: str, message: str
) -> None:
    headers = {} if header is None else {"If_Match_Version": header}

    answer = proxy.put(BLOB, b"one", **headers)

    entry = {"type": kind, "loc": ["header", "If-Match-Version"], "msg": message, "input": header}
    assert refused(answer) == (422, {"detail": [entry]})
    assert proxy.get(BLOB).status_code == 404


def test_a_long_unreadable_version_is_not_echoed_whole(proxy: Proxy) -> None:
    answer = proxy.put(BLOB, b"one", If_Match_Version="x" * 5000)

    assert len(answer.json()["detail"][0]["input"]) == 200


@pytest.mark.parametrize("spelled", ["hex", "upper", "base64"])
def test_put_with_the_bodys_own_md5_is_taken(proxy: Proxy, spelled: str) -> None:
    digest = hashlib.md5(b"hello", usedforsecurity=False)
    header = {
        "hex": digest.hexdigest(),
        "upper": digest.hexdigest().upper(),
        "base64": base64.b64encode(digest.digest()).decode(),
    }[spelled]

    assert proxy.put(BLOB, b"hello", If_Match_Version="0", Content_MD5=header).status_code == 201


@pytest.mark.parametrize("header", [md5(b"other"), "new", "", "!", md5(b"hello")[:-1]])
def test_put_with_another_md5_is_400_and_writes_nothing(proxy: Proxy, header: str) -> None:
    answer = proxy.put(BLOB, b"hello", If_Match_Version="0", Content_MD5=header)

    detail = "The body does not have the MD5 that Content-MD5 announces."
    assert refused(answer) == (400, {"detail": detail, "error_code": "CHECKSUM_MISMATCH", "context": None})
    assert proxy.get(BLOB).status_code == 404


def test_get_answers_the_bytes_and_the_headers_that_the_client_reads(proxy: Proxy) -> None:
    proxy.put(BLOB, b"hello", If_Match_Version="0", Content_Type="application/json")

    answer = proxy.get(BLOB)

    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["ETag"] == f'"{md5(b"hello")}"'
    assert answer.headers["X-Version"] == str(BASE + 1)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == "5"
    moment = datetime.strptime(answer.headers["Last-Modified"], "%a, %d %b %Y %H:%M:%S %Z")  # noqa: DTZ007
    assert proxy.get("/sync/ns").json()["index_last_modified"].startswith(moment.isoformat())


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (None, "application/octet-stream"),
        ("text/markdown", "text/markdown; charset=utf-8"),
        ("text/plain; charset=latin-1", "text/plain; charset=latin-1"),
        ("application/gzip", "application/gzip"),
    ],
)
def test_the_media_type_comes_back_and_text_gets_a_charset(proxy: Proxy, sent: str | None, answered: str) -> None:
    proxy.put(BLOB, b"x", If_Match_Version="0", **({"Content_Type": sent} if sent else {}))

    assert proxy.get(BLOB).headers["Content-Type"] == answered


def test_a_content_encoding_is_not_looked_at(proxy: Proxy) -> None:
    proxy.put(BLOB, b"not gzip", If_Match_Version="0", Content_Encoding="gzip")

    answer = proxy.get(BLOB)

    assert answer.content == b"not gzip"
    assert "Content-Encoding" not in answer.headers


def test_get_of_what_is_not_there_says_whether_it_was_deleted(proxy: Proxy) -> None:
    proxy.put(BLOB, b"one", If_Match_Version="0")
    proxy.delete(BLOB)

    deleted, never = proxy.get(BLOB), proxy.get("/ns/blob/never.md")

    assert refused(deleted) == (404, {"detail": "File is deleted: ns/a.md", "error_code": None, "context": None})
    assert refused(never) == (404, {"detail": "File not found: ns/never.md", "error_code": None, "context": None})


def test_a_long_path_is_not_echoed_whole(proxy: Proxy) -> None:
    detail = proxy.get("/ns/blob/" + "/".join(["x" * 200] * 4)).json()["detail"]

    assert len(detail) == 200


def test_delete_is_200_with_the_tombstone_in_its_index_and_without_a_tag(proxy: Proxy) -> None:
    proxy.put(BLOB, b"hello", If_Match_Version="0")
    proxy.put("/ns/blob/other.md", b"other", If_Match_Version="0")

    answer = proxy.delete(BLOB, If_Match_Version=str(BASE + 1))

    assert answer.status_code == 200
    assert answer.headers["X-Version"] == str(BASE + 3)
    assert "ETag" not in answer.headers
    body = answer.json()
    assert list(body) == ["files", "index_last_modified", "index_version"]
    assert body["index_version"] == BASE + 3
    assert body["files"] == {
        "a.md": {
            "md5": md5(b"hello"),
            "last_modified": body["index_last_modified"],
            "size": 0,
            "version": BASE + 3,
            "is_deleted": True,
        }
    }


def test_deleting_a_tombstone_again_gives_it_a_new_version(proxy: Proxy) -> None:
    proxy.put(BLOB, b"hello", If_Match_Version="0")
    proxy.delete(BLOB)

    again = proxy.delete(BLOB, If_Match_Version=str(BASE + 2))

    assert (again.status_code, again.headers["X-Version"]) == (200, str(BASE + 3))
    assert proxy.get("/sync/ns").json()["files"]["a.md"]["md5"] == md5(b"hello")


@pytest.mark.parametrize("headers", [{}, {"If_Match_Version": "0"}, {"If_Match_Version": "5"}])
def test_delete_of_what_was_never_stored_is_404(proxy: Proxy, headers: dict[str, str]) -> None:
    answer = proxy.delete(BLOB, **headers)

    assert refused(answer) == (404, {"detail": "File not found: ns/a.md", "error_code": None, "context": None})


@pytest.mark.parametrize("provided", ["0", "999", "-1"])
def test_delete_with_a_false_version_is_412_and_deletes_nothing(proxy: Proxy, provided: str) -> None:
    proxy.put(BLOB, b"hello", If_Match_Version="0")

    answer = proxy.delete(BLOB, If_Match_Version=provided)

    detail = f"Version mismatch for delete: current={LIVE}, expected={provided}"
    assert refused(answer) == mismatch(detail, LIVE, provided)
    assert proxy.get(BLOB).content == b"hello"


def test_delete_with_an_unreadable_version_is_422_and_deletes_nothing(proxy: Proxy) -> None:
    proxy.put(BLOB, b"hello", If_Match_Version="0")

    answer = proxy.delete(BLOB, If_Match_Version="new")

    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "int_parsing")
    assert proxy.get(BLOB).content == b"hello"


def test_large_files_go_to_storage_and_come_back(proxy: Proxy) -> None:
    data = bytes(range(256)) * 1024

    created = proxy.put(BLOB, data, If_Match_Version="0", Content_MD5=md5(data))
    answer = proxy.get(BLOB)

    assert created.status_code == 201
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["Content-Length"] == str(len(data))


def test_head_range_and_conditional_get_are_served_beside_the_original(proxy: Proxy) -> None:
    proxy.put(BLOB, b"hello", If_Match_Version="0")
    tag = f'"{md5(b"hello")}"'

    head = proxy.call("HEAD", BLOB)
    part = proxy.get(BLOB, Range="bytes=1-3")
    same = proxy.get(BLOB, If_None_Match=f'"x", W/{tag}')
    other = proxy.get(BLOB, If_None_Match='"x"')
    outside = proxy.get(BLOB, Range="bytes=9-")

    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "5")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"ell", "bytes 1-3/5")
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert (other.status_code, other.content) == (200, b"hello")
    assert (outside.status_code, outside.json()["error_code"]) == (416, "BAD_RANGE")


def test_stored_pages_and_scripts_are_served_so_that_no_browser_runs_them(proxy: Proxy) -> None:
    proxy.put("/ns/blob/x.html", b"<script>1</script>", If_Match_Version="0", Content_Type="text/html")

    answer = proxy.get("/ns/blob/x.html")

    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize("method", ["POST", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_405_before_any_token_is_looked_at(proxy: Proxy, method: str) -> None:
    with proxy.with_token(None) as http:
        answer = http.request(method, BLOB)

    assert refused(answer) == (405, {"detail": "Method Not Allowed"})
    assert answer.headers["Allow"] == "GET, HEAD, PUT, DELETE"


@pytest.mark.parametrize("address", ["/", "/blob", "/ns", "/ns/blob", "/docs", "/health/more", "/ns/blobs/x"])
def test_unknown_addresses_are_404_with_one_key(proxy: Proxy, address: str) -> None:
    assert refused(proxy.get(address)) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize("namespace", ["p/s/memory", "p%2Fs%2Fmemory"])
@pytest.mark.parametrize("path", ["folder/a b.md", "folder%2Fa%20b.md"])
def test_slashes_may_be_plain_or_encoded(proxy: Proxy, namespace: str, path: str) -> None:
    assert proxy.put(f"/{namespace}/blob/{path}", b"x", If_Match_Version="0").status_code == 201

    assert proxy.get("/p%2Fs%2Fmemory/blob/folder%2Fa%20b.md").content == b"x"
    assert list(proxy.get("/sync/p/s/memory").json()["files"]) == ["folder/a b.md"]
    assert list(proxy.get("/sync").json()["files"]) == ["p/s/memory/folder/a b.md"]


def test_a_namespace_is_a_folder_so_both_ways_to_a_path_are_one_file(proxy: Proxy) -> None:
    proxy.put("/a/blob/b/c", b"one", If_Match_Version="0")

    twin = proxy.put("/a/b/blob/c", b"two", If_Match_Version=str(BASE + 1))

    assert twin.status_code == 200
    assert proxy.get("/a/blob/b/c").content == b"two"
    assert proxy.get("/sync/a").json()["files"]["b/c"]["md5"] == md5(b"two")
    assert proxy.get("/sync/a/b").json()["files"]["c"]["md5"] == md5(b"two")
