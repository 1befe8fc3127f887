"""Clients that fall silent, trickle, or take no answer, against a whole hub. All clients here share one address."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests import services
from tests.live import LiveHub, LiveWorkspace

MANY = 40
LIMIT_S = 4
"""MEMORYHUB_REQUEST_TIMEOUT_S of the hub here, and so its longest silence."""
LATE_S = 4
"""A cut may come this much later."""
LARGE = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def hub(service_addresses: dict[str, str]) -> Iterator[LiveHub]:
    name = f"slow_{os.getpid()}"
    settings = services.hub_settings(service_addresses, redis_database=0)
    settings["DATABASE_URL"] = services.create_database(service_addresses, name)
    settings["MEMORYHUB_REQUEST_TIMEOUT_S"] = str(LIMIT_S)
    with LiveHub(Path(service_addresses["directory"]) / name, settings) as hub:
        yield hub


@pytest.fixture(scope="module")
def workspace(hub: LiveHub) -> LiveWorkspace:
    workspace = hub.workspace()
    with workspace.client() as client:
        assert client.put("/files/large.bin?overwrite=true", content=os.urandom(LARGE)).status_code == 201
        assert client.put("/files/small.txt?overwrite=true", content=b"small").status_code == 201
    return workspace


@contextmanager
def clients(
    hub: LiveHub, request: bytes, *, number: int = MANY, receive_bytes: int | None = None
) -> Iterator[list[socket.socket]]:
    """Clients that send `request` and nothing more."""
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            client = stack.enter_context(socket.socket())
            if receive_bytes is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            client.connect(("127.0.0.1", hub.port))
            client.sendall(request)
            opened.append(client)
        time.sleep(0.5)
        yield opened


def put(workspace: LiveWorkspace, name: str, size_bytes: int) -> bytes:
    return (
        f"PUT /api/v1/workspaces/{workspace.slug}/files/{name}?overwrite=true HTTP/1.1\r\nHost: hub\r\n"
        f"Authorization: Bearer {workspace.token}\r\nContent-Length: {size_bytes}\r\n\r\n"
    ).encode()


def seconds_of(call: Callable[[], httpx.Response], status: int = 200) -> float:
    started = time.monotonic()
    assert call().status_code == status
    return time.monotonic() - started


def assert_answers_others(hub: LiveHub, workspace: LiveWorkspace, *, times: int = 3) -> None:
    with workspace.client() as client:
        for _ in range(times):
            assert seconds_of(lambda: httpx.get(f"{hub.url}/healthz", trust_env=False, timeout=20)) < 2
            assert seconds_of(lambda: httpx.get(f"{hub.url}/readyz", trust_env=False, timeout=20)) < 2
            assert seconds_of(lambda: client.get("/files/small.txt")) < 2


def answers_until_the_end(opened: list[socket.socket], timeout_s: float) -> list[bytes]:
    """The first line that each client got; empty for one that was cut. Each must end in time."""
    deadline = time.monotonic() + timeout_s
    lines = []
    for client in opened:
        client.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            lines.append(client.recv(4096).partition(b"\r\n")[0])
        except ConnectionResetError:
            lines.append(b"")
    return lines


def login(hub: LiveHub) -> bytes:
    """A form for the console that anybody can begin to send. Without the cookie it would be refused unread."""
    page = httpx.get(f"{hub.url}/admin/login/", trust_env=False)
    [(name, value)] = page.cookies.items()
    return (
        f"POST /admin/login/ HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Cookie: {name}={value}\r\nContent-Length: 100\r\n\r\nab"
    ).encode()


def test_silent_strangers_leave_the_hub_to_others_and_are_cut(hub: LiveHub, workspace: LiveWorkspace) -> None:
    with clients(hub, login(hub)) as silent:
        assert_answers_others(hub, workspace)
        lines = answers_until_the_end(silent, LIMIT_S + LATE_S)

    assert set(lines) == {b"", b"HTTP/1.1 503 Service Unavailable"}
    assert httpx.get(f"{hub.url}/admin/login/", trust_env=False).status_code == 200


def test_silent_strangers_without_a_token_are_refused_before_their_body(hub: LiveHub, workspace: LiveWorkspace) -> None:
    stranger = LiveWorkspace(hub.url, workspace.slug, "mhp_wrong")

    with clients(hub, put(stranger, "a.txt", 100)) as silent:
        lines = answers_until_the_end(silent, 2)

    assert lines == [b"HTTP/1.1 401 Unauthorized"] * MANY


def test_silent_uploads_leave_the_hub_to_others_and_are_cut(hub: LiveHub, workspace: LiveWorkspace) -> None:
    with clients(hub, put(workspace, "silent.txt", 100) + b"ab") as silent:
        assert_answers_others(hub, workspace)
        lines = answers_until_the_end(silent, LIMIT_S + LATE_S)

    assert set(lines) == {b"", b"HTTP/1.1 503 Service Unavailable"}
    with workspace.client() as client:
        assert client.put("/files/after.txt?overwrite=true", content=b"after").status_code == 201
        assert client.get("/files/silent.txt").status_code == 404


def test_uploads_that_trickle_are_cut(hub: LiveHub, workspace: LiveWorkspace) -> None:
    ended = threading.Event()

    def trickle(opened: list[socket.socket]) -> None:
        while not ended.wait(0.5):
            for client in opened:
                with suppress(OSError):
                    client.send(b"x")

    with clients(hub, put(workspace, "trickle.txt", 100_000)) as opened:
        dripping = threading.Thread(target=trickle, args=(opened,))
        dripping.start()
        try:
            assert_answers_others(hub, workspace)
            lines = answers_until_the_end(opened, LIMIT_S * 2 + LATE_S)
        finally:
            ended.set()
            dripping.join()

    assert set(lines) == {b"", b"HTTP/1.1 503 Service Unavailable"}


def test_a_slow_upload_of_the_same_address_goes_on(hub: LiveHub, workspace: LiveWorkspace) -> None:
    size = 40_000
    with socket.create_connection(("127.0.0.1", hub.port)) as slow:
        slow.sendall(put(workspace, "slow.bin", size))
        with clients(hub, login(hub)) as silent:
            # In all twice as long as silence is waited for.
            for _ in range(20):
                slow.sendall(b"s" * (size // 20))
                time.sleep(LIMIT_S * 2 / 20)
            answers_until_the_end(silent, LATE_S)
        slow.settimeout(10)
        answer = slow.recv(4096)

    assert answer.startswith(b"HTTP/1.1 201 Created")


@pytest.mark.parametrize("kind", ["file", "asset"])
def test_clients_that_take_no_answer_leave_the_hub_to_others_and_are_cut(
    hub: LiveHub, workspace: LiveWorkspace, kind: str
) -> None:
    asset = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    path = f"/api/v1/workspaces/{workspace.slug}/files/large.bin" if kind == "file" else asset
    request = f"GET {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {workspace.token}\r\n\r\n".encode()

    # More than the hub has threads; those that wait a second for a place are gone then.
    with clients(hub, request, number=2 * MANY, receive_bytes=4096):
        time.sleep(2)
        assert_answers_others(hub, workspace)
        time.sleep(LIMIT_S + LATE_S)
        with workspace.client() as client:
            taken = [client.get(f"{hub.url}{path}") for _ in range(4)]

    assert [answer.status_code for answer in taken] == [200] * 4


@pytest.mark.parametrize("header", [b"Content-Type: text/\xe9", b"Content-Encoding: \xe9", b'If-Match: "\xe9"'])
def test_a_header_beyond_ascii_is_refused_and_nothing_is_written(
    hub: LiveHub, workspace: LiveWorkspace, header: bytes
) -> None:
    request = put(workspace, "header.txt", 1).replace(b"Host: hub", b"Host: hub\r\n" + header)
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as client:
        client.sendall(request + b"x")
        answer = client.recv(4096)

    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    with workspace.client() as reader:
        assert reader.get("/files/header.txt").status_code == 404
