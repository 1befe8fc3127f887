"""A small heare-auth: `POST /verify` as the real one answers it, and the ways in which it can fail."""

import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.server import FakeServer


class FakeHeareAuth(FakeServer):
    """`keys` maps a token to its key id. `mode` is `ok`, or how to fail: `hang`, `drop`, `senseless`, or a status code.
    `seen` are the bodies received, `connections` how many sockets were opened.
    """

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.refuse_with = 403
        self.mode: str | int = "ok"
        self.hang_s = 20.0
        self.seen: list[dict[str, Any]] = []
        self.connections = 0
        super().__init__(_handler(self))

    def verdict(self, token: str) -> tuple[int, dict[str, Any]]:
        """What the real one answers. Source: heare-auth's verify route."""
        key_id = self.keys.get(token)
        if key_id is None:
            if self.refuse_with == 200:
                return 200, {"valid": False, "key_id": None, "name": None, "metadata": None, "error": "Invalid API key"}
            return self.refuse_with, {"detail": {"valid": False, "error": "Invalid API key"}}
        return 200, {"valid": True, "key_id": key_id, "name": "laptop", "metadata": {}, "error": None}


def _handler(fake: FakeHeareAuth) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            fake.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.seen.append({"path": self.path, **body})
            if fake.mode == "hang":
                time.sleep(fake.hang_s)
            if fake.mode in {"hang", "drop"}:
                self.close_connection = True
                return
            if isinstance(fake.mode, int):
                self._send(fake.mode, b"{}")
            elif fake.mode == "senseless":
                self._send(200, b"<html>gateway</html>")
            else:
                status, answer = fake.verdict(body.get("api_key", ""))
                self._send(status, json.dumps(answer).encode())

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Silence."""

    return Handler
