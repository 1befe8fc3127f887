"""What there is and what changed: index, changes, history."""

import hashlib
import json
from collections.abc import Iterable, Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified, JsonResponse
from drf_spectacular.utils import extend_schema

from apps.common.compression import compressed
from apps.common.conditions import MAX_VERSION, names_tag
from apps.common.errors import BadCursor, Invalid
from apps.common.paging import PAGE_PARAMETERS, decode_cursor, encode_cursor, limit_of
from apps.files import queries
from apps.files.api import schemas
from apps.files.api.shapes import history_json, state_json
from apps.files.cursors import FeedCursor, parse_cursor
from apps.files.paths import checked_path, checked_prefix
from apps.files.sql import INDEX_COLUMNS, Position
from apps.workspaces.views import LeanWorkspaceView


class IndexView(LeanWorkspaceView):
    required_scope = {"GET": "files:read"}
    query_parameters = {"GET": frozenset({"prefix", "tombstones"})}

    @extend_schema(**schemas.INDEX)
    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Every file of the workspace, compressed, with a cursor for `changes`."""
        prefix = checked_prefix(request.GET.get("prefix", ""))
        tombstones = _boolean(request, "tombstones")
        position = queries.position(self.workspace.id)
        tag = feed_tag(position, f"{prefix} {tombstones}")
        if names_tag(request.META.get("HTTP_IF_NONE_MATCH", ""), tag):
            return HttpResponseNotModified(headers=feed_headers(tag))
        pages = queries.index_pages(self.workspace.id, prefix=prefix, tombstones=tombstones)
        response = compressed(request, _index_json(position, pages), content_type="application/json")
        for name, value in feed_headers(tag).items():
            response[name] = value
        return response


class ChangesView(LeanWorkspaceView):
    required_scope = {"GET": "files:read"}
    query_parameters = {"GET": frozenset({"since", "limit"})}

    @extend_schema(**schemas.CHANGES)
    def get(self, request: HttpRequest) -> HttpResponseBase:
        """What changed since a cursor. 410 means: take the index again, delete nothing."""
        limit = limit_of(request.GET.get("limit"))
        since = request.GET.get("since")
        cursor = parse_cursor(since) if since else None
        position = queries.position(self.workspace.id)
        tag = feed_tag(position, f"{since} {limit}")
        if names_tag(request.META.get("HTTP_IF_NONE_MATCH", ""), tag):
            return HttpResponseNotModified(headers=feed_headers(tag))
        page = queries.changes_since(self.workspace.id, position, cursor, limit)
        body = {
            "items": [state_json(state) for state in page.states],
            "cursor": str(page.cursor),
            "has_more": page.has_more,
        }
        return JsonResponse(body, headers=feed_headers(tag))


class HistoryView(LeanWorkspaceView):
    required_scope = {"GET": "files:read"}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.HISTORY)
    def get(self, request: HttpRequest, path: str) -> HttpResponse:
        """The versions of a path, newest first, with who wrote them."""
        limit = limit_of(request.GET.get("limit"))
        before = _version_before(request.GET.get("cursor"))
        rows = queries.history(self.workspace.id, checked_path(path), before=before, limit=limit + 1)
        more = encode_cursor("history", rows[limit - 1].version) if len(rows) > limit else None
        return JsonResponse({"items": [history_json(row) for row in rows[:limit]], "next_cursor": more})


def _version_before(cursor: str | None) -> int | None:
    if not cursor:
        return None
    match decode_cursor(cursor):
        case ["history", int(version)] if 0 <= version < MAX_VERSION:
            return version
    raise BadCursor("The cursor belongs to another list.")


def feed_tag(position: Position, query: str) -> str:
    """A weak tag of where the workspace stands and what was asked; no row is read for it."""
    query8 = hashlib.sha256(query.encode()).hexdigest()[:8]
    return f'W/"{position.epoch.hex[:8]}-{position.last_sequence}-{position.purged_sequence}-{query8}"'


def feed_headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"}


def _index_json(position: Position, pages: Iterable[str]) -> Iterator[bytes]:
    cursor = FeedCursor(position.public_id, position.epoch, position.last_sequence, position.purged_sequence)
    columns = json.dumps(INDEX_COLUMNS)
    yield f'{{"cursor":"{cursor}","sequence":{position.last_sequence},"files":[{columns}'.encode()
    for page in pages:
        yield b","
        yield page.encode()
    yield b"]}"


def _boolean(request: HttpRequest, name: str) -> bool:
    text = request.GET.get(name, "false")
    if text not in ("true", "false"):
        raise Invalid.of(name, "bad_boolean", f"{name} is true or false.")
    return text == "true"
