import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import signals
from django.db import close_old_connections
from structlog.testing import capture_logs

from tests.factories import make_workspace
from tests.services import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def connection_kept() -> Iterator[None]:
    """Django looks after its connections around each request, and would close the one that the test is inside of."""
    watched = (signals.request_started, signals.request_finished)
    for signal in watched:
        signal.disconnect(close_old_connections)
    yield
    for signal in watched:
        signal.connect(close_old_connections)


def ask(
    path: str, *, method: str = "GET", body: bytes = b"", name: str = "application", **environ: Any
) -> tuple[int, dict[str, str], bytes]:
    """One request to the hub's application of this name, as a WSGI server sends it."""
    from memoryhub import wsgi

    application = getattr(wsgi, name)
    started: list[Any] = []
    request = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "198.51.100.7",
        "HTTP_HOST": "hub.example",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        **environ,
    }
    answer = application(request, lambda status, headers, exc_info=None: started.append((status, headers)))
    content = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    [(status, headers)] = started
    return int(status.split()[0]), dict(headers), content


def test_the_request_id_is_the_same_in_answer_problem_and_log() -> None:
    # The contextvars processor runs in the real chain only; capture_logs stands in for the whole of it.
    import structlog

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        status, headers, body = ask("/api/schema", method="POST", HTTP_X_REQUEST_ID="walk-1")

    assert (status, headers["X-Request-ID"], json.loads(body)["request_id"]) == (405, "walk-1", "walk-1")
    assert [event["request_id"] for event in logs] == ["walk-1"]


def test_health_answers_under_any_host() -> None:
    status, headers, body = ask("/health", HTTP_HOST="!! any thing")

    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_host_that_is_none_is_400_for_everything_else() -> None:
    status, _, body = ask("/api/v1/x", HTTP_HOST="!! any thing")

    assert (status, json.loads(body)["code"]) == (400, "bad_request")


def test_a_request_without_a_host_is_answered() -> None:
    assert ask("/docs", HTTP_HOST="", SERVER_PROTOCOL="HTTP/1.0")[0] == 200


@pytest.mark.parametrize(("name", "base"), [("application", "/w/default/coordinator"), ("coordinator", "")])
def test_a_path_token_is_in_no_log(name: str, base: str) -> None:
    make_workspace("default")

    with capture_logs() as logs:
        status, _, _ = ask(f"{base}/t/mhp_abcdefghijkl_secret/push", method="POST", body=b"{}", name=name)

    assert status == 401
    assert "secret" not in str(logs)


def test_on_an_address_of_its_own_the_coordinator_is_at_the_root() -> None:
    status, _, body = ask("/", name="coordinator")

    assert (status, json.loads(body)["service"]) == (200, "agmem-coordinator")


@pytest.mark.parametrize(
    "path", ["/admin/", "/readyz", "/metrics", "/api/v1/workspaces", "/w/default/coordinator/pull"]
)
def test_on_an_address_of_its_own_there_is_nothing_else(path: str) -> None:
    status, headers, body = ask(path, name="coordinator")

    assert (status, headers["Content-Type"], body) == (404, "application/json", b'{"detail":"Not Found"}')


def test_on_an_address_of_its_own_the_files_of_its_pages_are_there() -> None:
    assert ask("/static/memoryhub/icon.svg", name="coordinator")[0] == 200


def start(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "import memoryhub.wsgi"],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"MEMORYHUB_SECRET_KEY": ""},
            "Set MEMORYHUB_SECRET_KEY (or MEMORYHUB_SECRET_KEY_FILE) before starting a server: docs/configuration.md "
            "says what it is; `memoryhub up` makes everything it needs by itself.",
        ),
        (
            {"MEMORYHUB_RATE_LIMIT_LOGIN": "ten"},
            "MEMORYHUB_RATE_LIMIT_LOGIN must be a rate such as 300/m (s, m or h), or off.",
        ),
        (
            {"ROOT_DIALECT": "gopher:default"},
            "ROOT_DIALECT names an unknown dialect: known are cloud-sync, coordinator, memory-proxy.",
        ),
        (
            {"MEMORYHUB_CORS_DIALECTS": "gopher=https://a.example"},
            "MEMORYHUB_CORS_DIALECTS names an unknown dialect: known are cloud-sync, coordinator, memory-proxy.",
        ),
    ],
)
def test_what_is_wrong_stops_the_server_with_one_sentence(environment: dict[str, str], sentence: str) -> None:
    done = start(environment)

    assert (done.returncode, done.stderr.strip()) == (1, sentence)


def test_the_server_starts_without_any_service_and_shares_its_counters(tmp_path: Path) -> None:
    done = start(
        {
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "MEMORYHUB_DATA": str(tmp_path),
            "PROMETHEUS_MULTIPROC_DIR": "",
        }
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "metrics").is_dir()
