"""The native API's calls on files as data: what is sent, and what the answer means. Nothing here talks to a network.

All of them may be sent again after a lost answer. Reads change nothing. Writes carry a condition, and the state that
refuses the second sending shows whether the first one was done; or they carry an idempotency key.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from memoryhub.client.errors import DamagedAnswer, Invalid, NotFound, PreconditionFailed, Refused, refusal
from memoryhub.client.frames import END, MEDIA_TYPE, decoded, encoded
from memoryhub.client.sending import digest_header
from memoryhub.client.values import (
    Change,
    Changes,
    Content,
    Delete,
    FileState,
    History,
    IfVersion,
    Put,
    RefusedItem,
    Revert,
    StoredFile,
    Transfer,
    Version,
    WorkspaceInfo,
)

T = TypeVar("T")
Headers = Mapping[str, str]
GONE_OR_OTHER = (404, 412)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that says yes. `was_resent` when an earlier sending may have been carried out."""

    status: int
    headers: Headers
    body: bytes
    was_resent: bool = False

    @property
    def json(self) -> Any:
        """Raises `DamagedAnswer` for what is none: half an answer, or that of something else than a hub."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise DamagedAnswer("The answer cannot be read. Is that a hub?") from error


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request below the workspace's address, and how its answer is read.

    `after_resend` makes a result of a refusal that only the call's own lost first sending can have caused; it raises
    the refusal again where it means something else.
    """

    method: str
    path: str
    parse: Callable[[Answer], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    content: Content | None = None
    after_resend: Callable[[Refused], T] | None = None

    def settle(self, error: Refused, *, was_resent: bool) -> T:
        """What a refusal means in the end: the result after all, or the error, which is raised."""
        if was_resent and self.after_resend is not None:
            return self.after_resend(error)
        raise error


def info(slug: str) -> Call[WorkspaceInfo]:
    def parse(answer: Answer) -> WorkspaceInfo:
        row = answer.json
        usage = row["usage"]
        return WorkspaceInfo(row["id"], slug, row["name"], usage["live_files"], usage["live_bytes"])

    return Call("GET", "", parse)


def put(path: str, content: Content, if_version: IfVersion, content_type: str, message: str) -> Call[Change]:
    sha256, size_bytes = _digest_of(content)
    condition, params = _condition(if_version)
    headers = {
        **condition,
        "Content-Type": content_type,
        "Content-Length": str(size_bytes),
        "Repr-Digest": digest_header(sha256),
    }

    def after_resend(error: Refused) -> Change:
        if isinstance(error, PreconditionFailed) and error.sha256 == sha256.hex():
            return Change(path, "unchanged", error.version, error.sha256)
        raise error

    return Call(
        "PUT",
        file_path(path),
        lambda answer: Change.from_json(answer.json),
        params | _message(message),
        headers,
        content,
        after_resend,
    )


def delete(path: str, if_version: IfVersion, message: str) -> Call[Change]:
    condition, params = _condition(if_version)

    def after_resend(error: Refused) -> Change:
        if isinstance(error, NotFound) or (isinstance(error, PreconditionFailed) and error.version is None):
            return Change(path, "deleted", None, None)
        raise error

    return Call(
        "DELETE",
        file_path(path),
        lambda answer: Change.from_json(answer.json),
        params | _message(message),
        condition,
        after_resend=after_resend,
    )


def file_path(path: str, *, below: str = "files") -> str:
    """Raises `Invalid` for a path that would be another one by the time it arrives."""
    if any(segment in ("", ".", "..") for segment in path.split("/")):
        raise Invalid(400, "bad_path", "A path has no empty segment, and none that is a dot or two.")
    return f"/{below}/{quote(path)}"


def file_params(version: int | None) -> dict[str, str]:
    return {} if version is None else {"version": str(version)}


def history(path: str, limit: int, cursor: str | None) -> Call[History]:
    def parse(answer: Answer) -> History:
        body = answer.json
        return History([Version.from_json(row) for row in body["items"]], body["next_cursor"])

    params = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    return Call("GET", file_path(path, below="history"), parse, params)


def changes(since: str | None, limit: int, etag: str | None) -> Call[Changes | None]:
    """None where `etag` is still right."""

    def parse(answer: Answer) -> Changes | None:
        if answer.status == 304:
            return None
        body = answer.json
        items = [FileState.from_json(row) for row in body["items"]]
        return Changes(items, body["cursor"], body["has_more"], answer.headers.get("ETag", ""))

    params = {"limit": str(limit)} | ({"since": since} if since else {})
    return Call("GET", "/changes", parse, params, {"If-None-Match": etag} if etag else {})


def index_text(params: Mapping[str, str]) -> Call[str]:
    return Call("GET", "/index", lambda answer: answer.body.decode(), params)


def put_many(items: Sequence[Put | Delete], all_or_nothing: bool, message: str) -> Call[list[Change | RefusedItem]]:
    """One answer for each item, in order. With `all_or_nothing` a refusal of one is one of all."""
    body = b"".join(_frame(item) for item in items) + END

    def parse(answer: Answer) -> list[Change | RefusedItem]:
        return _results(items, answer.json["items"], answer.was_resent)

    def after_resend(error: Refused) -> list[Change | RefusedItem]:
        rows = error.fields.get("items")
        if not isinstance(rows, list):
            raise error
        return _results(items, rows, was_resent=True)

    params = {"mode": "all_or_nothing"} if all_or_nothing else {}
    return Call(
        "POST", "/files:put", parse, params | _message(message), {"Content-Type": MEDIA_TYPE}, body, after_resend
    )


def get_many(items: Iterable[tuple[str, int | None]]) -> Call[list[StoredFile | RefusedItem]]:
    """One answer for each (path, version), in order; version None is the newest."""
    wanted = [{"path": path} if version is None else {"path": path, "version": version} for path, version in items]

    def parse(answer: Answer) -> list[StoredFile | RefusedItem]:
        return [_stored(header, body) for header, body in decoded(answer.body)]

    return Call("POST", "/files:get", parse, headers=_JSON, content=json.dumps({"items": wanted}).encode())


def transfer(verb: str, items: Iterable[Transfer], message: str) -> Call[list[Change]]:
    """`verb` is copy or move."""
    return _at_once(
        verb,
        [
            {"source": item.source, "target": item.target, "if_version": item.if_version}
            | ({} if item.source_version is None else {"source_version": item.source_version})
            for item in items
        ],
        message,
    )


def revert(items: Iterable[Revert], message: str) -> Call[list[Change]]:
    rows = [{"path": item.path, "version": item.version, "if_version": item.if_version} for item in items]
    return _at_once("revert", rows, message)


_JSON = {"Content-Type": "application/json"}


def _at_once(verb: str, rows: list[dict[str, Any]], message: str) -> Call[list[Change]]:
    return Call(
        "POST",
        f"/files:{verb}",
        lambda answer: [Change.from_json(row) for row in answer.json["items"]],
        _message(message),
        _JSON | {"Idempotency-Key": uuid.uuid4().hex},
        json.dumps({"items": rows}).encode(),
    )


def _condition(if_version: IfVersion) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and parameters."""
    if if_version == "any":
        return {}, {"overwrite": "true"}
    return ({"If-Match": f'"{if_version}"'} if if_version else {"If-None-Match": "*"}), {}


def _message(message: str) -> dict[str, str]:
    return {"message": message} if message else {}


def _frame(item: Put | Delete) -> bytes:
    header: dict[str, Any] = {"path": item.path, "if_version": item.if_version}
    if isinstance(item, Delete):
        return encoded(header | {"op": "delete"})
    header["content_type"] = item.content_type
    if item.content is None:
        return encoded(header | {"from_sha256": item.from_sha256})
    return encoded(header, item.content)


def _results(
    items: Sequence[Put | Delete], rows: Sequence[dict[str, Any]], was_resent: bool
) -> list[Change | RefusedItem]:
    return [_result(item, row, was_resent) for item, row in zip(items, rows, strict=True)]


def _result(item: Put | Delete, row: dict[str, Any], was_resent: bool) -> Change | RefusedItem:
    if row["status"] < 300:
        return Change.from_json(row)
    error = refusal(row["status"], row)
    if was_resent and row["status"] in GONE_OR_OTHER and _is_as_wished(item, error):
        result = "deleted" if isinstance(item, Delete) else "unchanged"
        return Change(item.path, result, row.get("version"), row.get("sha256"))
    return RefusedItem(item.path, error)


def _is_as_wished(item: Put | Delete, error: Refused) -> bool:
    """Whether a path's state is the one that a lost sending of this item would have left."""
    sha256 = error.sha256 if isinstance(error, PreconditionFailed) else None
    if isinstance(item, Delete):
        return isinstance(error, NotFound) or sha256 is None
    wished = item.from_sha256 if item.content is None else hashlib.sha256(item.content).hexdigest()
    return sha256 == wished


def _stored(header: dict[str, Any], body: bytes) -> StoredFile | RefusedItem:
    if header["status"] != 200:
        return RefusedItem(header["path"], refusal(header["status"], header))
    state = FileState.from_json(header | {"is_deleted": False})
    if hashlib.sha256(body).hexdigest() != header["sha256"]:
        error = Refused(502, "blob_corrupt", "The bytes are not those that the hub announced.")
        return RefusedItem(header["path"], error)
    return StoredFile(state.path, state.version, header["sha256"], state.content_type, state.changed_at, body)


def _digest_of(content: Content) -> tuple[bytes, int]:
    """The sha256 of bytes or of a file, which is read through, and their size."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest(), len(content)
    with content.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return digest, file.tell()
