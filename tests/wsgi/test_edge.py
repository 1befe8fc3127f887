import io
import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from memoryhub.edge import Edge, EdgeRules
from memoryhub.proxies import TrustedProxies
from memoryhub.routing import root_routes


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seen: dict[str, Any] | None
    """What the application behind the edge got; None when it was not asked."""
    bound: dict[str, Any] = field(default_factory=dict)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["Content-Type"] == "application/problem+json"
        return dict(json.loads(self.body))


def ask(
    path: str = "/api/v1/x",
    *,
    method: str = "GET",
    rules: EdgeRules | None = None,
    answers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),),
    reads: int = 0,
    **environ: Any,
) -> Answer:
    """One request through an edge around an application that only says 200 and remembers what it saw.

    It takes in `reads` bytes of the body.
    """
    seen: list[dict[str, Any]] = []
    bound: dict[str, Any] = {}

    def application(given: Any, start_response: Any) -> list[bytes]:
        seen.append(dict(given))
        bound.update(structlog.contextvars.get_contextvars())
        given["wsgi.input"].read(reads)
        start_response("200 OK", list(answers))
        return [b"inner"]

    started: list[Any] = []
    request = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "198.51.100.7",
        "HTTP_HOST": "hub.example",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **environ,
    }
    edge = Edge(application, rules or EdgeRules())
    body = b"".join(edge(request, lambda status, headers, exc_info=None: started.append((status, headers))))
    [(status, headers)] = started
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names))
    return Answer(int(status.split()[0]), dict(headers), body, seen[0] if seen else None, bound)


# --- connections


@pytest.mark.parametrize("reads, ends", [(0, True), (2, True), (3, False)])
def test_an_answer_before_the_body_was_read_says_that_the_connection_ends(reads: int, ends: bool) -> None:
    answer = ask(method="PUT", CONTENT_LENGTH="3", reads=reads, **{"wsgi.input": io.BytesIO(b"abc")})

    assert answer.headers.get("Connection") == ("close" if ends else None)


@pytest.mark.parametrize("length, ends", [("3", True), ("0", False), ("", False)])
def test_a_refusal_before_the_body_was_looked_at_says_so_too(length: str, ends: bool) -> None:
    answer = ask("/api/\x01", method="POST", CONTENT_LENGTH=length)

    assert (answer.status, answer.headers.get("Connection")) == (400, "close" if ends else None)


# --- request ids


@pytest.mark.parametrize("given", ["abc-123", "A.b_c", "x" * 128])
def test_a_sane_request_id_is_taken_bound_and_returned(given: str) -> None:
    answer = ask(HTTP_X_REQUEST_ID=given)

    assert answer.headers["X-Request-ID"] == given
    assert answer.bound == {"request_id": given}


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "caf\u00e9", "a\n", '"quoted"'])
def test_another_request_id_is_replaced(given: str) -> None:
    answer = ask(HTTP_X_REQUEST_ID=given)

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_refusals_carry_the_request_id_too() -> None:
    answer = ask("/\xff", HTTP_X_REQUEST_ID="r-1")

    assert answer.status == 400
    assert answer.headers["X-Request-ID"] == "r-1"
    assert answer.problem["request_id"] == "r-1"


def test_nothing_is_left_of_an_earlier_request_on_the_thread() -> None:
    structlog.contextvars.bind_contextvars(job_id="old")

    assert list(ask().bound) == ["request_id"]


# --- paths


@pytest.mark.parametrize("path", ["/\xff", "/a\x00", "/a\nb", "*", ""])
def test_a_path_that_is_no_text_is_refused_before_the_application(path: str) -> None:
    answer = ask(path)

    assert (answer.status, answer.problem["code"], answer.problem["rule"]) == (400, "bad_path", "encoding")
    assert answer.seen is None


def test_a_path_beyond_ascii_goes_through_as_wsgi_spells_it() -> None:
    answer = ask("/caf\u00c3\u00a9")

    assert answer.seen is not None
    assert answer.seen["PATH_INFO"] == "/caf\u00c3\u00a9"


def test_a_token_in_the_path_moves_out_of_it() -> None:
    path = "/w/team/coordinator/t/mhp_secret/push"
    answer = ask(path, method="POST", CONTENT_LENGTH="2", RAW_URI=path, REQUEST_URI=path)

    assert answer.seen is not None
    assert answer.seen["memoryhub.path_token"] == "mhp_secret"
    del answer.seen["memoryhub.path_token"]
    assert "mhp_secret" not in str(answer.seen)
    assert answer.seen["PATH_INFO"] == "/w/team/coordinator/push"


