"""The outside checker, over a socket, entered by HTTP."""

import threading
import time

import pytest

from apps.accounts import heare, tokens
from apps.accounts.breaker import Breaker
from apps.workspaces import actions
from tests.factories import ACTOR, bearer, make_token, make_workspace
from tests.fakes.heare_auth import FakeHeareAuth

pytestmark = pytest.mark.django_db

SECRET = "sec_0123456789abcdef"


@pytest.fixture
def checker(settings):
    """A running checker that knows SECRET as key_ada, and a hub that asks it."""
    with FakeHeareAuth() as fake:
        fake.keys[SECRET] = "key_ada"
        settings.HEARE_AUTH_URL = fake.url
        settings.MEMORYHUB_TOKEN_CACHE_S = 0.0
        yield fake


@pytest.fixture
def mine():
    """A workspace that lists key_ada as a reader."""
    workspace = make_workspace("mine")
    actions.add_identity(workspace, provider="heare", subject="key_ada", scopes=["files:read"], actor=ACTOR)
    return workspace


def read(client, token=SECRET, slug="mine"):
    return client.get(f"/api/v1/workspaces/{slug}", headers=bearer(token))


def test_a_listed_identity_passes_with_its_scopes(client, checker, mine):
    assert read(client).status_code == 200
    assert client.get("/api/v1/me", headers=bearer(SECRET)).json() == {
        "actor": "heare:key_ada",
        "kind": "heare",
        "user": None,
        "scopes": ["files:read"],
        "token": None,
        "workspaces": [{"slug": "mine", "name": "", "role": None, "scopes": ["files:read"]}],
    }
    assert checker.seen[0] == {"path": "/verify", "api_key": SECRET}


def test_the_older_checkers_form_is_sent_along_when_an_app_id_is_set(client, checker, mine, settings):
    settings.HEARE_AUTH_APP_ID = "memory"

    assert read(client).status_code == 200
    assert checker.seen == [{"path": "/verify", "api_key": SECRET, "token": SECRET, "app_id": "memory"}]


def test_a_slash_at_the_end_of_the_address_does_not_double(client, checker, mine, settings):
    settings.HEARE_AUTH_URL += "/"

    assert read(client).status_code == 200
    assert checker.seen[0]["path"] == "/verify"


@pytest.mark.parametrize("status", [401, 403, 422, 200])
def test_a_refused_token_is_401_and_never_503(client, checker, mine, status):
    checker.refuse_with = status

    answer = read(client, "sec_wrong")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_a_valid_stranger_answers_like_a_bad_token(client, checker, mine):
    checker.keys["sec_stranger"] = "key_stranger"
    make_workspace("other")

    stranger, bad = read(client, "sec_stranger"), read(client, "sec_wrong")

    assert stranger.status_code == 401
    assert stranger.content == bad.content
    assert read(client, "sec_stranger", "other").content == bad.content
    assert read(client, "sec_stranger", "missing").content == bad.content
    assert client.get("/api/v1/me", headers=bearer("sec_stranger")).content == bad.content


def test_an_identity_that_is_taken_off_the_list_is_out(client, checker, mine):
    assert read(client).status_code == 200

    actions.remove_identity(mine, provider="heare", subject="key_ada", actor=ACTOR)

    assert read(client).status_code == 401


def test_our_own_tokens_are_never_sent_away(client, checker, mine, settings):
    settings.API_KEY, settings.API_KEY_WORKSPACE = "a-static-key-of-one-workspace", "mine"
    own = make_token(mine)

    assert read(client, own).status_code == 200
    assert read(client, own[:-1] + "~").status_code == 401
    assert read(client, "mh_typing_error").status_code == 401
    assert read(client, tokens.mint("path").text).status_code == 401
    assert read(client, settings.API_KEY).status_code == 200
    assert client.get("/api/v1/workspaces/mine", headers={"X-API-Key": "sec_other"}).status_code == 401
    assert checker.seen == []


def test_without_an_address_nobody_is_asked(client, checker, mine, settings):
    settings.HEARE_AUTH_URL = ""

    assert read(client).status_code == 401
    assert checker.seen == []


def test_verdicts_are_remembered_and_the_connection_is_kept(client, checker, mine):
    for _ in range(3):
        assert read(client).status_code == 200
        assert read(client, "sec_wrong").status_code == 401
    for number in range(5):
        assert read(client, f"sec_wrong{number}").status_code == 401

    assert len(checker.seen) == 7
    assert checker.connections == 1


@pytest.mark.parametrize("mode", [500, 502, 404, 301, "drop", "senseless"])
def test_a_checker_that_gives_no_verdict_is_503_with_retry_after(client, checker, mine, mode):
    checker.mode = mode

    answer = read(client)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer["Retry-After"]) == 1
    assert SECRET not in answer.content.decode()


def test_an_outage_is_not_remembered_as_a_verdict(client, checker, mine):
    checker.mode = 500
    assert read(client).status_code == 503

    checker.mode = "ok"

    assert read(client).status_code == 200


def test_an_absent_checker_is_soon_not_asked_any_more(client, mine, settings):
    settings.HEARE_AUTH_URL = "http://127.0.0.1:9"
    settings.MEMORYHUB_TOKEN_CACHE_S = 0.0
    assert [read(client).status_code for _ in range(3)] == [503, 503, 503]

    started = time.perf_counter()
    answers = [read(client) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {503}
    assert time.perf_counter() - started < 1
    assert 1 <= int(answers[0]["Retry-After"]) <= 5


def test_our_own_tokens_pass_while_the_checker_is_away(client, mine, settings):
    settings.HEARE_AUTH_URL = "http://127.0.0.1:9"

    assert read(client, make_token(mine)).status_code == 200


def test_a_checker_that_hangs_holds_four_threads_at_most(checker):
    checker.mode, checker.hang_s = "hang", 3.0
    asked = heare.Checker(checker.url, "")
    outcomes = []

    def ask(number):
        started = time.perf_counter()
        try:
            asked.verdict(f"sec_{number}")
        except heare.Unavailable:
            outcomes.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 12
    assert sum(seconds < 2 for seconds in outcomes) == 8


def test_the_token_is_not_logged_when_the_checker_fails(client, checker, mine, caplog, capfd):
    checker.mode = "drop"
    read(client)

    assert SECRET not in caplog.text + "".join(capfd.readouterr())


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_try():
    breaker = Breaker(failures=2, open_s=5)
    breaker.failed(now=0)
    assert breaker.wait_s(now=0) == 0
    breaker.failed(now=1)

    assert breaker.wait_s(now=2) == 4
    assert breaker.wait_s(now=6) == 0
    assert breaker.wait_s(now=6) == 5
    breaker.succeeded()
    assert breaker.wait_s(now=6) == 0
