"""The native API of one workspace, entered through Django's handler, and proof that a request changed nothing."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from django.core.files.storage import storages
from django.db import connection
from django.test import Client

from apps.blobs.models import Blob, ObjectIntent
from apps.files.frames import END, MEDIA_TYPE, frame, parse_frames
from apps.files.integrity import check
from apps.files.models import ChangeSet, File, FileVersion, Hold
from apps.workspaces.models import Workspace, WorkspaceCounter
from tests.factories import bearer

RECORDS = (File, FileVersion, ChangeSet, Blob, ObjectIntent, Hold, WorkspaceCounter, Workspace)


@dataclass(frozen=True)
class Api:
    """The native API of one workspace, with an editor's token."""

    client: Client
    workspace: Workspace
    token: str

    def url(self, path: str = "") -> str:
        return f"/api/v1/workspaces/{self.workspace.slug}/{path}"

    def object_keys(self) -> list[str]:
        """What lies in the local storage for the workspace, named by a row or not."""
        root = Path(storages["blobs"].path(""))
        return sorted(str(path.relative_to(root)) for path in (root / self.workspace.public_id.hex).glob("*/*"))

    def call(
        self,
        method: str,
        path: str,
        data: Any = b"",
        *,
        type: str = "application/octet-stream",
        announced_bytes: int | None = None,
        **headers: str,
    ) -> Any:
        """One request. Header names have `_` for `-`. `announced_bytes` is a Content-Length that the body breaks."""
        named = bearer(self.token) | {name.replace("_", "-"): value for name, value in headers.items()}
        body = data.encode() if isinstance(data, str) else data
        environ: dict[str, Any] = {"CONTENT_TYPE": type}
        if announced_bytes is not None:
            environ |= {"CONTENT_LENGTH": str(announced_bytes), "wsgi.input": BytesIO(body)}
        elif method in ("PUT", "POST"):
            environ |= {"CONTENT_LENGTH": str(len(body))}
        return self.client.generic(method, self.url(path), body, content_type=type, headers=named, **environ)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def put(self, path: str, data: bytes, *, type: str = "text/markdown", query: str = "", **headers: str) -> Any:
        """Creates, unless a condition is given."""
        if not headers and not query:
            headers = {"If-None-Match": "*"}
        return self.call("PUT", f"files/{path}{query}", data, type=type, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("DELETE", f"files/{path}", **(headers or {"If_Match": "*"}))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("POST", path, json.dumps(body), type="application/json", **headers)

    def put_many(self, *items: tuple[dict[str, Any], bytes], query: str = "") -> Any:
        """Headers and bodies as one batch."""
        data = b"".join(frame(header, body) for header, body in items) + END
        return self.call("POST", f"files:put{query}", data, type=MEDIA_TYPE)

    def get_many(self, *items: dict[str, Any]) -> list[tuple[dict[str, Any], bytes]]:
        """The frames of an answer that must be 200."""
        answer = self.post("files:get", {"items": list(items)})
        assert answer.status_code == 200, answer.content
        assert answer["Content-Type"] == MEDIA_TYPE
        return list(parse_frames(answer.content))


def body_of(answer: Any) -> bytes:
    """The whole body of an answer, streamed or not."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def problem(answer: Any) -> tuple[int, str]:
    """Status and code of a refusal, which must be problem+json that repeats no more than 200 characters of anything."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """All rows that a file operation can touch."""
    return {
        model.__name__: [
            tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
            for row in model.objects.order_by("pk").values_list()
        ]
        for model in RECORDS
    }


@contextmanager
def statements_sent() -> Iterator[list[str]]:
    """Afterwards the list has a `Query` or an `Execute` for each statement that this connection sent to the server.

    Read from libpq's own trace, because the hot paths go past Django's cursors and their counters.
    """
    sent: list[str] = []
    connection.ensure_connection()
    protocol = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as trace:
        protocol.trace(trace.fileno())
        try:
            yield sent
        finally:
            protocol.untrace()
        trace.seek(0)
        sent.extend(re.findall(r"^[0-9:. -]+\tF\t\d+\t(Query|Execute)\t", trace.read(), re.MULTILINE))


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Fails when the block leaves any row different from how it was."""
    before = everything()
    yield
    assert everything() == before


def assert_sound() -> None:
    """Every version has its bytes and all rows agree."""
    report = check(read_data=True)
    assert (report.damage, report.could_not_check) == ([], [])


def outcomes(answer: Any) -> list[tuple[int, str]]:
    """Status and result, or code, of each item of a batch's answer."""
    return [(item["status"], item.get("code") or item["result"]) for item in answer.json()["items"]]