def test_a_root_dialect_is_rewritten_and_keeps_every_byte() -> None:
    rules = EdgeRules(roots=root_routes("memory-proxy:default", ()))

    answer = ask("/ns/blob/caf\u00c3\u00a9", rules=rules)

    assert answer.seen is not None
    assert answer.seen["PATH_INFO"] == "/w/default/memory-proxy/ns/blob/caf\u00c3\u00a9"


def test_root_health_stays_the_hub_s_own() -> None:
    answer = ask("/health", rules=EdgeRules(roots=root_routes("memory-proxy:default", ())))

    assert answer.seen is not None
    assert answer.seen["PATH_INFO"] == "/health"


# --- lengths


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_a_chunked_body_is_411(method: str) -> None:
    answer = ask(method=method, HTTP_TRANSFER_ENCODING="chunked")

    assert (answer.status, answer.problem["code"]) == (411, "length_required")
    assert answer.seen is None


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_put_without_a_length_is_411(method: str) -> None:
    assert ask(method=method).status == 411


def test_over_http_2_any_body_needs_its_length() -> None:
    assert ask(method="POST", SERVER_PROTOCOL="HTTP/2").status == 411


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST"])
def test_a_request_without_a_body_needs_no_length(method: str) -> None:
    assert ask(method=method).status == 200


@pytest.mark.parametrize("length", ["+3", "-1", "3, 3", "0x10", "\u0663", "1" * 20, "3.0"])
def test_a_length_that_is_no_number_is_400(length: str) -> None:
    answer = ask(method="PUT", CONTENT_LENGTH=length)

    assert (answer.status, answer.problem["code"]) == (400, "bad_length")
    assert answer.seen is None


def test_two_ways_to_end_a_body_are_400() -> None:
    assert ask(method="PUT", CONTENT_LENGTH="3", HTTP_TRANSFER_ENCODING="chunked").status == 400


# --- headers that decide something


@pytest.mark.parametrize(
    "name",
    [
        "CONTENT_TYPE",
        "HTTP_CONTENT_ENCODING",
        "HTTP_CONTENT_MD5",
        "HTTP_CONTENT_DIGEST",
        "HTTP_REPR_DIGEST",
        "HTTP_IF_MATCH",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_MATCH_VERSION",
        "HTTP_IF_RANGE",
        "HTTP_RANGE",
        "HTTP_IDEMPOTENCY_KEY",
    ],
)
@pytest.mark.parametrize("value", ["", " ", "text/\u00e9"])
def test_a_deciding_header_that_cannot_be_read_is_400(name: str, value: str) -> None:
    answer = ask(method="PUT", CONTENT_LENGTH="0", **{name: value})

    assert (answer.status, answer.problem["code"]) == (400, "bad_request")
    assert answer.problem["header"].upper().replace("-", "_") == name.removeprefix("HTTP_")
    assert answer.seen is None


@pytest.mark.parametrize("value", ['"a",', ',"a"', '"a",,"b"'])
def test_a_list_with_a_value_that_was_lost_is_400(value: str) -> None:
    assert ask(method="PUT", CONTENT_LENGTH="0", HTTP_IF_MATCH=value).status == 400


@pytest.mark.parametrize("name", ["HTTP_CONTENT_MD5", "HTTP_IF_MATCH_VERSION"])
def test_an_older_wire_refuses_its_own_empty_conditions_itself(name: str) -> None:
    assert ask("/w/a/memory-proxy/blob/x", method="PUT", CONTENT_LENGTH="0", **{name: ""}).status == 200


def test_readable_headers_pass() -> None:
    answer = ask(CONTENT_TYPE='text/plain; title=","', HTTP_IF_NONE_MATCH='"a", W/"b"', HTTP_RANGE="bytes=0-1,3-4")

    assert answer.status == 200


# --- hosts

NAMED = EdgeRules(allowed_hosts=("hub.example", ".wide.example"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("hub.example", 200),
        ("HUB.example:8000", 200),
        ("a.wide.example", 200),
        ("wide.example", 200),
        ("other.example", 400),
        ("", 400),
        ("hub.example@evil", 400),
    ],
)
def test_only_the_hub_s_own_names_are_answered(host: str, status: int) -> None:
    answer = ask(rules=NAMED, HTTP_HOST=host)

    assert answer.status == status
    if status == 400:
        assert answer.problem["code"] == "bad_request"
        assert answer.seen is None


