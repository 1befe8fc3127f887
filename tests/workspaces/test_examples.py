"""The examples of the API description, replayed: each request works, each answer has the described form."""

import json
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.accounts import tokens
from apps.accounts.scopes import ADMIN_SCOPES
from apps.workspaces import actions
from tests.factories import ACTOR, bearer, make_member, make_token, make_workspace

pytestmark = pytest.mark.django_db

TAGS = {"workspaces", "tokens", "members", "identities", "audit"}
FREE_FORM = {"details"}


def operations():
    """(method, address, operation) of what this app serves."""
    for address, methods in SchemaGenerator().get_schema(request=None, public=True)["paths"].items():
        for method, operation in methods.items():
            if TAGS & set(operation["tags"]):
                yield method, address, operation


def shape(value: Any) -> Any:
    """Keys and kinds, without the values."""
    if isinstance(value, dict):
        return {key: "any" if key in FREE_FORM else shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "null or text" if value is None or isinstance(value, str) else type(value).__name__


def first_example(content: dict[str, Any]) -> Any:
    examples = content.get("application/json", {}).get("examples", {})
    return next((each["value"] for each in examples.values()), None)


@pytest.mark.parametrize(
    "operation_id",
    [
        "me",
        "workspaces_list",
        "workspaces_read",
        "workspaces_update",
        "workspaces_archive",
        "tokens_list",
        "tokens_issue",
        "tokens_revoke",
        "members_list",
        "members_set",
        "members_remove",
        "identities_list",
        "identities_add",
        "identities_remove",
        "audit_list",
    ],
)
def test_an_example_of_the_description_is_true(client, operation_id):
    method, address, operation = next(each for each in operations() if each[2]["operationId"] == operation_id)
    workspace = make_workspace("default")
    make_member(workspace, "viewer", "ada")
    if operation_id != "identities_add":
        actions.add_identity(workspace, provider="heare", subject="key_0aB1cD2eF3gH", actor=ACTOR)
    admin = make_token(workspace, *ADMIN_SCOPES)
    values = {
        "slug": "default",
        "username": "ada",
        "token_id": tokens.parse(make_token(workspace)).public_id,
        "provider": "heare",
        "subject": "key_0aB1cD2eF3gH",
    }
    query = "?confirm=default" if operation_id == "workspaces_archive" else ""
    body = first_example(operation.get("requestBody", {}).get("content", {}))

    answer = client.generic(
        method.upper(), address.format(**values) + query, json.dumps(body), "application/json", headers=bearer(admin)
    )

    described = first_example(operation["responses"][str(answer.status_code)].get("content", {}))
    assert shape(answer.json() if answer.content else None) == shape(described)


def test_every_operation_of_this_app_has_a_case():
    cases = test_an_example_of_the_description_is_true.pytestmark[0].args[1]

    assert sorted(operation["operationId"] for _, _, operation in operations()) == sorted(cases)
