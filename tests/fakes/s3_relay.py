"""Stands in front of an S3 server and fails for some objects, as damaged disks and lost rights do."""

from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx

from tests.fakes.server import FakeServer

KEPT = frozenset({"content-type", "etag", "last-modified"})
NOT_PASSED_ON = frozenset({"host", "connection"})


class S3Relay(FakeServer):
    """Passes GET and HEAD on to the server at `target`; every other request is none that a reader makes."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.seen: list[str] = []
        self._refused: dict[str, int] = {}
        self._cut: set[str] = set()
        self._limit: tuple[int, int] | None = None
        super().__init__(_handler(self))

    def refuse(self, ending: str, status: int) -> None:
        """Answers `status` to requests for objects whose key ends so."""
        self._refused[ending] = status

    def refuse_after(self, requests: int, status: int) -> None:
        """Answers `status` to everything after so many requests."""
        self._limit = requests, status

    def cut(self, ending: str) -> None:
        """Breaks off in the middle of objects whose key ends so."""
        self._cut.add(ending)

    def refusal(self, path: str) -> int | None:
        if self._limit is not None and len(self.seen) > self._limit[0]:
            return self._limit[1]
        return next((status for ending, status in self._refused.items() if path.endswith(ending)), None)

    def is_cut(self, path: str) -> bool:
        return any(path.endswith(ending) for ending in self._cut)


def _handler(relay: S3Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on()

        def do_HEAD(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            relay.seen.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            status = relay.refusal(path)
            if status is not None:
                self._answer(status, {"content-type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
                return
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
            }
            answer = httpx.request(self.command, relay.target + self.path, headers=headers, trust_env=False)
            kept = {name: value for name, value in answer.headers.items() if name in KEPT or name.startswith("x-amz-")}
            if self.command == "HEAD":
                kept["content-length"] = answer.headers.get("content-length", "0")
            self._answer(answer.status_code, kept, answer.content, is_cut=relay.is_cut(path))

        def _answer(self, status: int, headers: dict[str, str], body: bytes, *, is_cut: bool = False) -> None:
            self.send_response(status)
            for name, value in ({"content-length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if is_cut else body)
            self.close_connection = is_cut

        def log_message(self, format: str, *arguments: Any) -> None:
            """Tests read what a relay has seen, not its log."""

    return Handler
