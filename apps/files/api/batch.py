"""Many files in one request: put, get, copy, move, revert."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from drf_spectacular.utils import extend_schema

from apps.accounts.idempotency import idempotent
from apps.blobs.content import Content, StoredBlob
from apps.blobs.objects import blob_chunks
from apps.blobs.room import check_room
from apps.common.conditions import MAX_VERSION, Condition, condition_from_item
from apps.common.errors import (
    BadJson,
    ChecksumMismatch,
    DomainError,
    IncompleteBody,
    Invalid,
    TooLarge,
    UnsupportedEncoding,
    shown,
)
from apps.common.times import rfc3339
from apps.files import actions, queries
from apps.files.api import schemas
from apps.files.api.blob import MESSAGE, message_parameter
from apps.files.api.bodies import check_encoding
from apps.files.api.shapes import change_json, change_status, item_json
from apps.files.changes import Change, ChangeItem
from apps.files.errors import NotApplied
from apps.files.frames import END, MEDIA_TYPE, frame, parse_frames
from apps.files.holds import purge_path
from apps.files.paths import check_portable, checked_path
from apps.files.receiving import content_length, content_type_of, too_large
from apps.workspaces.views import LeanWorkspaceView

MAX_ITEMS = 1000
MAX_BYTES = 32 * 1024 * 1024
MAX_JSON_BYTES = 2 * 1024 * 1024
T = TypeVar("T")
_HEADER_KEYS = frozenset({"path", "op", "if_version", "content_type", "size_bytes", "sha256", "from_sha256"})


class PutManyView(LeanWorkspaceView):
    required_scope = {"POST": "files:write"}
    query_parameters = {"POST": MESSAGE | {"mode"}}

    @extend_schema(**schemas.PUT_MANY)
    @idempotent
    def post(self, request: HttpRequest) -> HttpResponse:
        """Write and delete up to 1,000 files as one change set."""
        all_or_nothing = _mode(request) == "all_or_nothing"
        message = message_parameter(request)
        if request.content_type != MEDIA_TYPE:
            raise UnsupportedEncoding(f"The body is {MEDIA_TYPE}.")
        frames = list(islice(parse_frames(_body(request, MAX_BYTES)), MAX_ITEMS + 1))
        _check_count(len(frames))
        if size_bytes := sum(len(body) for _header, body in frames):
            check_room(row_bytes=size_bytes)
        wishes = [self._wish(header, body) for header, body in frames]
        _check_distinct([wish.path for wish in wishes])
        items, refused = self._apply(wishes, all_or_nothing=all_or_nothing, message=message)
        return JsonResponse({"items": items}, status=412 if all_or_nothing and refused else 200)

    def _wish(self, header: dict[str, Any], body: bytes) -> "Wish":
        path = header.get("path")
        if not isinstance(path, str):
            raise BadJson("Each frame's header has a path.")
        try:
            checked_path(path)
            if self.workspace.portable_names and header.get("op") != "delete":
                check_portable(path)
            return Wish(path, _change_item(path, header, body))
        except DomainError as error:
            return Wish(path, error)

    def _apply(self, wishes: list["Wish"], *, all_or_nothing: bool, message: str) -> tuple[list[dict[str, Any]], bool]:
        unreadable = any(isinstance(wish.item, DomainError) for wish in wishes)
        if unreadable and all_or_nothing:
            return [_refused(wish.path, wish.item) for wish in wishes], True
        changes = actions.apply_changes(
            self.workspace,
            [wish.item for wish in wishes if isinstance(wish.item, ChangeItem)],
            all_or_nothing=all_or_nothing,
            actor=self.workspace.actor,
            message=message,
            inline_max=settings.MEMORYHUB_BLOB_INLINE_MAX,
        )
        answers = iter(changes)
        items = [
            item_json(next(answers)) if isinstance(wish.item, ChangeItem) else _refused(wish.path, wish.item)
            for wish in wishes
        ]
        return items, any(not change.is_applied for change in changes)


@dataclass(frozen=True, slots=True)
class Wish:
    """A frame, read: the change that it asks for, or why it cannot be one."""

    path: str
    item: ChangeItem | DomainError


class GetManyView(LeanWorkspaceView):
    required_scope = {"POST": "files:read"}

    @extend_schema(**schemas.GET_MANY)
    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Read up to 1,000 files, 32 MiB together; what does not fit answers 413 in its frame."""
        items = _items(request, {"path", "version"})
        wanted = _each(items, lambda item: (_path_of(item), _number(item, "version")))
        heads = queries.blobs_at(self.workspace.id, [path for path, version in wanted if version is None])
        old = queries.versions_at(
            self.workspace.id, [(path, version) for path, version in wanted if version is not None]
        )
        frames, left = [], MAX_BYTES
        for path, version in wanted:
            row = heads.get(path) if version is None else old.get((path, version))
            if row is None or row.is_deleted:
                frames.append(frame({"path": shown(path), "status": 404, "code": "not_found"}))
            elif row.size_bytes > left:
                frames.append(frame({"path": shown(path), "status": 413, "code": "too_large"}))
            else:
                left -= row.size_bytes
                frames.append(_frame_of(path, row))
        frames.append(END)
        return HttpResponse(b"".join(frames), content_type=MEDIA_TYPE)


