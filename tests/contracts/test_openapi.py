"""The description of the API is whole, and the API answers as it says."""

import re
from dataclasses import replace

import httpx
import jsonschema
import pytest
from django.urls import resolve

from apps.files.frames import MEDIA_TYPE as FRAMES
from apps.files.frames import parse_frames
from tests.contracts.house import House, documented_answers, documented_request, nothing_changes
from tests.contracts.likeness import differences
from tests.contracts.openapi import JSON, Exchange, Operation, as_bytes, description, named, operations, routes
from tests.contracts.situations import SITUATIONS

ANSWERS = documented_answers()


def test_every_operation_has_a_row_of_its_own_for_each_answer_and_no_row_is_left_over():
    described = {operation.id: set(operation.statuses) for operation in operations()}

    assert {operation_id: set(rows) for operation_id, rows in SITUATIONS.items()} == described


def test_every_route_of_the_native_api_is_described():
    routed = {(route.view.__name__, method) for route in routes("api/v1/") for method in route.methods()}

    found = {(resolve(documented_path(each)).func.view_class.__name__, each.method) for each in operations()}

    assert found == routed


@pytest.mark.parametrize("operation", operations(), ids=named)
def test_query_parameters_that_are_described_are_those_that_the_view_declares(operation: Operation):
    view = resolve(documented_path(operation)).func.view_class
    declared_for = "GET" if operation.method == "HEAD" else operation.method

    described = {each["name"] for each in operation.parameters if each["in"] == "query"}

    assert view.query_parameters.get(declared_for, frozenset()) == described


def test_no_view_declares_query_parameters_for_a_method_that_it_does_not_take():
    left_over = {
        (route.view.__name__, method)
        for route in routes("api/v1/")
        for method in route.view.query_parameters.keys() - route.methods()
    }

    assert left_over == set()


@pytest.mark.django_db
@pytest.mark.parametrize("operation", operations(), ids=named)
def test_unknown_query_parameter_is_refused_by_every_operation_and_changes_nothing(operation: Operation):
    house = House.prepared(operation)
    request = documented_request(operation)
    joint = "&" if "?" in request.url else "?"
    # Once before, so that the token has been used.
    house.send(Exchange("GET", "/api/v1/me"))

    with nothing_changes():
        answer = house.send(replace(request, url=f"{request.url}{joint}verson=1"))

    assert answer.status_code == 422
    if operation.method != "HEAD":
        assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [("verson", "unknown_parameter")]


@pytest.mark.django_db
@pytest.mark.parametrize("operation", operations(), ids=named)
def test_unknown_query_parameter_is_not_looked_at_before_the_token(operation: Operation):
    house = House.prepared(operation)
    request = documented_request(operation)
    joint = "&" if "?" in request.url else "?"

    answer = house.send(replace(request, url=f"{request.url}{joint}verson=1"), token="mh_unknown")

    assert answer.status_code == 401


def documented_path(operation: Operation) -> str:
    return operation.request().url.partition("?")[0]


@pytest.mark.parametrize("operation", operations(), ids=named)
def test_operation_is_described_in_full(operation: Operation):
    spec = operation.spec

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation.id)
    assert len(spec["tags"]) == 1
    assert spec["description"].strip()
    assert spec["security"] == [{"token": []}]
    assert all("examples" in each for each in operation.parameters if each.get("required"))
    assert "requestBody" not in spec or operation.body_example() is not None
    assert spec["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert any(200 <= status < 300 for status in operation.statuses)
    for status in operation.statuses:
        assert "content" not in spec["responses"][str(status)] or operation.answer_example(status) is not None


def test_operation_ids_are_not_given_twice():
    ids = [operation.id for operation in operations()]

    assert sorted(set(ids)) == ids


@pytest.mark.parametrize("operation", [each for each in operations() if each.body_example()], ids=named)
def test_example_of_a_body_fits_the_schema_of_its_body(operation: Operation):
    media_type, value = operation.body_example()
    schema = operation.spec["requestBody"]["content"][media_type]["schema"]

    jsonschema.validate(value, schema | {"components": _with_null(description()["components"])})


def _with_null(schema):
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [_with_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _with_null(value) for name, value in schema.items()}
    if plain.get("nullable") is True and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
    return plain


@pytest.mark.django_db
@pytest.mark.parametrize(("operation", "status"), ANSWERS, ids=[f"{each.id}-{status}" for each, status in ANSWERS])
def test_example_is_answered_as_documented(operation: Operation, status: int):
    house = House.prepared(operation, status)

    answer = house.send(documented_request(operation, status))

    assert answer.status_code == status, answer.text
    example = operation.answer_example(status)
    if example is None:
        assert answer.content == b""
        assert "application" not in answer.headers.get("Content-Type", "")
    else:
        assert answer.headers["Content-Type"] == example[0]
        assert unlike(answer, *example) == []


def unlike(answer: httpx.Response, media_type: str, example: object) -> list[str]:
    """Where the body is unlike its documented example."""
    if media_type == JSON:
        return differences(example, answer.json())
    wanted = as_bytes(media_type, example)
    if media_type == FRAMES:
        documented, given = list(parse_frames(wanted)), list(parse_frames(answer.content))
        assert [body for _, body in given] == [body for _, body in documented]
        return differences([header for header, _ in documented], [header for header, _ in given])
    return [] if answer.content == wanted else [f"{answer.content!r} instead of {wanted!r}"]


@pytest.mark.django_db
@pytest.mark.parametrize("operation", operations(), ids=named)
def test_refusal_is_the_documented_problem(operation: Operation):
    house = House.prepared(operation)
    [(media_type, described)] = description()["components"]["responses"]["Problem"]["content"].items()
    [example] = [each["value"] for each in described["examples"].values()]

    answer = house.send(documented_request(operation), token="mh_unknown")

    assert (answer.status_code, answer.headers["Content-Type"]) == (401, media_type)
    if operation.method == "HEAD":
        return
    assert answer.json() == example
    jsonschema.validate(answer.json(), described["schema"] | {"components": description()["components"]})


@pytest.mark.django_db
def test_refusal_with_fields_fits_the_documented_problem():
    house = House.new("default")
    schema = description()["components"]["schemas"]["Problem"]

    answer = house.send(Exchange("GET", "/api/v1/workspaces/default/changes?limit=none"))

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "limit"
    jsonschema.validate(answer.json(), schema)
