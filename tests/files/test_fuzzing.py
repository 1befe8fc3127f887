"""Requests as no client would write them, byte by byte on the socket.

Whatever is sent: no answer of 500 or above, no traceback, nothing is written, and the next client is served.
The long form: HUB_TEST_EXAMPLES=20000 ./hub test -n0 tests/files/test_fuzzing.py
"""

import os
import random
import re
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.live import LiveHub, LiveWorkspace

EXAMPLES = int(os.environ.get("HUB_TEST_EXAMPLES", "150"))
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class Wire:
    """Speaks HTTP/1.1 as raw bytes with one hub, as one workspace's editor."""

    def __init__(self, hub: LiveHub, workspace: LiveWorkspace) -> None:
        self.port = hub.port
        self.base = f"/api/v1/workspaces/{workspace.slug}".encode()
        self.authorization = b"Authorization: Bearer " + workspace.token.encode()

    def send(self, data: bytes, *, half_close: bool = True) -> bytes:
        """All that the hub answers until it closes the connection, or is silent for two seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            answer = b""
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65_536):
                    answer += piece
            except OSError:
                pass  # Silent, or closed by the hub while it was still being spoken to.
            return answer

    def request(self, method: bytes, target: bytes, *headers: bytes, body: bytes | None = None) -> bytes:
        lines = [
            method + b" " + target + b" HTTP/1.1",
            b"Host: hub",
            self.authorization,
            b"Connection: close",
            *headers,
        ]
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        return self.send(b"\r\n".join(lines) + b"\r\n\r\n" + (body or b""), half_close=False)


@pytest.fixture
def wire(live_hub: LiveHub) -> Iterator[Wire]:
    """Afterwards the hub still serves, knows no new file, and has logged no fault."""
    workspace = live_hub.workspace()
    said = len(live_hub.said())
    yield Wire(live_hub, workspace)
    with workspace.client() as client:
        assert client.put("/files/after", content=b"x", headers={"If-None-Match": "*"}).json()["version"] == 1
        assert [row[0] for row in client.get("/index").json()["files"][1:]] == ["after"]
    log = live_hub.said()[said:]
    assert "Traceback" not in log
    assert "request_failed" not in log


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in STATUS.findall(answer)]


def assert_refused(answer: bytes, sent: bytes) -> None:
    """One refusal, or the connection closed without a word, as a server may do to what is not HTTP."""
    assert b"Traceback" not in answer
    assert len(statuses(answer)) <= 1, answer[:500]
    for status in statuses(answer):
        assert 400 <= status < 500, (sent[:300], answer[:500])


def random_path(chance: random.Random) -> bytes:
    """Segments that break a rule somewhere, raw or percent-encoded."""
    pieces = [
        b"..",
        b".",
        b"",
        b"%2e%2e",
        b"%00",
        b"%0a",
        b"%ff",
        b"%c3%28",
        b"%ed%a0%80",
        b"\\",
        b"%5c",
        b".memoryhub/a",
        b"a" * 300,
        b"%",
        b"%zz",
        b"%2",
        b"//",
        b"\xff",
        b"\xc3\xa9",
        b"%u0041",
        b"%c0%ae",
        b"a%85b",
        b"%7f",
    ]
    parts = [chance.choice(pieces) for _ in range(chance.randrange(1, 5))]
    # One that is refused whatever stands around it.
    parts.insert(
        chance.randrange(len(parts) + 1), chance.choice([b"%2e%2e", b"%00", b"%ff", b"%5c", b"a" * 300, b"%0d%0a"])
    )
    return chance.choice([b"/", b"%2f"]).join(parts)


def test_no_path_breaks_the_hub(wire: Wire) -> None:
    chance = random.Random(7)

    for _ in range(EXAMPLES):
        target = wire.base + b"/files/" + random_path(chance)
        method = chance.choice([b"GET", b"PUT", b"DELETE", b"HEAD"])
        body = b"x" if method == b"PUT" else None
        answer = wire.request(method, target + b"?overwrite=true", body=body)
        assert_refused(answer, target)


@pytest.mark.parametrize(
    "place", [b"/files/", b"/files/a", b"/index?prefix=", b"/changes?since=", b"/history/", b"?", b"/files/a?version="]
)
def test_no_single_byte_of_an_address_breaks_the_hub(wire: Wire, place: bytes) -> None:
    for byte in range(0, 256, 1 if EXAMPLES > 1000 else 5):
        for text in (bytes([byte]), b"%%%02x" % byte):
            answer = wire.request(b"GET", wire.base + place + text)
            assert all(status < 500 for status in statuses(answer)), (text, answer[:300])
            assert b"Traceback" not in answer


HEADERS = [
    b"If-Match",
    b"If-None-Match",
    b"Range",
    b"If-Range",
    b"Content-MD5",
    b"Content-Digest",
    b"Repr-Digest",
    b"Content-Type",
    b"Content-Encoding",
    b"Accept-Encoding",
    b"X-Request-ID",
    b"Idempotency-Key",
    b"X-Forwarded-For",
    b"Authorization",
    b"Cookie",
    b"Host",
    b"Accept",
    b"Origin",
]


def random_value(chance: random.Random) -> bytes:
    kinds: list[Callable[[], bytes]] = [
        lambda: (
            bytes(chance.randrange(256) for _ in range(chance.randrange(40))).replace(b"\r", b"").replace(b"\n", b"")
        ),
        lambda: b'"' * chance.randrange(1, 50),
        lambda: b"bytes=" + b"-".join(b"%d" % chance.randrange(10**18) for _ in range(chance.randrange(4))),
        lambda: b"9" * chance.randrange(1, 3000),
        lambda: b", ".join([b'"1"'] * chance.randrange(1, 500)),
        lambda: b"sha-256=:" + b"A" * chance.randrange(100) + b":",
        lambda: "é\u0000\ud7ff".encode() * chance.randrange(1, 50),
        lambda: b"",
        lambda: b"text/html; charset=" + b"\xff" * 10,
    ]
    return chance.choice(kinds)()


def test_no_header_breaks_the_hub(wire: Wire) -> None:
    """Reads, and writes whose condition is never fulfilled."""
    chance = random.Random(11)

    for _ in range(EXAMPLES):
        headers = [name + b": " + random_value(chance) for name in chance.sample(HEADERS, chance.randrange(1, 4))]
        method, target = chance.choice(
            [
                (b"GET", b"/index"),
                (b"GET", b"/files/a"),
                (b"HEAD", b"/files/a"),
                (b"PUT", b"/files/a"),
                (b"POST", b"/files:put"),
                (b"POST", b"/files:move"),
            ]
        )
        if method == b"PUT":
            headers.append(b'If-Match: "7"')
        answer = wire.request(method, wire.base + target, *headers, body=b"x" if method in (b"PUT", b"POST") else None)
        assert all(status < 500 for status in statuses(answer)), (headers, answer[:300])
        assert b"Traceback" not in answer


def framed(wire: Wire, *lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join(
        [b"PUT " + wire.base + b"/files/a?overwrite=true HTTP/1.1", b"Host: hub", wire.authorization, *lines]
    ) + (b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([], b""),
        ([b"Content-Length: -1"], b""),
        ([b"Content-Length: x"], b""),
        ([b"Content-Length: 1.5"], b"x"),
        ([b"Content-Length: 99999999999999999999"], b"x"),
        ([b"Content-Length: 5"], b"x"),
        ([b"Content-Length: 100000"], b"x" * 70_000),
        ([b"Content-Length: 1", b"Content-Length: 2"], b"xy"),
        ([b"Content-Length: 1", b"Transfer-Encoding: chunked"], b"1\r\nx\r\n0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"1\r\nx\r\n0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"1\r\nx"),
        ([b"Transfer-Encoding: chunked"], b"zz\r\n"),
        ([b"Transfer-Encoding: identity"], b"x"),
        ([b"Transfer-Encoding: gzip, chunked"], b"1\r\nx\r\n0\r\n\r\n"),
        ([b"Content-Length : 1"], b"x"),
        ([b"Content-Length: 1\r\n folded"], b"x"),
        ([b"X: " + b"h" * 2_000_000, b"Content-Length: 1"], b"x"),
        ([b"X%d: y" % number for number in range(500)] + [b"Content-Length: 1"], b"x"),
        ([b"Bad Name: y", b"Content-Length: 1"], b"x"),
        ([b"\x00: y", b"Content-Length: 1"], b"x"),
        ([b"no colon", b"Content-Length: 1"], b"x"),
    ],
    ids=range(21),
)
def test_a_body_that_is_framed_wrongly_writes_nothing(wire: Wire, lines: list[bytes], body: bytes) -> None:
    sent = framed(wire, *lines, body=body)

    assert_refused(wire.send(sent), sent)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: hub\r\n\r\n",
        b"GET /index HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET " + b"/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: hub\r\n\r\n",
        b"GET http://elsewhere/x HTTP/1.1\r\nHost: hub\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n",
        b"CONNECT hub:443 HTTP/1.1\r\nHost: hub\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n",
        bytes(range(256)) * 10,
    ],
    ids=range(13),
)
def test_what_is_hardly_http_gets_no_answer_or_a_refusal(wire: Wire, sent: bytes) -> None:
    assert_refused(wire.send(sent), sent)


def test_the_connection_serves_on_after_a_refused_body(wire: Wire) -> None:
    """The bytes of a body that nobody read are not taken for the next request."""
    smuggled = b"DELETE " + wire.base + b"/files/a?overwrite=true HTTP/1.1\r\nHost: hub\r\n\r\n"
    first = b"\r\n".join(
        [
            b"PUT " + wire.base + b"/files/a HTTP/1.1",
            b"Host: hub",
            wire.authorization,
            b"Content-Length: %d" % len(smuggled),
            b"",
            smuggled,
        ]
    )
    second = b"\r\n".join(
        [b"GET " + wire.base + b"/changes HTTP/1.1", b"Host: hub", wire.authorization, b"Connection: close", b"", b""]
    )

    answer = wire.send(first + second, half_close=False)

    assert statuses(answer) in ([428, 200], [428])


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    def get(path: bytes, *more: bytes) -> bytes:
        return b"\r\n".join(
            [b"GET " + wire.base + path + b" HTTP/1.1", b"Host: hub", wire.authorization, *more, b"", b""]
        )

    answer = wire.send(
        get(b"/files/never") + get(b"/index") + get(b"/files/%2e%2e") + get(b"/changes", b"Connection: close"),
        half_close=False,
    )

    assert statuses(answer) == [404, 200, 400, 200]


def test_head_and_304_answers_have_no_body_on_the_wire(wire: Wire) -> None:
    head = wire.request(b"HEAD", wire.base + b"/index")
    known = wire.request(b"GET", wire.base + b"/index", b"If-None-Match: *")
    refused = wire.request(b"HEAD", wire.base + b"/files/never")

    for answer, status in ((head, 200), (known, 304), (refused, 404)):
        headers, _, body = answer.partition(b"\r\n\r\n")
        assert (statuses(answer), body) == ([status], b"")
        if status == 304:
            assert b"content-length" not in headers.lower() and b"transfer-encoding" not in headers.lower()


def test_a_slow_sender_is_waited_for(wire: Wire) -> None:
    sent = framed(wire, b"Content-Length: 1", b'If-Match: "9"', body=b"x").replace(b"?overwrite=true", b"")
    with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as connection:
        for start in range(0, len(sent), 40):
            connection.sendall(sent[start : start + 40])
        answer = connection.recv(65_536)

    assert statuses(answer) == [412]
