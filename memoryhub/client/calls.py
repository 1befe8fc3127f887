"""The native API's calls on files as data: what is sent, and what the answer means. Nothing here talks to a network.

All of them may be sent again after a lost answer. Reads change nothing. Writes carry a condition, and the state that
refuses the second sending shows whether the first one was done; or they carry an idempotency key.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from memoryhub.client.disk import digest_of
from memoryhub.client.errors import Invalid, NotFound, PreconditionFailed, Refused, refusal
from memoryhub.client.frames import END, MEDIA_TYPE, decoded, encoded
from memoryhub.client.sending import digest_from, digest_header, reading_answer
from memoryhub.client.values import (
    ANY,
    Change,
    Changes,
    Content,
    Delete,
    FileInfo,
    FileState,
    History,
    IfVersion,
    Purged,
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
_JSON = {"Content-Type": "application/json"}
HEADER = re.compile(r"[!-~]+( +[!-~]+)*")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that says yes. `was_resent` when an earlier sending may have been carried out."""

    status: int
    headers: Headers
    body: bytes
    was_resent: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request below the workspace's address, and how its answer is read.

    `about` is the one path or version that it asks for, as a sentence names it. `after_resend` makes a result of a
    refusal that only the call's own lost first sending can have caused; it raises the refusal again where it means
    something else.
    """

    method: str
    path: str
    parse: Callable[[Answer], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    content: Content | None = None
    after_resend: Callable[[Refused], T] | None = None
    about: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the content of a `put`, as it was when it was read for its digest."""
        return int(self.headers["Content-Length"])

    def result(self, answer: Answer) -> T:
        """What the answer means. Raises `DamagedAnswer`."""
        with reading_answer():
            return self.parse(answer)

    def settle(self, error: Refused, *, was_resent: bool) -> T:
        """What a refusal means in the end: the result after all, or the error, which is raised."""
        if was_resent and self.after_resend is not None:
            with reading_answer():
                return self.after_resend(error)
        raise error


def info(slug: str) -> Call[WorkspaceInfo]:
    def parse(answer: Answer) -> WorkspaceInfo:
        row = answer.json
        usage = row["usage"]
        return WorkspaceInfo(row["id"], slug, row["name"], usage["live_files"], usage["live_bytes"])

    return Call("GET", "", parse)


def stat(path: str, version: int | None) -> Call[FileInfo]:
    def parse(answer: Answer) -> FileInfo:
        headers = answer.headers
        sha256 = digest_from(headers["Repr-Digest"]).hex()
        tag = int(headers["ETag"].strip('"'))
        return FileInfo(path, tag, sha256, int(headers["Content-Length"]), headers["Content-Type"])

    headers = {"Accept-Encoding": "identity"}
    return Call("HEAD", file_path(path), parse, file_params(version), headers, about=named(path, version))


def put(path: str, content: Content, if_version: IfVersion, content_type: str, message: str) -> Call[Change]:
    """Reads a file through for its digest."""
    sha256, size_bytes = digest_of(content)
    condition, params = _condition(if_version)
    headers = {
        **condition,
        "Content-Type": _header("A content type", content_type),
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
        about=path,
    )


def file_path(path: str, *, below: str = "files") -> str:
    """Raises `Invalid` for a path that would be another one by the time it arrives."""
    if any(segment in ("", ".", "..") for segment in path.split("/")):
        raise Invalid(400, "bad_path", "A path has no empty segment, and none that is a dot or two.")
    try:
        return f"/{below}/{quote(path)}"
    except UnicodeEncodeError as error:
        raise Invalid(400, "bad_path", "A path is UTF-8.") from error


def named(path: str, version: int | None) -> str:
    """A path, or one version of it, as a sentence names it."""
    return path if version is None else f"version {version} of {path}"


def file_params(version: int | None) -> dict[str, str]:
    return {} if version is None else {"version": str(version)}


def history(path: str, limit: int, cursor: str | None) -> Call[History]:
    def parse(answer: Answer) -> History:
        body = answer.json
        return History([Version.from_json(row) for row in body["items"]], body["next_cursor"])

    params = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    return Call("GET", file_path(path, below="history"), parse, params, about=path)