class CopyView(LeanWorkspaceView):
    required_scope = {"POST": "files:write"}
    query_parameters = {"POST": MESSAGE}

    @extend_schema(**schemas.COPY)
    @idempotent
    def post(self, request: HttpRequest) -> HttpResponse:
        """Copy files within the workspace, all or nothing. No bytes travel."""
        return self._transfer(request, actions.copy_files)

    def _transfer(self, request: HttpRequest, action: Callable[..., list[Change]]) -> HttpResponse:
        items = _items(request, {"source", "target", "if_version", "source_version"})
        transfers = _each(items, _transfer_of)
        _check_distinct(
            [path for transfer in transfers for path in (transfer.source, transfer.target)]
            if action is actions.move_files
            else [transfer.target for transfer in transfers]
        )
        changes = action(self.workspace, transfers, actor=self.workspace.actor, message=message_parameter(request))
        return _applied(changes)


class MoveView(CopyView):
    @extend_schema(**schemas.MOVE)
    @idempotent
    def post(self, request: HttpRequest) -> HttpResponse:
        """Move files within the workspace, all or nothing. The history stays at the old path."""
        return self._transfer(request, actions.move_files)


class RevertView(LeanWorkspaceView):
    required_scope = {"POST": "files:write"}
    query_parameters = {"POST": MESSAGE}

    @extend_schema(**schemas.REVERT)
    @idempotent
    def post(self, request: HttpRequest) -> HttpResponse:
        """Write old versions as new ones, all or nothing."""
        items = _items(request, {"path", "version", "if_version"})
        reverts = _each(items, _revert_of)
        _check_distinct([revert.path for revert in reverts])
        changes = actions.revert_files(
            self.workspace, reverts, actor=self.workspace.actor, message=message_parameter(request)
        )
        return _applied(changes)


class PurgeView(LeanWorkspaceView):
    required_scope = {"POST": "workspace:admin"}

    @extend_schema(**schemas.PURGE)
    def post(self, request: HttpRequest) -> HttpResponse:
        """Remove the old versions of a path for good, as an owner; of a deleted path, everything. Audited."""
        body = _json(request)
        for field in sorted(body.keys() - {"path", "confirm"}):
            raise Invalid.of(shown(field), "unknown_field", "There is a field that this operation does not know.")
        confirm = _text(body, "confirm") or ""
        return JsonResponse(
            purge_path(
                self.workspace,
                _path_of(body),
                confirm=confirm,
                actor=self.workspace.actor,
                acting_role=self.workspace.acting_role,
            )
        )


def _each(items: list[dict[str, Any]], read: Callable[[dict[str, Any]], T]) -> list[T]:
    """What the items say, in order. A refusal tells as `item` which one it is about, counted from 0."""
    answers = []
    for number, item in enumerate(items):
        try:
            answers.append(read(item))
        except DomainError as error:
            error.fields["item"] = number
            raise
    return answers


def _transfer_of(item: dict[str, Any]) -> actions.Transfer:
    return actions.Transfer(
        _path_of(item, "source"),
        _path_of(item, "target"),
        _condition_of(item, default=0),
        _number(item, "source_version"),
    )


def _revert_of(item: dict[str, Any]) -> actions.Revert:
    return actions.Revert(_path_of(item), _number(item, "version", required=True), _condition_of(item))


def _change_item(path: str, header: dict[str, Any], body: bytes) -> ChangeItem:
    unknown = header.keys() - _HEADER_KEYS
    if unknown:
        raise Invalid.of(shown(min(unknown)), "unknown_field", "A frame's header has an unknown field.")
    condition = condition_from_item(header.get("if_version"))
    match header.get("op", "put"):
        case "delete":
            if body:
                raise Invalid.of("size_bytes", "no_body", "A delete has no body.")
            return ChangeItem(path, condition)
        case "put":
            content_type = content_type_of(_text(header, "content_type"))
            return ChangeItem(path, condition, _content(header, body), content_type)
    raise Invalid.of("op", "unknown_op", "op is put or delete.")


