"""A stock coordinator: takes any push, sums all of them up, answers as the original does."""

import json
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.server import FakeServer


class FakeCoordinator(FakeServer):
    """`seen` has method, path, headers and body of each request. With `status` every answer is that refusal."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        self.status = 0
        self.retry_after = ""
        self.tag = ""
        self.answer: Any = None
        """In place of the merged view."""
        coordinator = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                coordinator.seen.append(("POST", self.path, dict(self.headers), body))
                self._send({"status": "accepted", "agent_id": body["summary"]["agent_id"]})

            def do_GET(self) -> None:
                coordinator.seen.append(("GET", self.path, dict(self.headers), None))
                if coordinator.tag and self.headers.get("If-None-Match") == coordinator.tag:
                    self.send_response(304)
                    self.end_headers()
                    return
                self._send(coordinator.merged() if coordinator.answer is None else coordinator.answer)

            def _send(self, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(coordinator.status or 200)
                if coordinator.retry_after:
                    self.send_header("Retry-After", coordinator.retry_after)
                if coordinator.tag:
                    self.send_header("ETag", coordinator.tag)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: Any) -> None:
                pass

        super().__init__(Handler)

    def pushes(self) -> list[dict[str, Any]]:
        return [body["summary"] for method, _path, _headers, body in self.seen if method == "POST"]

    def merged(self) -> dict[str, Any]:
        totals: Counter[str] = Counter()
        for summary in self.pushes():
            totals.update(summary["topic_counts"])
        return {
            "merged_topic_counts": dict(totals),
            "unique_fact_hashes": sorted({label for each in self.pushes() for label in each["fact_hashes"]}),
            "contributing_agents": len({each["agent_id"] for each in self.pushes()}),
            "last_updated": max((each["timestamp"] for each in self.pushes()), default=""),
            "metadata": None,
        }
