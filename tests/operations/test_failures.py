import pytest
from django.test import Client
from structlog.testing import capture_logs

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.operations.crashing")]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    ("view", "status", "code"),
    [
        ("crash", 500, "internal"),
        ("denied", 403, "scope_missing"),
        ("suspicious", 400, "bad_request"),
        ("invalid", 422, "invalid"),
        ("busy", 503, "busy"),
        ("slow_query", 503, "unavailable"),
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_every_failure_below_api_is_a_problem_that_leaks_nothing(
    client: Client, view: str, status: int, code: str, accept: str
) -> None:
    answer = client.get(f"/api/{view}", headers={"Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["code"] == code
    assert "inner detail" not in answer.content.decode()
    assert answer.has_header("Retry-After") is (status == 503)


@pytest.mark.parametrize(("view", "status"), [("crash", 500), ("denied", 403), ("slow_query", 503)])
def test_a_person_s_browser_gets_a_page_that_leaks_nothing(client: Client, view: str, status: int) -> None:
    answer = client.get(f"/page/{view}", headers={"Accept": "text/html"})

    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert "inner detail" not in answer.content.decode()


def test_a_crash_is_logged_once_and_a_service_that_is_away_is_none(client: Client) -> None:
    with capture_logs() as crashed:
        client.get("/api/crash")
    with capture_logs() as away:
        client.get("/api/slow_query")

    assert [event["event"] for event in crashed] == ["request_crashed", "request_finished"]
    assert [event["event"] for event in away] == ["request_finished"]
