"""Both clients before something else than a hub, or with something between: every call ends in an error of ours."""

import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from memoryhub.client import (
    ANY,
    ChangedWhileSent,
    DamagedAnswer,
    Delete,
    Moved,
    Put,
    Revert,
    Transfer,
    TryLater,
)
from memoryhub.client.sending import digest_header
from tests.client.conftest import QUICK

EVERYTHING = re.compile("")


def index_stream(hub: Any) -> None:
    with hub.index_stream() as (_cursor, files):
        list(files)


CALLS: dict[str, Callable[[Any], Any]] = {
    "read": lambda hub: hub.read("a"),
    "stream": lambda hub: list(hub.stream("a")),
    "stat": lambda hub: hub.stat("a"),
    "put": lambda hub: hub.put("a", b"", if_version=0),
    "delete": lambda hub: hub.delete("a", if_version=1),
    "history": lambda hub: hub.history("a"),
    "put_many": lambda hub: hub.put_many([Put("a", b"", 0), Delete("b", ANY)]),
    "get_many": lambda hub: hub.get_many([("a", None)]),
    "copy": lambda hub: hub.copy([Transfer("a", "b")]),
    "move": lambda hub: hub.move([Transfer("a", "b")]),
    "revert": lambda hub: hub.revert([Revert("a", 1, ANY)]),
    "purge": lambda hub: hub.purge("a", confirm="a"),
    "info": lambda hub: hub.info(),
    "changes": lambda hub: hub.changes(),
    "index": lambda hub: hub.index(),
    "index_stream": index_stream,
}


@pytest.fixture
def stranger(connect: Callable[..., Any], httpserver: HTTPServer) -> Any:
    """A client that believes that `httpserver` is a hub."""
    return connect(httpserver.url_for("").rstrip("/"))


@pytest.mark.parametrize("name", CALLS)
def test_another_address_is_told(stranger: Any, httpserver: HTTPServer, name: str) -> None:
    there = "https://hub.example.org/api/v1"
    httpserver.expect_request(EVERYTHING).respond_with_response(Response(status=301, headers={"Location": there}))

    with pytest.raises(Moved) as moved:
        CALLS[name](stranger)

    assert str(moved.value) == f"The hub is not at this address, which points to {there}."
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"items": [{}], "files":[7]}', b"\xff"])
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_is_no_hubs_is_told(stranger: Any, httpserver: HTTPServer, name: str, body: bytes) -> None:
    httpserver.expect_request(EVERYTHING).respond_with_response(Response(body, status=200))

    with pytest.raises(DamagedAnswer):
        CALLS[name](stranger)

    assert len(httpserver.log) == 1


def test_a_refusal_that_is_no_hubs_is_one(stranger: Any, httpserver: HTTPServer) -> None:
    headers = {"Retry-After": "\xb2"}
    httpserver.expect_request(EVERYTHING).respond_with_response(Response("<html>", status=503, headers=headers))

    with pytest.raises(TryLater) as refused:
        stranger.info()

    assert (refused.value.code, refused.value.retry_after_s) == ("http_503", None)
    assert len(httpserver.log) == QUICK.attempts


def test_an_answer_to_less_than_was_asked_is_none(stranger: Any, httpserver: HTTPServer) -> None:
    httpserver.expect_request(EVERYTHING).respond_with_response(Response(bytes(4), status=200))

    with pytest.raises(DamagedAnswer):
        stranger.get_many([("a", None)])


def test_a_call_whose_first_sending_still_runs_is_one_to_try_later(stranger: Any, httpserver: HTTPServer) -> None:
    httpserver.expect_request(EVERYTHING).respond_with_json({"code": "idempotency_in_use"}, status=409)

    with pytest.raises(TryLater):
        stranger.move([Transfer("a", "b")])

    assert len({request.headers["Idempotency-Key"] for request, _ in httpserver.log}) == 1
    assert len(httpserver.log) == QUICK.attempts


def test_a_proxy_that_packs_answers_does_not_spoil_a_download(
    stranger: Any, httpserver: HTTPServer, tmp_path: Path
) -> None:
    data = b"a note " * 1000

    def packed(request: Request) -> Response:
        headers = {"ETag": '"1"', "Repr-Digest": digest_header(hashlib.sha256(data).digest())}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return Response(gzip.compress(data), headers=headers | {"Content-Encoding": "gzip"})
        return Response(data, headers=headers)

    httpserver.expect_request(EVERYTHING).respond_with_handler(packed)

    stranger.download("a", tmp_path / "a")

    assert (stranger.read("a"), (tmp_path / "a").read_bytes(), stranger.stat("a").size_bytes) == (data, data, len(data))


def test_a_file_that_becomes_shorter_while_it_is_sent_is_told(
    stranger: Any, httpserver: HTTPServer, tmp_path: Path
) -> None:
    note = tmp_path / "note.md"
    note.write_bytes(b"a long note")

    def cut(_request: Request) -> Response:
        note.write_bytes(b"a note")
        return Response(status=503)

    httpserver.expect_request(EVERYTHING).respond_with_handler(cut)

    with pytest.raises(ChangedWhileSent):
        stranger.put("note.md", note, if_version=0)
