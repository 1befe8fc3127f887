"""Every example of the dialect's document, replayed in order on an empty workspace with an empty bucket."""

import json
import re
from pathlib import Path
from typing import Any

from apps.operations.version import hub_version
from memoryhub.settings.table import SETTINGS
from tests.dialects.cloud_sync.service import Service
from tests.dialects.memory_proxy.test_document import BLOCK, Message

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/dialects/cloud-sync.md"
NAME = re.compile(r"[a-z_]+_\d{8}_\d{6}")
TIMELESS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "…"),
    (re.compile(r'"created": \d+\.\d+'), '"created": 0.0'),
    (re.compile(r'"/[^"]*/backups/[^/"]*/'), '"/…/'),
)


def timeless(body: str) -> Any:
    """JSON without its moments and places."""
    text = json.dumps(json.loads(body), ensure_ascii=False).replace(hub_version(), "…")
    for pattern, instead in TIMELESS:
        text = pattern.sub(instead, text)
    return json.loads(NAME.sub(lambda match: match[0][:-15] + "…", text))


def test_every_example_is_answered_as_it_is_written(committed: Service) -> None:
    messages = [Message.of(block) for block in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))]
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    assert len(pairs) == 13
    uploaded = ""

    for request, answer in pairs:
        method, address = request.start.split(" ")
        committed.http.headers.pop("X-API-Key", None)
        headers = {name: value.replace("TOKEN", committed.token) for name, value in request.headers.items()}
        url, body = (text.replace("manual_20260214_120000", uploaded or "never") for text in (address, request.body))

        got = committed.http.request(method, url, content=body.encode() if method == "POST" else None, headers=headers)

        assert f"HTTP/1.1 {got.status_code} {got.reason_phrase}" == answer.start, request.start
        assert timeless(got.text) == timeless(answer.body), request.start
        if address == "/sync/upload":
            uploaded = got.json()["backup_name"]


def test_the_settings_that_the_document_names_are_there() -> None:
    known = {setting.name for setting in SETTINGS} | {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}

    assert set(re.findall(r"CLOUD_SYNC_[A-Z_]+[A-Z]", DOCUMENT.read_text(encoding="utf-8"))) <= known
