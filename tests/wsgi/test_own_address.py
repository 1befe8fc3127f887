"""The coordinator on an address of its own: what its edge does with a request."""

import pytest

from memoryhub.edge import EdgeRules
from memoryhub.routing import Mount, OwnAddress
from tests.wsgi.test_edge import ask

ALONE = EdgeRules(
    allowed_hosts=("agents.example",), roots=OwnAddress(Mount("coordinator", "team")), https_required=True
)


def test_a_token_in_the_path_moves_out_of_it_too() -> None:
    path = "/t/mhp_secret/push"
    environ = {"HTTP_HOST": "agents.example:8001", "wsgi.url_scheme": "https", "RAW_URI": path, "REQUEST_URI": path}

    answer = ask(path, method="POST", rules=ALONE, CONTENT_LENGTH="2", **environ)

    assert answer.seen is not None
    assert answer.seen.pop("memoryhub.path_token") == "mhp_secret"
    assert "mhp_secret" not in str(answer.seen)
    assert answer.seen["PATH_INFO"] == "/w/team/coordinator/push"


def test_health_is_the_dialect_s_under_any_host_and_without_tls() -> None:
    answer = ask("/health", rules=ALONE)

    assert answer.seen is not None
    assert answer.seen["PATH_INFO"] == "/w/team/coordinator/health"


@pytest.mark.parametrize(("host", "code"), [("agents.example", "https_required"), ("other.example", "bad_request")])
def test_everything_else_has_the_hub_s_conditions(host: str, code: str) -> None:
    answer = ask("/pull", rules=ALONE, HTTP_HOST=host)

    assert (answer.problem["code"], answer.seen) == (code, None)