def _content(header: dict[str, Any], body: bytes) -> Content:
    known = _text(header, "from_sha256")
    if known is not None:
        if body:
            raise Invalid.of("from_sha256", "no_body", "Content that is named by from_sha256 has no body.")
        return Content(_digest(known, "from_sha256"))
    if len(body) > settings.MEMORYHUB_MAX_FILE_BYTES:
        raise too_large()
    content = Content.of_bytes(body)
    announced = _text(header, "sha256")
    if announced is not None and _digest(announced, "sha256") != content.sha256:
        raise ChecksumMismatch("The frame's body does not have the announced sha256.")
    return content


def _digest(text: str, field: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32 or text != digest.hex():
        raise Invalid.of(field, "bad_digest", f"{field} is 64 lower-case hex digits.")
    return digest


def _frame_of(path: str, row: queries.BlobRow) -> bytes:
    header = {
        "path": path,
        "status": 200,
        "version": row.version,
        "sha256": row.sha256.hex(),
        "md5": row.md5.hex(),
        "content_type": row.content_type,
        "changed_at": rfc3339(row.changed_at),
    }
    try:
        body = b"".join(
            blob_chunks(StoredBlob(row.sha256, row.size_bytes, row.inline, row.object_key), 0, row.size_bytes)
        )
    except DomainError as error:
        return frame({"path": shown(path), "status": error.status, "code": error.code})
    return frame(header, body)


def _applied(changes: list[Change]) -> HttpResponse:
    return JsonResponse({"items": [{"status": change_status(change)} | change_json(change) for change in changes]})


def _refused(path: str, reason: ChangeItem | DomainError) -> dict[str, Any]:
    error = reason if isinstance(reason, DomainError) else NotApplied()
    return {
        "path": shown(path),
        "status": error.status,
        "code": error.code,
        "detail": error.detail or error.title,
    } | error.fields


def _items(request: HttpRequest, keys: set[str]) -> list[dict[str, Any]]:
    """The `items` of a JSON body. Raises `BadJson` and `Invalid`."""
    body = _json(request)
    items = body.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadJson('The body is {"items": [{...}]}.')
    for field in sorted({*body} - {"items"}) + sorted({key for item in items for key in item} - keys):
        raise Invalid.of(shown(field), "unknown_field", "There is a field that this operation does not know.")
    _check_count(len(items))
    return items


def _json(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(_body(request, MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise BadJson from error
    if not isinstance(body, dict):
        raise BadJson("The body is a JSON object.")
    return body


def _body(request: HttpRequest, limit_bytes: int) -> bytes:
    check_encoding(request.META)
    size_bytes = content_length(request.META)
    if size_bytes > limit_bytes:
        raise TooLarge(f"The body has at most {limit_bytes} bytes.", limit=limit_bytes)
    body = request.body
    if len(body) < size_bytes:
        raise IncompleteBody
    return body


def _check_count(count: int) -> None:
    if count > MAX_ITEMS:
        raise TooLarge(f"A batch has at most {MAX_ITEMS} items.", limit=MAX_ITEMS)


def _check_distinct(paths: list[str]) -> None:
    if len(set(paths)) < len(paths):
        raise BadJson("A path occurs twice in the batch.")


def _path_of(item: dict[str, Any], key: str = "path") -> str:
    path = item.get(key)
    if not isinstance(path, str):
        raise Invalid.of(key, "required", f"Each item has {key}, a path.")
    return checked_path(path)


def _condition_of(item: dict[str, Any], *, default: int | None = None) -> Condition:
    return condition_from_item(item.get("if_version", default))


def _number(item: dict[str, Any], key: str, *, required: bool = False) -> Any:
    value = item.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < MAX_VERSION:
        raise Invalid.of(key, "bad_version", f"{key} is a version.")
    return value


def _text(header: dict[str, Any], key: str) -> str | None:
    value = header.get(key)
    if value is not None and not isinstance(value, str):
        raise Invalid.of(key, "not_text", f"{key} is text.")
    return value


def _mode(request: HttpRequest) -> str:
    mode = request.GET.get("mode", "partial")
    if mode not in ("partial", "all_or_nothing"):
        raise Invalid.of("mode", "unknown_mode", "mode is partial or all_or_nothing.")
    return mode
