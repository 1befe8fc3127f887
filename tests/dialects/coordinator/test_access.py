"""Who may push and pull, with a header or with a token in the path, and how often."""

from typing import Any

import pytest

from apps.accounts.models import ApiToken, TokenKind
from apps.accounts.tokens import mint
from apps.common.errors import Invalid
from apps.federation.models import Summary
from tests.dialects.coordinator.service import SENT, Coordinator
from tests.factories import make_token, make_workspace

UNAUTHORIZED = {"detail": "Invalid or missing token"}


@pytest.mark.parametrize(("method", "path"), [("POST", "/push"), ("GET", "/pull"), ("DELETE", "/admin/reset")])
def test_without_a_token_and_with_a_wrong_one_it_is_401_and_no_redirect(
    coordinator: Coordinator, method: str, path: str
) -> None:
    path_token = make_token(coordinator.workspace, kind=TokenKind.PATH)
    for token in (None, "wrong", mint().text, path_token):
        answer = coordinator.as_stranger(token).request(method, path, json={"summary": SENT})

        assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not Summary.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "scope"), [("POST", "/push", "federation:push"), ("GET", "/pull", "federation:pull")]
)
def test_a_token_needs_the_scope_and_no_other(coordinator: Coordinator, method: str, path: str, scope: str) -> None:
    other = {"federation:push", "federation:pull", "federation:read", "federation:write", "files:read"} - {scope}
    without = coordinator.as_stranger(make_token(coordinator.workspace, *other))
    alone = coordinator.as_stranger(make_token(coordinator.workspace, scope))

    assert without.request(method, path, json={"summary": SENT}).status_code == 403
    assert alone.request(method, path, json={"summary": SENT}).status_code == 200


def test_a_token_in_the_path_pushes_and_pulls(coordinator: Coordinator) -> None:
    client = coordinator.by_path()

    assert client.post("/push", json={"summary": SENT}).status_code == 200
    assert client.get("/pull").json()["contributing_agents"] == 1


@pytest.mark.parametrize("path", ["/", "/health", "/push/more", "/admin/reset", "/other"])
def test_a_token_in_the_path_of_anything_else_is_taken_out_all_the_same(coordinator: Coordinator, path: str) -> None:
    """So no log meets it; the address is then the one without it."""
    token = make_token(coordinator.workspace, kind=TokenKind.PATH)

    answer = coordinator.by_path(token).get(path)

    assert answer.status_code in (200, 404, 405)
    assert token not in answer.text + str(answer.headers)


def test_a_path_token_that_is_wrong_or_of_the_other_kind_is_401(coordinator: Coordinator) -> None:
    for token in ("wrong", mint("path").text, coordinator.token):
        answer = coordinator.by_path(token).post("/push", json={"summary": SENT})

        assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
        assert token not in answer.text + str(answer.headers)
    assert not Summary.objects.exists()


def test_a_path_token_opens_no_other_workspace_and_nothing_else(coordinator: Coordinator) -> None:
    token = make_token(make_workspace(), kind=TokenKind.PATH)

    assert coordinator.by_path(token).get("/pull").status_code == 404
    assert coordinator.as_stranger(token).get("/pull").status_code == 401


def test_a_path_token_may_push_and_pull_and_nothing_else(coordinator: Coordinator) -> None:
    make_token(coordinator.workspace, kind=TokenKind.PATH)
    assert ApiToken.objects.get(kind=TokenKind.PATH).scopes == ["federation:pull", "federation:push"]

    with pytest.raises(Invalid):
        make_token(coordinator.workspace, "files:read", kind=TokenKind.PATH)
    assert ApiToken.objects.filter(kind=TokenKind.PATH).count() == 1


def test_pushes_of_a_token_are_limited_and_pulls_are_not(
    coordinator: Coordinator, settings: Any, redis_url: str
) -> None:
    settings.MEMORYHUB_RATE_LIMIT_PUSH = "2/m"
    answers = [coordinator.push(agent_id=f"agent-{number}") for number in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert "detail" in answers[2].json()
    assert Summary.objects.count() == 2
    assert coordinator.pull().status_code == 200
    other = coordinator.as_stranger(make_token(coordinator.workspace))
    assert other.post("/push", json={"summary": SENT}).status_code == 200


def test_path_tokens_of_one_address_are_limited_together(
    coordinator: Coordinator, settings: Any, redis_url: str
) -> None:
    settings.MEMORYHUB_RATE_LIMIT_PUSH = "2/m"
    clients = [coordinator.by_path() for _ in range(3)]

    assert [client.post("/push", json={"summary": SENT}).status_code for client in clients] == [200, 200, 429]
