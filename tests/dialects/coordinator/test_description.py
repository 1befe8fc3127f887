"""The dialect's own OpenAPI document and its two pages."""

import re
from typing import Any

import httpx
import jsonschema
import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema

from apps.accounts.models import TokenKind
from apps.federation.summaries import MOST_BYTES
from tests.dialects.coordinator.service import SENT, Coordinator
from tests.dialects.memory_proxy.proxy import client_at
from tests.factories import make_token

CHANCE = re.compile(r'(?<=\["X-CSRFTOKEN"\] = ")\w+')
"""What Swagger UI's page puts into a header that nothing below /w/ reads: new for each page."""
PAGES = ["/docs", "/redoc", "/openapi.json"]


@pytest.fixture
def described(coordinator: Coordinator) -> dict[str, Any]:
    """The document."""
    document: dict[str, Any] = coordinator.as_stranger().get("/openapi.json").json()
    return document


def said_of(answer: httpx.Response, described: dict[str, Any], path: str) -> dict[str, Any]:
    """What the document says of the answer's status, after the body and the headers were held against it."""
    operation = described["paths"][path][answer.request.method.lower()]
    said: dict[str, Any] = operation["responses"][str(answer.status_code)]
    assert all(name in answer.headers for name in said.get("headers", {}))
    if "content" not in said:
        assert answer.content == b""
        return said
    shown = said["content"][answer.headers["Content-Type"]]
    for body in (answer.json(), shown["example"]):
        jsonschema.validate(body, shown["schema"] | {"components": described["components"]})
    assert answer.json().keys() == shown["example"].keys()
    return shown


def test_the_document_is_a_valid_one(described: dict[str, Any]) -> None:
    validate_schema(described)

    assert described["openapi"] == "3.1.0"
    assert described["servers"] == [{"url": "."}]


def test_each_operation_answers_its_own_example_as_described(
    coordinator: Coordinator, described: dict[str, Any]
) -> None:
    token = make_token(coordinator.workspace, kind=TokenKind.PATH)
    owner = coordinator.as_stranger(make_token(coordinator.workspace, "federation:write"))
    asked = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            client = {"/admin/reset": owner}.get(path, coordinator.http)
            query = {"confirm": "true"} if method == "delete" else {}
            answer = client.request(method, path.replace("{token}", token), json=body, params=query)

            assert answer.status_code == 200, answer.text
            said_of(answer, described, path)
            asked.append(operation["operationId"])
    assert len(set(asked)) == len(asked) == 7


def test_every_refusal_is_described_in_its_own_words(
    coordinator: Coordinator, described: dict[str, Any], settings: Any, redis_url: str
) -> None:
    http, writer = coordinator.http, make_token(coordinator.workspace, "federation:write")
    elsewhere = client_at("/w/there-is-none/coordinator", coordinator.token)
    oversized = {"Content-Type": "application/json", "Content-Length": str(MOST_BYTES + 1)}
    settings.MEMORYHUB_RATE_LIMIT_PUSH = "5/m"
    pushes = [
        coordinator.push(timestamp="now"),
        http.post("/push", content=b"{", headers=oversized),
        http.post("/push", json={}),
        coordinator.as_stranger().post("/push", json={"summary": SENT}),
        elsewhere.post("/push", json={"summary": SENT}),
        coordinator.as_stranger(writer).post("/push", json={"summary": SENT}),
        *(coordinator.push() for _ in range(3)),
    ]
    pulls = [
        coordinator.as_stranger().get("/pull"),
        coordinator.as_stranger(writer).get("/pull"),
        elsewhere.get("/pull"),
    ]
    reset = coordinator.as_stranger(writer).delete("/admin/reset")

    assert [answer.status_code for answer in pushes] == [400, 413, 422, 401, 404, 403, 200, 200, 429]
    assert [answer.status_code for answer in (*pulls, reset)] == [401, 403, 404, 400]
    for path, answers in (("/push", pushes), ("/pull", pulls), ("/admin/reset", [reset])):
        for answer in answers:
            if answer.is_error:
                assert answer.json() == said_of(answer, described, path)["example"]


def test_an_unchanged_view_is_described(coordinator: Coordinator, described: dict[str, Any]) -> None:
    tag = coordinator.pull().headers["ETag"]

    said_of(coordinator.http.get("/pull", headers={"If-None-Match": tag}), described, "/pull")


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_open_and_the_same_for_every_slug(coordinator: Coordinator, path: str) -> None:
    answers = [
        coordinator.http.get(path),
        coordinator.as_stranger().get(path),
        client_at("/w/there-is-none/coordinator", "wrong").get(path),
    ]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({CHANCE.sub("", answer.text) for answer in answers}) == 1


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_get_alone(coordinator: Coordinator, path: str, method: str) -> None:
    answer = coordinator.http.request(method, path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_load_bundled_files_and_the_document_beside_them(coordinator: Coordinator, path: str) -> None:
    page = coordinator.as_stranger().get(path)

    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    assert [asset for asset in loaded if Client().get(asset).status_code != 200] == []
    assert "://" not in page.text
    assert '"openapi.json"' in page.text


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_below_a_path_token_tells_its_address_to_nobody(coordinator: Coordinator, path: str) -> None:
    token = make_token(coordinator.workspace, kind=TokenKind.PATH)

    page = coordinator.by_path(token).get(path)

    assert (page.status_code, page.headers["Referrer-Policy"]) == (200, "no-referrer")
    assert token not in page.text
