import pytest
from django.conf import settings
from django.test import Client
from structlog.testing import capture_logs

from tests.factories import bearer, make_token, make_user, make_workspace

pytestmark = pytest.mark.django_db


def finished(logs: list[dict[str, object]]) -> list[dict[str, object]]:
    return [event for event in logs if event["event"] == "request_finished"]


def test_each_request_leaves_one_event_with_its_route_and_workspace(client: Client) -> None:
    token = make_token(make_workspace("team"))

    with capture_logs() as logs:
        client.get("/api/v1/workspaces/team/files/private.md?query=private", headers=bearer(token))

    [event] = finished(logs)
    assert event["method"] == "GET"
    assert str(event["route"]).startswith("api/v1/workspaces/<str:slug>/")
    assert (event["status"], event["workspace"]) == (422, "team")
    assert isinstance(event["ms"], float)
    assert "private" not in str(logs)
    assert token not in str(logs)


@pytest.mark.parametrize(("path", "route"), [("/nope", "unmatched"), ("/static/admin/css/base.css", "static")])
def test_requests_without_a_route_have_a_name_too(client: Client, path: str, route: str) -> None:
    with capture_logs() as logs:
        client.get(path)

    assert [event["route"] for event in finished(logs)] == [route]


@pytest.mark.parametrize("path", ["/api/nope", "/api/v1/nope", "/w/team/nope", "/w/team/nope/x"])
@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
def test_unknown_addresses_below_api_and_w_are_problems_and_never_pages(client: Client, path: str, accept: str) -> None:
    answer = client.get(path, headers={"Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_a_wrong_method_below_api_is_a_problem_with_the_right_ones(client: Client) -> None:
    answer = client.post("/api/schema", data="{}", content_type="application/json", headers={"Accept": "text/html"})

    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
    assert answer["Allow"] == "GET, HEAD"
    assert answer.json()["code"] == "method_not_allowed"


def test_an_unknown_address_at_the_root_is_a_page_for_a_browser_only(client: Client) -> None:
    browser = client.get("/nope", headers={"Accept": "text/html,application/xhtml+xml;q=0.9"})
    other = client.get("/nope")

    assert (browser.status_code, browser["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert (other.status_code, other["Content-Type"]) == (404, "application/problem+json")


def test_answers_have_a_length(client: Client) -> None:
    answer = client.get("/health")

    assert answer["Content-Length"] == str(len(answer.content))


def test_an_answer_without_a_body_announces_none(client: Client) -> None:
    owner = make_token(make_workspace("team"), "workspace:admin")

    answer = client.delete("/api/v1/workspaces/team?confirm=team", headers=bearer(owner))

    assert (answer.status_code, answer.content) == (204, b"")
    assert not answer.has_header("Content-Type")
    assert not answer.has_header("Content-Length")


def test_api_calls_open_no_session_and_set_no_cookie(client: Client) -> None:
    client.force_login(make_user())

    answer = client.get("/api/v1/workspaces/team/index")

    assert answer.status_code == 401
    assert not hasattr(answer.wsgi_request, "session")
    assert not hasattr(answer.wsgi_request, "user")
    assert answer.cookies == {}


def test_the_console_signs_in_and_asks_for_its_form_token() -> None:
    make_user("ada", password="a long enough one", is_staff=True, is_superuser=True)
    client = Client(enforce_csrf_checks=True)
    form = {"username": "ada", "password": "a long enough one", "next": "/admin/"}

    refused = client.post("/admin/login/", form)
    page = client.get("/admin/login/")
    token = client.cookies[settings.CSRF_COOKIE_NAME].value
    signed_in = client.post("/admin/login/", {**form, "csrfmiddlewaretoken": token})

    assert page.status_code == 200
    assert refused.status_code == 403
    assert (signed_in.status_code, signed_in["Location"]) == (302, "/admin/")
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "memoryhub/icon.svg",
        "admin/css/base.css",
        "unfold/css/styles.css",
        "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js",
    ],
)
def test_static_files_are_served_from_where_they_are_installed(client: Client, path: str) -> None:
    answer = client.get(f"/static/{path}")
    again = client.get(f"/static/{path}", headers={"If-None-Match": answer["ETag"]})

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "max-age=3600, public"
    assert len(answer.getvalue()) == int(answer["Content-Length"])
    assert again.status_code == 304


def test_static_files_lie_in_no_other_place(client: Client) -> None:
    assert client.get("/static/../settings/hub.py").status_code == 404
    assert client.get("/static/admin/").status_code == 404
