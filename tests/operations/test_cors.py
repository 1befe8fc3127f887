from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from apps.operations.cors import dialect_origins
from tests.factories import bearer, make_token, make_workspace

pytestmark = pytest.mark.django_db

PAGE = "https://app.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}


def cors_headers(answer: object) -> dict[str, str]:
    return {name: value for name, value in answer.items() if name.startswith("Access-Control-")}  # type: ignore[attr-defined]


@pytest.mark.parametrize("listed", [[PAGE], ["https://b.example", PAGE], ["*"]])
def test_a_preflight_of_a_listed_page_is_answered_without_a_token(client: Client, listed: list[str]) -> None:
    make_workspace("team", cors_origins=listed)

    answer = client.options("/api/v1/workspaces/team/files/a.md", headers=PREFLIGHT)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == PAGE
    assert "PUT" in answer["Access-Control-Allow-Methods"]
    assert "If-Match" in answer["Access-Control-Allow-Headers"]
    assert answer["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize("slug", ["closed", "nowhere"])
def test_a_preflight_of_another_page_is_empty_and_alike_for_any_slug(client: Client, slug: str) -> None:
    make_workspace("closed", cors_origins=["https://b.example"])

    answer = client.options(f"/api/v1/workspaces/{slug}/files/a.md", headers=PREFLIGHT)

    assert (answer.status_code, answer.content, cors_headers(answer)) == (204, b"", {})


def test_an_answer_to_a_listed_page_is_marked_for_it_and_refusals_too(client: Client) -> None:
    workspace = make_workspace("team", cors_origins=[PAGE])
    address = "/api/v1/workspaces/team/index"

    good = client.get(address, headers={"Origin": PAGE, **bearer(make_token(workspace))})
    refused = client.get(address, headers={"Origin": PAGE})

    assert (good.status_code, refused.status_code) == (200, 401)
    for answer in (good, refused):
        assert answer["Access-Control-Allow-Origin"] == PAGE
        assert "ETag" in answer["Access-Control-Expose-Headers"]
        assert "Origin" in answer["Vary"]


def test_an_answer_to_another_page_is_not_marked(client: Client) -> None:
    workspace = make_workspace("team", cors_origins=["https://b.example"])

    answer = client.get("/api/v1/workspaces/team/index", headers={"Origin": PAGE, **bearer(make_token(workspace))})

    assert (answer.status_code, cors_headers(answer)) == (200, {})


def test_it_is_off_by_default(client: Client) -> None:
    make_workspace("team")

    assert cors_headers(client.options("/api/v1/workspaces/team/index", headers=PREFLIGHT)) == {}


def test_a_dialect_has_a_list_of_its_own(settings: object) -> None:
    settings.MEMORYHUB_CORS_DIALECTS = (f"memory-proxy={PAGE}",)  # type: ignore[attr-defined]
    client = Client()
    make_workspace("team")

    dialect = client.options("/w/team/memory-proxy/sync", headers=PREFLIGHT)
    native = client.options("/api/v1/workspaces/team/index", headers=PREFLIGHT)

    assert dialect["Access-Control-Allow-Origin"] == PAGE
    assert cors_headers(native) == {}


@pytest.mark.parametrize("path", ["/admin/login/", "/health", "/docs"])
def test_pages_and_probes_are_for_no_other_page(client: Client, path: str) -> None:
    assert cors_headers(client.get(path, headers={"Origin": PAGE})) == {}


def test_a_call_without_an_origin_asks_for_no_list(client: Client, django_assert_num_queries: Callable) -> None:
    with django_assert_num_queries(0):
        client.get("/api/v1/workspaces/team/index")


def test_the_setting_groups_origins_by_dialect() -> None:
    assert dialect_origins(("a=https://x", "a=https://y", "b=*")) == {
        "a": frozenset({"https://x", "https://y"}),
        "b": frozenset({"*"}),
    }
    assert settings.MEMORYHUB_CORS_DIALECTS == ()
