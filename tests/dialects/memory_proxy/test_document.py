"""Every example of the dialect's document, replayed in order on an empty workspace."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.operations.version import hub_version
from tests.dialects.memory_proxy.proxy import Proxy

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/dialects/memory-proxy.md"
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True)
class Message:
    start: str
    headers: dict[str, str]
    body: str

    @classmethod
    def of(cls, block: str) -> "Message":
        head, _, body = block.rstrip("\n").partition("\n\n")
        start, *lines = head.split("\n")
        return cls(start, dict(line.split(": ", 1) for line in lines), body)


def timeless(body: str) -> Any:
    """JSON without its moments, or the text itself."""
    body = MOMENT.sub("…", body).replace(hub_version(), "…")
    return json.loads(body) if body.startswith("{") else body


def test_every_example_is_answered_as_it_is_written(proxy: Proxy) -> None:
    messages = [Message.of(block) for block in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))]
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    assert len(pairs) == 16

    for request, answer in pairs:
        method, address = request.start.split(" ")
        url = address.replace("/workspaces/default/", f"/workspaces/{proxy.workspace.slug}/")
        if address.startswith("/api/"):
            url = f"http://hub{url}"
        proxy.http.headers.pop("Authorization", None)
        headers = {name: value.replace("TOKEN", proxy.token) for name, value in request.headers.items()}
        body = request.body.encode() if method in ("PUT", "POST") else None

        got = proxy.http.request(method, url, content=body, headers=headers)

        assert f"HTTP/1.1 {got.status_code} {got.reason_phrase}" == answer.start, request.start
        assert {name: got.headers.get(name) for name in answer.headers} == answer.headers, request.start
        if answer.body or method != "POST":
            assert timeless(got.text) == timeless(answer.body), request.start


def test_the_document_names_every_code_that_the_dialect_answers() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    for code in ("BAD_PATH", "BAD_NAMESPACE", "CHECKSUM_MISMATCH", "QUOTA_EXCEEDED", "SCOPE_MISSING", "TOO_LARGE"):
        assert f"`{code}`" in text
