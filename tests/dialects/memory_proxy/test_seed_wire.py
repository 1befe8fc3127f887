"""The status tables of the seed wire: /blob/{path}, /sync."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.dialects.memory_proxy.proxy import Proxy

BLOB = "/blob/notes/a.md"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def state(proxy: Proxy) -> Any:
    return proxy.get("/sync/").text


def mismatch(detail: str, current: str, provided: str) -> dict[str, Any]:
    context = {"current_md5": current, "provided_md5": provided}
    return {"detail": detail, "error_code": "PRECONDITION_FAILED", "context": context}


def assert_empty(answer: httpx.Response) -> None:
    assert answer.content == b""
    assert "Content-Type" not in answer.headers
    assert "X-Version" not in answer.headers


def test_a_new_file_is_201_with_its_tag_and_no_body(proxy: Proxy) -> None:
    answer = proxy.put(BLOB, b"hello", Content_MD5="new")

    assert (answer.status_code, answer.headers["ETag"]) == (201, f'"{md5(b"hello")}"')
    assert_empty(answer)
    assert proxy.get(BLOB).content == b"hello"


def test_without_a_condition_a_file_is_created_and_then_overwritten(proxy: Proxy) -> None:
    created = proxy.put(BLOB, b"one")
    overwritten = proxy.put(BLOB, b"two")
    proxy.delete(BLOB)
    revived = proxy.put(BLOB, b"three")

    assert [answer.status_code for answer in (created, overwritten, revived)] == [201, 200, 200]
    assert proxy.get(BLOB).content == b"three"


def test_the_stored_md5_lets_a_write_through_and_revives_a_tombstone(proxy: Proxy) -> None:
    proxy.put(BLOB, b"one", Content_MD5="new")

    replaced = proxy.put(BLOB, b"two", Content_MD5=md5(b"one"))
    proxy.delete(BLOB)
    revived = proxy.put(BLOB, b"three", Content_MD5=md5(b"two"))

    assert (replaced.status_code, replaced.headers["ETag"]) == (200, f'"{md5(b"two")}"')
    assert_empty(replaced)
    assert revived.status_code == 200
    assert proxy.get(BLOB).content == b"three"


ONE = md5(b"one")


@pytest.mark.parametrize(
    ("stored", "provided", "detail", "current"),
    [
        ("live", "new", "File already exists", ONE),
        ("live", md5(b"two"), "Content-MD5 mismatch", ONE),
        ("live", ONE.upper(), "Content-MD5 mismatch", ONE),
        ("live", f'"{ONE}"', "Content-MD5 mismatch", ONE),
        ("live", "NEW", "Content-MD5 mismatch", ONE),
        ("live", "", "Content-MD5 mismatch", ONE),
        ("tombstone", "new", "File already exists", ONE),
        ("tombstone", md5(b""), "Content-MD5 mismatch", ONE),
        ("never", ONE, "File does not exist", "none"),
        ("never", "", "File does not exist", "none"),
    ],
)
def test_put_with_a_false_condition_is_412_and_writes_nothing(
    proxy: Proxy, stored: str, provided: str, detail: str, current: str
) -> None:
    if stored != "never":
        proxy.put(BLOB, b"one")
    if stored == "tombstone":
        proxy.delete(BLOB)
    before = state(proxy)

    answer = proxy.put(BLOB, b"two", Content_MD5=provided)

    assert (answer.status_code, answer.json()) == (412, mismatch(detail, current, provided))
    assert state(proxy) == before


def test_a_long_condition_is_not_echoed_whole(proxy: Proxy) -> None:
    answer = proxy.put(BLOB, b"two", Content_MD5="x" * 3000)

    assert len(answer.json()["context"]["provided_md5"]) == 200


def test_get_is_as_on_the_current_wire_without_a_version(proxy: Proxy) -> None:
    proxy.put(BLOB, b"hello", Content_Type="text/markdown")

    answer = proxy.get(BLOB)

    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["ETag"] == f'"{md5(b"hello")}"'
    assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert answer.headers["Last-Modified"].endswith(" GMT")
    assert "X-Version" not in answer.headers


def test_get_of_what_is_not_there_says_whether_it_was_deleted(proxy: Proxy) -> None:
    proxy.put(BLOB, b"one")
    proxy.delete(BLOB)

    deleted, never = proxy.get(BLOB), proxy.get("/blob/x")

    assert (deleted.status_code, deleted.json()["detail"]) == (404, "File is deleted: notes/a.md")
    assert never.json() == {"detail": "File not found: x", "error_code": None, "context": None}


@pytest.mark.parametrize("headers", [{}, {"If_Match": ONE}, {"If_Match": f'"{ONE}"'}])
def test_delete_is_204_and_empty_and_again_on_its_tombstone(proxy: Proxy, headers: dict[str, str]) -> None:
    proxy.put(BLOB, b"one")

    first, second = proxy.delete(BLOB, **headers), proxy.delete(BLOB, **headers)

    assert (first.status_code, second.status_code) == (204, 204)
    assert_empty(first)
    assert proxy.get(BLOB).status_code == 404


@pytest.mark.parametrize("provided", ["*", f'W/"{ONE}"', md5(b"two"), ONE.upper(), '""'])
def test_delete_with_a_false_condition_is_412_and_deletes_nothing(proxy: Proxy, provided: str) -> None:
    proxy.put(BLOB, b"one")

    answer = proxy.delete(BLOB, If_Match=provided)

    assert answer.status_code == 412
    assert answer.json() == mismatch("Content-MD5 mismatch for delete", ONE, provided.strip('"'))
    assert proxy.get(BLOB).content == b"one"


@pytest.mark.parametrize("headers", [{}, {"If_Match": ONE}])
def test_delete_of_what_was_never_stored_is_404(proxy: Proxy, headers: dict[str, str]) -> None:
    answer = proxy.delete(BLOB, **headers)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "File not found: notes/a.md", "error_code": None, "context": None}


def test_the_index_has_no_versions(proxy: Proxy) -> None:
    proxy.put(BLOB, b"hello")
    proxy.put("/blob/b", b"x")
    proxy.delete("/blob/b")

    body = proxy.get("/sync").json()

    assert list(body) == ["files", "index_last_modified"]
    entry = body["files"]["notes/a.md"]
    assert list(entry) == ["md5", "last_modified", "size", "is_deleted"]
    assert (entry["md5"], entry["size"], entry["is_deleted"]) == (md5(b"hello"), 5, False)
    assert body["files"]["b"] == {
        "md5": md5(b"x"),
        "last_modified": body["index_last_modified"],
        "size": 0,
        "is_deleted": True,
    }


def test_one_header_means_two_things(proxy: Proxy) -> None:
    """`Content-MD5` of the body itself is an integrity check there, and a false condition here."""
    assert proxy.put(BLOB, b"one", Content_MD5=md5(b"one")).status_code == 412
    assert proxy.put("/ns/blob/x", b"one", If_Match_Version="0", Content_MD5=md5(b"one")).status_code == 201


def test_the_original_clients_loop_of_read_write_delete_by_md5(proxy: Proxy) -> None:
    """The protocol of the seed's document: index, conditional writes, 412 means sync again."""
    proxy.put(BLOB, b"one", Content_MD5="new")
    stale = proxy.get("/sync").json()["files"]["notes/a.md"]["md5"]
    proxy.put(BLOB, b"two", Content_MD5=stale)

    late = proxy.put(BLOB, b"three", Content_MD5=stale)
    fresh = proxy.get("/sync").json()["files"]["notes/a.md"]["md5"]
    again = proxy.put(BLOB, b"three", Content_MD5=fresh)

    assert (late.status_code, again.status_code) == (412, 200)
    assert late.json()["context"]["current_md5"] == fresh


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_condition_of_the_form_between_is_not_dropped(proxy: Proxy, method: str) -> None:
    """Releases 0.6.8 to 0.6.11 wrote to this address with a version."""
    proxy.put(BLOB, b"theirs")
    before = state(proxy)

    answer = proxy.call(method, BLOB, b"ours" if method == "PUT" else None, If_Match_Version="0")

    assert answer.status_code == 422
    assert (state(proxy), proxy.get(BLOB).content) == (before, b"theirs")
