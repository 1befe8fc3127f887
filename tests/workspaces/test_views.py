"""The bases of the views, by small views of the test's own."""

import json
from typing import ClassVar

import pytest
from django.db.utils import OperationalError
from django.http import HttpResponse
from rest_framework.response import Response

from apps.common.errors import PreconditionFailed
from apps.workspaces.views import LeanWorkspaceView, WorkspaceView
from tests.factories import bearer, make_token, make_workspace

pytestmark = pytest.mark.django_db


class Plain:
    """What both kinds of view do with a request."""

    required_scope = {"GET": "files:read", "PUT": "files:write"}
    query_parameters: ClassVar[dict[str, frozenset[str]] | None] = {"GET": frozenset({"version"})}
    answer = Response

    def get(self, request, part):
        assert request.actor == self.workspace.actor
        return self.answer(f"{self.workspace.slug} {part}".encode())

    def put(self, request, part):
        raise {
            "refused": PreconditionFailed("x", version=7),
            "away": OperationalError("gone"),
            "bug": RuntimeError("secret"),
        }[part]


class Lean(Plain, LeanWorkspaceView):
    answer = HttpResponse


class Full(Plain, WorkspaceView):
    answer = Response


@pytest.fixture(params=[Lean, Full])
def call(request, rf):
    """Calls a view of each kind with an editor's token for the workspace `mine`."""
    view = request.param.as_view()
    token = make_token(make_workspace("mine"))

    def call(method, part="x", slug="mine", headers=None, query=""):
        asked = rf.generic(method, f"/api/x{query}", headers=bearer(token) if headers is None else headers)
        answer = view(asked, slug=slug, part=part)
        return answer.render() if hasattr(answer, "render") else answer

    return call


def test_the_handler_gets_the_rest_of_the_address_and_the_open_workspace(call):
    assert (call("GET", "a").status_code, call("GET", "a").content.strip(b'"')) == (200, b"mine a")


def test_head_needs_the_scope_of_get(call):
    assert call("HEAD").status_code == 200


@pytest.mark.parametrize(
    ("part", "status", "code"),
    [
        ("refused", 412, "precondition_failed"),
        ("away", 503, "unavailable"),
        ("bug", 500, "internal"),
    ],
)
def test_whatever_a_handler_raises_becomes_a_problem(call, part, status, code):
    answer = call("PUT", part)

    assert (answer.status_code, json.loads(answer.content)["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert b"secret" not in answer.content


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_405(call, method):
    answer = call(method)

    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, PUT")


def test_the_gate_comes_first(call):
    assert call("GET", headers={}).status_code == 401
    assert call("GET", slug="missing").status_code == 404


def test_a_stranger_hears_nothing_of_query_parameters(call):
    assert call("GET", query="?verson=1", headers={}).status_code == 401
    assert call("GET", query="?verson=1", slug="missing").content == call("GET", slug="missing").content


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_declared_query_parameter_is_taken(call, method):
    assert call(method, query="?version=1").status_code == 200


@pytest.mark.parametrize(
    ("method", "query", "field", "code"),
    [
        ("GET", "?verson=1", "verson", "unknown_parameter"),
        ("HEAD", "?verson=1", "verson", "unknown_parameter"),
        ("GET", "?version=1&verson", "verson", "unknown_parameter"),
        ("GET", "?=1", "", "unknown_parameter"),
        ("GET", "?Version=1", "Version", "unknown_parameter"),
        ("GET", "?version=1&version=1", "version", "repeated_parameter"),
        # The handler would raise: it is not reached, and what GET takes PUT does not.
        ("PUT", "?version=1", "version", "unknown_parameter"),
    ],
)
def test_other_query_parameters_are_refused_before_the_handler(call, method, query, field, code):
    answer = call(method, "bug", query=query)

    body = json.loads(answer.content)
    assert (answer.status_code, body["code"]) == (422, "invalid")
    assert [(each["field"], each["code"]) for each in body["errors"]] == [(field, code)]


def test_a_refused_query_parameter_is_repeated_in_200_characters_at_most(call):
    answer = call("GET", query=f"?{'Q' * 5000}=1")

    assert json.loads(answer.content)["errors"][0]["field"] == "Q" * 199 + "\u2026"
    assert answer.content.count(b"Q") == 199


@pytest.mark.parametrize("base", [Lean, Full])
def test_a_view_of_older_clients_takes_any_query_parameter(rf, base):
    class Older(base):
        query_parameters = None

    token = make_token(make_workspace("mine"))
    answer = Older.as_view()(rf.get("/?verson=1&verson=2", headers=bearer(token)), slug="mine", part="x")

    assert answer.status_code == 200


def test_a_method_without_a_scope_is_not_served(rf):
    class Forgotten(Lean):
        required_scope = {"GET": "files:read"}

    token = make_token(make_workspace("mine"))
    answer = Forgotten.as_view()(rf.put("/", headers=bearer(token)), slug="mine", part="x")

    assert answer.status_code == 405
