"""Web pages of other origins that call the coordinator."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from apps.accounts.models import TokenKind
from memoryhub.edge import Edge, EdgeRules
from tests.dialects.coordinator.service import SENT, Coordinator
from tests.factories import bearer, make_token

PAGE = "https://app.example"


@pytest.fixture
def listed(coordinator: Coordinator, settings: Any) -> Iterator[httpx.Client]:
    """A client of a hub whose MEMORYHUB_CORS_DIALECTS lists the page for the coordinator, and that sends its origin."""
    from django.core.handlers.wsgi import WSGIHandler

    settings.MEMORYHUB_CORS_DIALECTS = (f"coordinator={PAGE}",)
    transport = httpx.WSGITransport(app=Edge(WSGIHandler(), EdgeRules()))
    base = f"http://hub/w/{coordinator.workspace.slug}/coordinator"
    with httpx.Client(transport=transport, base_url=base, headers={"Origin": PAGE}) as client:
        yield client


def preflight(client: httpx.Client, method: str, path: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    return client.options(path, headers={"Origin": PAGE, **asked})


@pytest.mark.parametrize(("method", "path"), [("POST", "/push"), ("GET", "/pull")])
def test_a_listed_page_may_send_a_token_and_json(
    coordinator: Coordinator, listed: httpx.Client, method: str, path: str
) -> None:
    asked = preflight(listed, method, path)
    answer = listed.request(method, path, json={"summary": SENT}, headers=bearer(coordinator.token))

    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["Access-Control-Allow-Origin"] == PAGE
    assert method in asked.headers["Access-Control-Allow-Methods"].split(", ")
    assert {"Authorization", "Content-Type"} <= set(asked.headers["Access-Control-Allow-Headers"].split(", "))
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


def test_a_listed_page_may_put_a_token_into_the_path(coordinator: Coordinator, listed: httpx.Client) -> None:
    base = f"/t/{make_token(coordinator.workspace, kind=TokenKind.PATH)}"

    asked = preflight(listed, "POST", f"{base}/push")
    answer = listed.post(f"{base}/push", json={"summary": SENT})

    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)


@pytest.mark.parametrize(("method", "path"), [("POST", "/push"), ("GET", "/pull")])
def test_for_every_other_page_options_is_405_as_in_the_original(
    coordinator: Coordinator, method: str, path: str
) -> None:
    for answer in (preflight(coordinator.http, method, path), coordinator.http.options(path)):
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
        assert method in answer.headers["Allow"].split(", ")
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_an_answer_to_another_page_is_not_marked(coordinator: Coordinator) -> None:
    answer = coordinator.http.get("/pull", headers={"Origin": PAGE})

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
