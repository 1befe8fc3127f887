"""Which calls are made again, and when."""

import socket
import time

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from apps.common.http import Limits, OutboundClient, Transient, retry_after_s
from tests.common.outbound import LOOPBACK, raw_server, sequence

# Repeating.


def test_transient_answers_are_tried_again(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/").respond_with_handler(
        sequence(Response(status=503), Response(status=502), Response("ok"))
    )

    answer = client.request("GET", httpserver.url_for("/"))

    assert (answer.status, answer.body, len(httpserver.log)) == (200, b"ok", 3)


def test_the_last_transient_answer_is_given_back(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/").respond_with_data("busy", status=503)

    answer = client.request("GET", httpserver.url_for("/"))

    assert (answer.status, answer.body, len(httpserver.log)) == (503, b"busy", 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 501])
def test_a_permanent_answer_is_not_tried_again(status: int, httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/").respond_with_data("", status=status)

    assert client.request("GET", httpserver.url_for("/")).status == status
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("method", "idempotent", "calls"),
    [("GET", None, 3), ("PUT", None, 3), ("DELETE", None, 3), ("POST", None, 1), ("PATCH", None, 1),
     ("POST", True, 3), ("GET", False, 1)],
)  # fmt: skip
def test_only_calls_that_may_be_repeated_are(
    method: str, idempotent: bool | None, calls: int, httpserver: HTTPServer, client: OutboundClient
) -> None:
    httpserver.expect_request("/").respond_with_data("", status=503)

    answer = client.request(method, httpserver.url_for("/"), content=b"x", idempotent=idempotent)

    assert (answer.status, len(httpserver.log)) == (503, calls)
    assert {request.data for request, _ in httpserver.log} == {b"x"}


def test_a_connection_that_breaks_is_tried_again(client: OutboundClient) -> None:
    calls = []

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        calls.append(1)
        if len(calls) == 3:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if len(calls) == 2:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\ncut")

    with raw_server(talk) as url:
        assert client.request("GET", url).body == b"ok"

    assert len(calls) == 3


def test_a_post_whose_connection_breaks_is_sent_once(client: OutboundClient) -> None:
    calls = []

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        calls.append(1)

    with raw_server(talk) as url, pytest.raises(Transient) as caught:
        client.request("POST", f"{url}?token=secret", content=b"x")

    assert caught.value.detail == f"the connection to {url.rstrip('/')} failed"
    assert len(calls) == 1


def test_a_closed_port_is_transient(client: OutboundClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(Transient):
        client.request("GET", f"http://127.0.0.1:{port}/")


def test_retry_after_is_waited_for(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/").respond_with_handler(
        sequence(Response(status=429, headers={"Retry-After": "1"}), Response("ok"))
    )
    started = time.monotonic()

    answer = client.request("GET", httpserver.url_for("/"))

    assert answer.body == b"ok"
    assert 1.0 <= time.monotonic() - started < 3


@pytest.mark.parametrize("wish", ["11", "3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_longer_wait_than_the_cap_is_left_to_the_caller(
    wish: str, httpserver: HTTPServer, client: OutboundClient
) -> None:
    httpserver.expect_request("/").respond_with_data("", status=429, headers={"Retry-After": wish})
    started = time.monotonic()

    answer = client.request("GET", httpserver.url_for("/"))

    assert (answer.status, len(httpserver.log)) == (429, 1)
    assert answer.retry_after_s is not None
    assert answer.retry_after_s > 10
    assert time.monotonic() - started < 2


def test_no_attempt_begins_that_the_total_time_cannot_hold(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", status=503, headers={"Retry-After": "5"})
    started = time.monotonic()

    with OutboundClient(allow=LOOPBACK, limits=Limits(total_s=2)) as client:
        assert client.request("GET", httpserver.url_for("/")).status == 503

    assert (len(httpserver.log), time.monotonic() - started < 1.5) == (1, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("0", 0.0),
        ("120", 120.0),
        ("9" * 5000, 9999999999.0),
        ("٣", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:01:40 -0000", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, now=10.0) == expected
