"""The static key of one workspace."""

import pytest

from apps.accounts.scopes import EDITOR_SCOPES
from tests.factories import make_workspace
from tests.workspaces.answers import NOT_FOUND, UNAUTHORIZED, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def static_key(settings):
    settings.API_KEY = "a-static-key-of-one-workspace"
    settings.API_KEY_WORKSPACE = "default"
    return settings.API_KEY


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_the_static_key_opens_its_one_workspace(client, static_key, header):
    make_workspace("default")
    make_workspace("other")
    headers = {header: static_key if header == "X-API-Key" else f"Bearer {static_key}"}

    assert read(client, "default", headers).status_code == 200
    assert read(client, "other", headers).json() == NOT_FOUND
    assert read(client, "missing", headers).json() == NOT_FOUND


def test_the_static_key_is_an_editor_and_never_an_administrator(client, static_key):
    make_workspace("default")

    answer = client.patch(
        "/api/v1/workspaces/default", {"name": "x"}, "application/json", headers={"X-API-Key": static_key}
    )
    who = client.get("/api/v1/me", headers={"X-API-Key": static_key}).json()

    assert (answer.status_code, answer.json()["scope"]) == (403, "workspace:admin")
    assert who["scopes"] == sorted(EDITOR_SCOPES)
    assert [each["slug"] for each in who["workspaces"]] == ["default"]


def test_no_static_key_means_no_way_in(client, settings):
    settings.API_KEY = ""
    make_workspace("default")

    for key in ("", "x", "None"):
        assert read(client, "default", {"X-API-Key": key}).json() == UNAUTHORIZED