def changes(since: str | None, limit: int, etag: str | None) -> Call[Changes | None]:
    """None where `etag` is still right."""

    def parse(answer: Answer) -> Changes | None:
        if answer.status == 304:
            return None
        body = answer.json
        items = [FileState.from_json(row) for row in body["items"]]
        return Changes(items, body["cursor"], body["has_more"], answer.headers.get("ETag", ""))

    params = {"limit": str(limit)} | ({"since": since} if since else {})
    headers = {"If-None-Match": _header("An ETag", etag)} if etag else {}
    return Call("GET", "/changes", parse, params, headers)


def put_many(items: Sequence[Put | Delete], all_or_nothing: bool, message: str) -> Call[list[Change | RefusedItem]]:
    """One answer for each item, in order. With `all_or_nothing` a refusal of one is one of all.

    Conditions recognise what a lost sending has done, and cost the hub nothing. Where an item has none, a key does.
    """
    body = b"".join(_frame(item) for item in items) + END

    def parse(answer: Answer) -> list[Change | RefusedItem]:
        return _results(items, answer.json["items"], answer.was_resent)

    def after_resend(error: Refused) -> list[Change | RefusedItem]:
        rows = error.fields.get("items")
        results = _results(items, rows, was_resent=True) if isinstance(rows, list) else []
        if not results or any(isinstance(result, RefusedItem) for result in results):
            raise error
        return results

    params = ({"mode": "all_or_nothing"} if all_or_nothing else {}) | _message(message)
    headers = {"Content-Type": MEDIA_TYPE} | (_key() if any(item.if_version == ANY for item in items) else {})
    return Call("POST", "/files:put", parse, params, headers, body, after_resend)


def get_many(items: Iterable[tuple[str, int | None]]) -> Call[list[StoredFile | RefusedItem]]:
    """One answer for each (path, version), in order; version None is the newest."""
    wanted = [{"path": path} if version is None else {"path": path, "version": version} for path, version in items]

    def parse(answer: Answer) -> list[StoredFile | RefusedItem]:
        return [_stored(header, body) for _, (header, body) in zip(wanted, decoded(answer.body), strict=True)]

    return Call("POST", "/files:get", parse, headers=_JSON, content=json.dumps({"items": wanted}).encode())


def transfer(verb: str, items: Iterable[Transfer], message: str) -> Call[list[Change]]:
    """`verb` is copy or move."""
    items = list(items)
    rows = [
        {"source": item.source, "target": item.target, "if_version": item.if_version}
        | ({} if item.source_version is None else {"source_version": item.source_version})
        for item in items
    ]
    return _at_once(verb, rows, message, [named(item.source, item.source_version) for item in items])


def revert(items: Iterable[Revert], message: str) -> Call[list[Change]]:
    items = list(items)
    rows = [{"path": item.path, "version": item.version, "if_version": item.if_version} for item in items]
    return _at_once("revert", rows, message, [named(item.path, item.version) for item in items])


def purge(path: str, confirm: str) -> Call[Purged]:
    def parse(answer: Answer) -> Purged:
        return Purged(answer.json["removed"], answer.json["held"])

    content = json.dumps({"path": path, "confirm": confirm}).encode()
    return Call("POST", "/files:purge", parse, headers=_JSON, content=content, about=path)


def _key() -> dict[str, str]:
    """Of one call, however often it is sent."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def _at_once(verb: str, rows: list[dict[str, Any]], message: str, wanted: list[str]) -> Call[list[Change]]:
    """Where several are wanted, the hub tells the path that is missing."""
    return Call(
        "POST",
        f"/files:{verb}",
        lambda answer: [Change.from_json(row) for row in answer.json["items"]],
        _message(message),
        _JSON | _key(),
        json.dumps({"items": rows}).encode(),
        about=wanted[0] if len(wanted) == 1 else "",
    )


def _header(what: str, value: str) -> str:
    """The value of a header. Raises `Invalid` for what none can hold."""
    if HEADER.fullmatch(value) is None:
        raise Invalid(400, "bad_request", f"{what} is printable ASCII.")
    return value


def _condition(if_version: IfVersion) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and parameters."""
    if if_version == ANY:
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