def test_a_refusal_tells_the_path_without_the_token_in_it() -> None:
    answer = ask("/w/mine/coordinator/t/secret/pull", rules=NAMED, HTTP_HOST="other.example")

    assert answer.problem["instance"] == "/w/mine/coordinator/pull"
    assert b"secret" not in answer.body


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["other.example", "10.0.0.7:8000", "", "not a host"])
def test_probes_answer_under_any_name(path: str, host: str) -> None:
    answer = ask(path, rules=NAMED, HTTP_HOST=host)

    assert answer.status == 200
    assert answer.seen is not None
    assert "HTTP_HOST" not in answer.seen


# --- proxies

BEHIND = EdgeRules(proxies=TrustedProxies(("10.0.0.0/8",)))
FORWARDED = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.5",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "public.example",
}


def test_a_trusted_proxy_says_who_asked_for_what_and_how() -> None:
    seen = ask(rules=BEHIND, REMOTE_ADDR="10.0.0.2", **FORWARDED).seen

    assert seen is not None
    assert seen["REMOTE_ADDR"] == "203.0.113.5"
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("https", "public.example")


def test_a_stranger_s_forwarding_headers_are_taken_away() -> None:
    seen = ask(rules=BEHIND, REMOTE_ADDR="198.51.100.7", **FORWARDED).seen

    assert seen is not None
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("198.51.100.7", "http", "hub.example")
    assert not set(seen) & set(FORWARDED)
    assert seen["memoryhub.forwarded"] is True


def test_a_direct_request_is_not_marked_as_forwarded() -> None:
    seen = ask(rules=BEHIND, REMOTE_ADDR="10.0.0.2").seen

    assert seen is not None
    assert "memoryhub.forwarded" not in seen


def test_a_forwarded_host_must_be_the_hub_s_own_too() -> None:
    rules = EdgeRules(allowed_hosts=("hub.example",), proxies=TrustedProxies(("10.0.0.0/8",)))

    assert ask(rules=rules, REMOTE_ADDR="10.0.0.2", **FORWARDED).status == 400


def test_a_forwarded_scheme_that_is_none_changes_nothing() -> None:
    seen = ask(rules=BEHIND, REMOTE_ADDR="10.0.0.2", HTTP_X_FORWARDED_PROTO="gopher").seen

    assert seen is not None
    assert seen["wsgi.url_scheme"] == "http"


# --- https

SECURE = EdgeRules(https_required=True, roots=root_routes("memory-proxy:default", ()))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", ["/api/v1/x", "/w/a/memory-proxy/sync", "/sync", "/blob/x", "/ns/blob/x"])
def test_machines_over_plain_http_are_refused_and_never_redirected(path: str, method: str) -> None:
    answer = ask(path, method=method, rules=SECURE, CONTENT_LENGTH="0")

    assert (answer.status, answer.problem["code"]) == (403, "https_required")
    assert "Location" not in answer.headers
    assert answer.seen is None


def test_a_page_moves_to_https() -> None:
    answer = ask("/admin/", rules=SECURE, HTTP_HOST="hub.example:8000", QUERY_STRING="a=b")

    assert (answer.status, answer.headers["Location"]) == (301, "https://hub.example/admin/?a=b")
    assert answer.seen is None


def test_a_page_moves_to_the_public_address_where_there_is_one() -> None:
    rules = EdgeRules(https_required=True, public_url="https://public.example:8443")

    assert ask("//evil.example/", rules=rules).headers["Location"] == "https://public.example:8443//evil.example/"


def test_a_form_over_plain_http_is_refused() -> None:
    assert ask("/admin/login/", method="POST", rules=SECURE, CONTENT_LENGTH="0").status == 403


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", "/metrics"])
def test_probes_and_metrics_need_no_https(path: str) -> None:
    assert ask(path, rules=SECURE).status == 200


def test_https_answers_ask_browsers_to_stay() -> None:
    secure = ask(rules=SECURE, **{"wsgi.url_scheme": "https"})

    assert secure.status == 200
    assert secure.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in ask(**{"wsgi.url_scheme": "https"}).headers


# --- headers


def test_every_answer_has_the_secure_headers() -> None:
    for answer in (ask(), ask("/\xff")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Content-Security-Policy" not in answer.headers


def test_pages_have_a_policy_without_other_hosts() -> None:
    policy = ask("/admin/", answers=(("Content-Type", "text/html; charset=utf-8"),)).headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'self'; ")
    assert "http" not in policy


def test_an_answer_s_own_headers_stay() -> None:
    own = (("Content-Type", "text/html"), ("content-security-policy", "sandbox"), ("X-Frame-Options", "SAMEORIGIN"))

    headers = ask(answers=own).headers

    assert headers["content-security-policy"] == "sandbox"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
