"""Calls that leave the hub: what goes out, what comes back, and how much of it."""

import gzip
import logging
import socket
import threading
import time
import traceback
import tracemalloc

import pytest
from pytest_httpserver import HTTPServer

from apps.common.http import Limits, OutboundClient, OutboundError, Permanent, Transient
from tests.common.outbound import LOOPBACK, raw_server

# What goes out and what comes back.


def test_the_answer_carries_status_headers_and_decoded_body(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/x", query_string={"a": "1", "b": "ü"}, method="GET").respond_with_data(
        gzip.compress(b'{"ok": true}'), status=404, headers={"Content-Encoding": "gzip", "X-Here": "yes"}
    )

    answer = client.request("get", httpserver.url_for("/x?a=1"), params={"b": "ü"})

    assert (answer.status, answer.headers["x-here"], answer.body) == (404, "yes", b'{"ok": true}')
    assert answer.json() == {"ok": True}


def test_json_and_headers_are_sent_and_only_gzip_is_offered(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/x").respond_with_data("")

    client.request(
        "POST", httpserver.url_for("/x"), body_json={"a": 1}, headers={"X-Key": "k", "Accept-Encoding": "br"}
    )

    [(request, _)] = httpserver.log
    assert (request.get_json(), request.headers["Content-Type"]) == ({"a": 1}, "application/json")
    assert (request.headers["X-Key"], request.headers["User-Agent"]) == ("k", "memoryhub")
    assert request.headers["Accept-Encoding"] == "gzip"


def test_a_status_becomes_an_error_only_when_checked(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/403").respond_with_data("no", status=403)
    httpserver.expect_request("/503").respond_with_data("", status=503, headers={"Retry-After": "77"})
    httpserver.expect_request("/204").respond_with_data("", status=204)

    refused, away, fine = (client.request("GET", httpserver.url_for(f"/{code}")) for code in (403, 503, 204))

    with pytest.raises(Permanent) as permanent:
        refused.checked()
    with pytest.raises(Transient) as transient:
        away.checked()
    assert (permanent.value.status, permanent.value.retry_after_s) == (403, None)
    assert (transient.value.status, transient.value.retry_after_s) == (503, 77.0)
    assert fine.checked() is fine


def test_an_answer_that_is_no_json_is_permanent(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/x").respond_with_data("<html>")

    with pytest.raises(Permanent, match="without JSON"):
        client.request("GET", httpserver.url_for("/x")).json()


def test_connections_are_kept_and_cookies_are_not() -> None:
    peers, cookies = [], []

    def talk(connection: socket.socket) -> None:
        peers.append(connection.getpeername())
        while request := connection.recv(65536):
            cookies.append(b"cookie" in request.lower())
            connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok")

    with raw_server(talk) as url, OutboundClient(allow=LOOPBACK) as client:
        for _ in range(2):
            client.request("GET", url)

    assert (len(peers), cookies) == (1, [False, False])


def test_head_has_no_body_and_keeps_the_connection(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/x").respond_with_data("content", headers={"Content-Encoding": "gzip"})

    answer = client.request("HEAD", httpserver.url_for("/x"))

    assert (answer.status, answer.body) == (200, b"")


# Bounds.


def test_a_body_over_the_cap_is_refused_and_one_at_it_is_not(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/fits").respond_with_data(b"x" * 1000)
    httpserver.expect_request("/over").respond_with_data(b"x" * 1001)

    with OutboundClient(allow=LOOPBACK, limits=Limits(max_body_bytes=1000)) as client:
        fits = client.request("GET", httpserver.url_for("/fits"))
        with pytest.raises(Permanent) as caught:
            client.request("GET", httpserver.url_for("/over"))

    assert len(fits.body) == 1000
    assert caught.value.detail == f"http://{httpserver.host}:{httpserver.port} answered with more than 1000 bytes"
    assert len(httpserver.log) == 2


def test_an_endless_body_is_left_at_the_cap() -> None:
    sent = []

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent.append(connection.send(b"x" * 65536))

    with (
        raw_server(talk) as url,
        OutboundClient(allow=LOOPBACK, limits=Limits(max_body_bytes=100_000)) as client,
        pytest.raises(Permanent),
    ):
        client.request("GET", url)

    assert sum(sent) < 20_000_000


def test_a_compressed_bomb_is_met_piece_by_piece(httpserver: HTTPServer) -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, compresslevel=9)
    httpserver.expect_request("/").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})

    with OutboundClient(allow=LOOPBACK, limits=Limits(max_body_bytes=1_000_000)) as client:
        tracemalloc.start()
        with pytest.raises(Permanent, match="more than 1000000 bytes"):
            client.request("GET", httpserver.url_for("/"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    # The imports and threads of the moment count too; a fifth of the bomb would still be far too much.
    assert peak < 40_000_000


@pytest.mark.parametrize(
    ("encoding", "body", "error"),
    [
        ("br", b"anything", Permanent),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x")), Permanent),
        ("gzip", b"not gzip", Permanent),
        ("gzip", gzip.compress(b"x" * 1000)[:-4], Transient),
    ],
    ids=["unknown", "twice", "damaged", "cut"],
)
def test_an_encoding_that_cannot_be_unpacked_is_an_error(
    encoding: str, body: bytes, error: type[OutboundError], httpserver: HTTPServer, client: OutboundClient
) -> None:
    httpserver.expect_request("/").respond_with_data(body, headers={"Content-Encoding": encoding})

    with pytest.raises(error):
        client.request("GET", httpserver.url_for("/"))


def test_gzip_in_several_members_is_one_body(httpserver: HTTPServer, client: OutboundClient) -> None:
    body = gzip.compress(b"one,") + gzip.compress(b"") + gzip.compress(b"x" * 200_000)
    httpserver.expect_request("/").respond_with_data(body, headers={"Content-Encoding": "X-GZip"})

    assert client.request("GET", httpserver.url_for("/")).body == b"one," + b"x" * 200_000


@pytest.mark.parametrize("place", ["before", "headers", "body"])
def test_a_peer_that_drips_meets_the_total_time(place: str) -> None:
    """Each byte comes in time; all together they take too long."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        if place == "before":
            time.sleep(30)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        if place == "body":
            connection.sendall(b"y\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(300):
            connection.sendall(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    with (
        raw_server(talk) as url,
        OutboundClient(allow=LOOPBACK, limits=Limits(total_s=0.5)) as client,
        pytest.raises(Transient, match="did not answer in time"),
    ):
        client.request("GET", url)

    assert 0.4 < time.monotonic() - started < 2


def test_a_peer_that_does_not_read_meets_the_total_time() -> None:
    started = time.monotonic()

    with (
        raw_server(lambda connection: time.sleep(10)) as url,
        OutboundClient(allow=LOOPBACK, limits=Limits(total_s=0.5)) as client,
        pytest.raises(Transient, match="did not answer in time"),
    ):
        client.request("PUT", url, content=b"x" * 50_000_000)

    assert time.monotonic() - started < 3


def test_the_time_of_one_call_can_be_shorter(client: OutboundClient) -> None:
    started = time.monotonic()

    with raw_server(lambda connection: time.sleep(10)) as url, pytest.raises(Transient):
        client.request("GET", url, total_s=0.2)

    assert time.monotonic() - started < 2


def test_a_body_that_nobody_wants_is_not_read_to_its_end() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with raw_server(talk) as url, OutboundClient(allow=LOOPBACK) as client:
        answer = client.request("POST", url, want_body=False)

    assert (answer.status, answer.body) == (200, b"")


# Secrets and bad input.


def test_no_secret_of_a_call_reaches_a_log_or_an_error(
    httpserver: HTTPServer, client: OutboundClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    httpserver.expect_request("/canary-path").respond_with_data("canary-body", status=503)

    answer = client.request(
        "GET", httpserver.url_for("/canary-path?token=canary-query"), headers={"Authorization": "Bearer canary-header"}
    )
    with pytest.raises(Transient) as caught:
        answer.checked()

    assert len(httpserver.log) == 3
    assert "canary" not in "".join([caplog.text, str(caught.value), repr(answer)])


@pytest.mark.parametrize(
    "headers", [{"X": "ü"}, {"X": "a\r\nInjected: yes"}, {"a b": "c"}, {"": "x"}, {"X": "\0"}], ids=str
)
def test_a_header_that_http_cannot_carry_is_permanent(
    headers: dict[str, str], httpserver: HTTPServer, client: OutboundClient
) -> None:
    with pytest.raises(Permanent):
        client.request("GET", httpserver.url_for("/"), headers=headers)

    assert httpserver.log == []


@pytest.mark.parametrize("token", ["canary\n", "canary\u00fc"])
def test_a_token_that_cannot_be_sent_is_in_no_traceback(token: str, httpserver: HTTPServer) -> None:
    with OutboundClient(allow=LOOPBACK) as client, pytest.raises(Permanent) as caught:
        client.request("GET", httpserver.url_for("/"), headers={"Authorization": f"Bearer {token}"})

    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_many_threads_share_one_client(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("ok")
    bodies: list[bytes] = []

    with OutboundClient(allow=LOOPBACK, limits=Limits(max_connections=4)) as client:
        work = [
            threading.Thread(target=lambda: bodies.append(client.request("GET", httpserver.url_for("/")).body))
            for _ in range(20)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()

    assert bodies == [b"ok"] * 20
