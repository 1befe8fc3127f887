"""Every operation of the native API, met by an outside identity of another workspace and by a path token."""

import pytest

from apps.accounts.scopes import ADMIN_SCOPES
from apps.workspaces import actions
from tests.contracts.house import House, documented_request, nothing_changes, steady
from tests.contracts.openapi import Operation, named, operations
from tests.factories import ACTOR, make_token, make_workspace
from tests.fakes.heare_auth import FakeHeareAuth

pytestmark = pytest.mark.django_db

SECRET = "sec_0123456789abcdef"
NATIVE = [each for each in operations() if each.path.startswith("/api/v1/")]
IN_A_WORKSPACE = [each for each in NATIVE if "slug" in each.path_parameters()]


@pytest.fixture
def checker(settings):
    with FakeHeareAuth() as fake:
        fake.keys[SECRET] = "key_of_elsewhere"
        settings.HEARE_AUTH_URL = fake.url
        yield fake


@pytest.mark.parametrize("operation", IN_A_WORKSPACE, ids=named)
def test_an_identity_of_one_workspace_finds_no_other(checker: FakeHeareAuth, operation: Operation) -> None:
    elsewhere = make_workspace("elsewhere")
    actions.add_identity(elsewhere, provider="heare", subject="key_of_elsewhere", scopes=ADMIN_SCOPES, actor=ACTOR)
    house = House.prepared(operation)

    with nothing_changes():
        existing = house.send(documented_request(operation), token=SECRET)
        missing = house.send(documented_request(operation, slug="missing"), token=SECRET)

    assert existing.status_code == 404
    if operation.method != "HEAD":
        assert existing.json()["code"] == "not_found"
    assert steady(existing) == steady(missing)


@pytest.mark.parametrize("operation", NATIVE, ids=named)
def test_a_path_token_opens_nothing_by_a_header(operation: Operation) -> None:
    house = House.prepared(operation)
    token = make_token(house.workspace, kind="path")

    with nothing_changes():
        answer = house.send(documented_request(operation), token=token)

    assert answer.status_code == 401
    if operation.method != "HEAD":
        assert answer.json()["code"] == "unauthorized"
