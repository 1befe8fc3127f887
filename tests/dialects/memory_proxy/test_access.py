"""Who may, what is refused, and in which words: both wires."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator

from apps.operations import probes
from tests.dialects.memory_proxy.proxy import BASE, Proxy, client_at
from tests.factories import make_token, make_workspace
from tests.fakes.heare_auth import FakeHeareAuth

EVERY_CALL = [
    ("GET", "/ns/blob/a"),
    ("PUT", "/ns/blob/a"),
    ("DELETE", "/ns/blob/a"),
    ("GET", "/sync/ns"),
    ("GET", "/blob/a"),
    ("PUT", "/blob/a"),
    ("DELETE", "/blob/a"),
    ("GET", "/sync"),
    ("HEAD", "/blob/a"),
]


def body_of(answer: httpx.Response) -> Any:
    return answer.json() if answer.request.method != "HEAD" else None


def plain(detail: str, code: str | None = None, context: Any = None) -> dict[str, Any]:
    return {"detail": detail, "error_code": code, "context": context}


@pytest.fixture
def checker(settings: Any) -> Iterator[FakeHeareAuth]:
    with FakeHeareAuth() as fake:
        settings.HEARE_AUTH_URL = fake.url
        yield fake


@pytest.mark.parametrize(("method", "address"), EVERY_CALL)
@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer", "Bearer ", "mh_x"])
def test_without_a_token_every_call_is_401(proxy: Proxy, method: str, address: str, header: str | None) -> None:
    with proxy.with_token(None) as http:
        answer = http.request(method, address, headers={} if header is None else {"Authorization": header})

    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers
    if method != "HEAD":
        assert answer.json() == plain("Not authenticated")


@pytest.mark.parametrize(("method", "address"), EVERY_CALL)
@pytest.mark.parametrize("token", ["sec_wrong", "mh_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "two words"])
def test_with_a_wrong_token_every_call_is_401_before_its_headers_are_read(
    proxy: Proxy, method: str, address: str, token: str
) -> None:
    with proxy.with_token(token) as http:
        answer = http.request(method, address)

    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers
    if method != "HEAD":
        assert answer.json() == plain("Invalid or expired token")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(proxy: Proxy, scheme: str) -> None:
    with proxy.with_token(None) as http:
        assert http.get("/sync", headers={"Authorization": f"{scheme} {proxy.token}"}).status_code == 200


@pytest.mark.parametrize(("method", "address"), EVERY_CALL)
def test_a_strangers_workspace_answers_like_one_that_does_not_exist(proxy: Proxy, method: str, address: str) -> None:
    proxy.put("/blob/a", b"secret")
    stranger = make_token(make_workspace())
    with proxy.with_token(stranger) as http, client_at("/w/no-such-workspace/memory-proxy", stranger) as nowhere:
        headers = {"If-Match-Version": "0"}
        theirs, missing = (
            http.request(method, address, headers=headers),
            nowhere.request(method, address, headers=headers),
        )

    assert (theirs.status_code, missing.status_code) == (404, 404)
    assert theirs.content == missing.content
    if method != "HEAD":
        assert theirs.json() == {"detail": "Not Found"}
    assert proxy.get("/blob/a").content == b"secret"


@pytest.mark.parametrize(("method", "address"), [call for call in EVERY_CALL if call[0] in ("PUT", "DELETE")])
def test_a_reader_may_not_write(proxy: Proxy, method: str, address: str) -> None:
    proxy.put("/ns/blob/a", b"one", If_Match_Version="0")
    proxy.put("/blob/a", b"one")
    before = proxy.get("/sync/").text
    with proxy.with_token(make_token(proxy.workspace, "files:read")) as http:
        answer = http.request(method, address, content=b"two")
        readable = http.get("/ns/blob/a")

    assert answer.status_code == 403
    assert answer.json() == plain("This needs the scope files:write.", "SCOPE_MISSING", {"scope": "files:write"})
    assert readable.content == b"one"
    assert proxy.get("/sync/").text == before


def test_a_checker_that_is_away_is_503_with_a_time_to_come_back(proxy: Proxy, checker: FakeHeareAuth) -> None:
    checker.mode = 500
    with proxy.with_token("sec_somebody") as http:
        answer = http.get("/sync")

    assert answer.status_code == 503
    assert answer.json() == plain("Authentication service unavailable")
    assert int(answer.headers["Retry-After"]) in range(1, 11)


def test_a_token_that_the_checker_refuses_is_401_and_never_503(proxy: Proxy, checker: FakeHeareAuth) -> None:
    checker.refuse_with = 403
    with proxy.with_token("sec_unknown") as http:
        answer = http.get("/sync")

    assert (answer.status_code, answer.json()) == (401, plain("Invalid or expired token"))
    assert len(checker.seen) == 1


def test_a_rate_limit_meets_files_but_never_the_index(proxy: Proxy, settings: Any, redis_url: str) -> None:
    settings.MEMORYHUB_RATE_LIMIT_TOKEN = "2/m"

    files = [proxy.put(f"/blob/{number}", b"x").status_code for number in range(4)]
    late = proxy.get("/blob/0")
    indexes = {proxy.get(address).status_code for address in ("/sync", "/sync/ns") for _ in range(4)}

    assert files == [201, 201, 429, 429]
    assert late.json() == plain("Too many requests", "RATE_LIMITED")
    assert int(late.headers["Retry-After"]) in range(1, 121)
    assert indexes == {200}


def test_too_many_wrong_tokens_are_still_401_at_the_index(proxy: Proxy, settings: Any, redis_url: str) -> None:
    settings.MEMORYHUB_RATE_LIMIT_ADDRESS = "1/m"
    with proxy.with_token("sec_wrong") as http:
        index = [http.get("/sync") for _ in range(3)]
        blob = http.get("/blob/a")

    assert [answer.status_code for answer in index] == [401, 401, 401]
    assert index[2].json() == plain("Invalid or expired token")
    assert blob.status_code == 429


BAD_PATHS = [
    ("/ns/blob/", "empty"),
    ("/blob/", "empty"),
    ("//blob/x", "empty"),
    ("/ns/blob//abs", "slash_at_edge"),
    ("/blob/a//b", "empty_segment"),
    ("/ns/blob/a/", "slash_at_edge"),
    ("/ns/blob/a%2F%2E%2E%2Fb", "dot_segment"),
    ("/%2E%2E%2Fns/blob/b", "dot_segment"),
    ("/blob/%2E", "dot_segment"),
    ("/blob/a%5Cb", "backslash"),
    ("/blob/.memoryhub/x", "reserved"),
    ("/.memoryhub/blob/x", "reserved"),
    ("/blob/" + "x" * 256, "segment_too_long"),
    ("/ns/blob/" + "/".join(["x" * 200] * 6), "too_long"),
]


@pytest.mark.parametrize(("address", "rule"), BAD_PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_paths_that_break_a_rule_are_400_and_nothing_is_stored(
    proxy: Proxy, method: str, address: str, rule: str
) -> None:
    url = httpx.URL(f"http://hub/w/{proxy.workspace.slug}/memory-proxy{address}")
    answer = proxy.http.request(
        method, url, content=b"x" if method == "PUT" else None, headers={"If-Match-Version": "0"}
    )

    body = answer.json()
    assert (answer.status_code, body["error_code"], body["context"]) == (400, "BAD_PATH", {"rule": rule})
    assert proxy.get("/sync").json()["files"] == {}


@pytest.mark.parametrize("address", ["/health/blob/x", "/health/deep/blob/x"])
def test_a_namespace_that_is_an_address_of_its_own_is_refused(proxy: Proxy, address: str) -> None:
    answer = proxy.put(address, b"x", If_Match_Version="0")

    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_NAMESPACE")
    assert proxy.get("/sync").json()["files"] == {}


@pytest.mark.parametrize("namespace", ["sync", "sync/x", "blob", "blob/x", "health", "a/blob", "a/blob/b", "p%2Fblob"])
def test_the_index_of_such_a_namespace_is_refused(proxy: Proxy, namespace: str) -> None:
    answer = proxy.get(f"/sync/{namespace}")

    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_NAMESPACE")


def test_an_address_with_blob_twice_belongs_to_the_seed_wire_or_is_split_at_the_first(proxy: Proxy) -> None:
    proxy.put("/blob/a/blob/b", b"seed")
    proxy.put("/n/blob/c/blob/d", b"current", If_Match_Version="0")

    assert list(proxy.get("/sync").json()["files"]) == ["a/blob/b", "n/c/blob/d"]
    assert proxy.put("/sync/x/blob/y", b"x").status_code == 405


def test_control_characters_are_refused_at_the_door(proxy: Proxy) -> None:
    for address in ("/blob/a%00b", "/blob/a%0Ab", "/ns/blob/a%7F"):
        answer = proxy.put(address, b"x", If_Match_Version="0")
        assert answer.status_code == 400
    assert proxy.get("/sync").json()["files"] == {}


@pytest.mark.parametrize("content_type", ["nonsense", "text/" + "x" * 300])
def test_a_media_type_that_is_none_is_422_and_nothing_is_stored(proxy: Proxy, content_type: str) -> None:
    answer = proxy.put("/blob/a", b"x", Content_Type=content_type)

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["header", "Content-Type"])
    assert proxy.get("/blob/a").status_code == 404


def test_a_body_over_the_limit_is_413_in_the_older_shape(proxy: Proxy, settings: Any) -> None:
    settings.MEMORYHUB_MAX_FILE_BYTES = 10

    answers = [proxy.put("/blob/a", b"x" * 11), proxy.put("/ns/blob/a", b"x" * 11, If_Match_Version="0")]

    for answer in answers:
        assert answer.status_code == 413
        assert answer.json() == plain("A file has at most 10 bytes.", "TOO_LARGE", {"limit": "10"})
    assert proxy.get("/sync").json()["files"] == {}


def test_a_body_that_breaks_off_is_400_and_nothing_is_stored(proxy: Proxy) -> None:
    answer = proxy.http.put("/blob/a", content=b"half", headers={"Content-Length": "8"})

    assert (answer.status_code, answer.json()["error_code"]) == (400, "INCOMPLETE_BODY")
    assert proxy.get("/blob/a").status_code == 404


@pytest.mark.django_db
def test_a_full_workspace_is_507_in_the_older_shape() -> None:
    workspace = make_workspace(quota_files=1)
    with client_at(f"/w/{workspace.slug}/memory-proxy", make_token(workspace)) as http:
        http.put("/blob/a", content=b"x")
        answer = http.put("/ns/blob/b", content=b"x", headers={"If-Match-Version": "0"})
        files = http.get("/sync").json()["files"]

    assert answer.status_code == 507
    assert answer.json() == plain("The workspace has reached its quota.", "QUOTA_EXCEEDED", {"limit": "quota_files"})
    assert list(files) == ["a"]


@pytest.mark.django_db
def test_portable_names_are_kept_here_too() -> None:
    workspace = make_workspace(portable_names=True)
    with client_at(f"/w/{workspace.slug}/memory-proxy", make_token(workspace)) as http:
        http.put("/blob/Note.md", content=b"x")
        reserved = http.put("/blob/con.txt", content=b"x")
        twin = (
            http.put("/ns/blob/x", content=b"x", headers={"If-Match-Version": "0"}).status_code,
            http.put("/blob/note.md", content=b"x"),
        )

    assert (reserved.status_code, reserved.json()["context"]) == (400, {"rule": "windows_reserved"})
    assert twin[0] == 201
    assert (twin[1].status_code, twin[1].json()["error_code"]) == (409, "PATH_COLLISION")
    assert twin[1].json()["context"] == {"twin": "Note.md"}


BUCKET_THAT_IS_AWAY = {
    "blobs": {
        "BACKEND": "apps.blobs.bucket.BucketBlobStorage",
        "OPTIONS": {
            "bucket_name": "none",
            "endpoint_url": "http://127.0.0.1:9",
            "access_key": "x",
            "secret_key": "x",
            "region_name": "us-east-1",
            "timeout_s": 1,
            "addressing_style": "path",
        },
    }
}


def test_a_storage_that_is_away_is_503_and_nothing_is_stored(proxy: Proxy) -> None:
    with override_settings(STORAGES=BUCKET_THAT_IS_AWAY):
        answer = proxy.put("/ns/blob/big", b"x" * 100_000, If_Match_Version="0")
        small = proxy.put("/ns/blob/small", b"x", If_Match_Version="0")

    assert (answer.status_code, answer.json()) == (503, plain("Storage error"))
    assert answer.headers["Retry-After"] == "5"
    assert small.status_code == 201
    assert list(proxy.get("/sync/ns").json()["files"]) == ["small"]


def test_health_is_open_and_the_same_for_every_slug(proxy: Proxy) -> None:
    with proxy.with_token(None) as http, client_at("/w/no-such-workspace/memory-proxy", None) as nowhere:
        answer, elsewhere, posted = http.get("/health"), nowhere.get("/health"), http.post("/health")

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["status", "storage", "version"]
    assert (body["status"], body["storage"]) == ("ok", "connected")
    assert body["version"]
    assert answer.content == elsewhere.content
    assert (posted.status_code, posted.json()) == (405, {"detail": "Method Not Allowed"})


def test_health_is_503_while_storage_is_away(proxy: Proxy) -> None:
    with override_settings(STORAGES=BUCKET_THAT_IS_AWAY):
        for probe in probes.HEALTH:
            probe.forget()
        answer = proxy.get("/health")

    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["storage"]) == ("error", "disconnected")


def test_at_a_root_the_dialect_answers_its_paths_and_the_hub_keeps_its_own(proxy: Proxy) -> None:
    with client_at("", proxy.token, root_dialect=f"memory-proxy:{proxy.workspace.slug}") as http:
        seed = http.put("/blob/test.txt", content=b"x", headers={"Content-MD5": "new"})
        current = http.put("/p%2Fmemory/blob/blob%2Fa", content=b"x", headers={"If-Match-Version": "0"})
        index = http.get("/sync/p%2Fmemory")
        health = http.get("/health")

    assert (seed.status_code, current.status_code) == (201, 201)
    assert list(index.json()["files"]) == ["blob/a"]
    assert list(proxy.get("/sync").json()["files"]) == ["p/memory/blob/a", "test.txt"]
    assert list(health.json()) == ["status", "timestamp", "version"]


def test_every_write_is_told_apart_in_history_by_who_and_how(proxy: Proxy) -> None:
    proxy.put("/ns/blob/a", b"one", If_Match_Version="0")
    proxy.delete("/ns/blob/a", If_Match_Version=str(BASE + 1))

    items = proxy.native("GET", "history/ns/a").json()["items"]

    assert [(item["version"], item["is_deleted"], item["origin"]) for item in items] == [
        (2, True, "sync"),
        (1, False, "sync"),
    ]
    assert {item["actor"][:6] for item in items} == {"token:"}


def test_the_dialect_is_not_in_the_description_of_the_hubs_own_api() -> None:
    description = SchemaGenerator().get_schema(request=None, public=True)

    assert [path for path in description["paths"] if path.startswith("/w/")] == []
