"""The OpenAPI descriptions of the file operations, one example each. The examples are replayed by a test."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse

from apps.common.conditions import MAX_VERSION
from apps.common.openapi import CURSOR, IF_NONE_MATCH_READ, KEY, LIMIT, NOT_MODIFIED, answer
from apps.files.frames import END, MEDIA_TYPE, frame
from apps.files.paths import MAX_PATH_BYTES

PATH_EXAMPLE = "notes/hello.md"
BODY_EXAMPLE = "Hello, World!"
SHA256_EXAMPLE = "dffd6021bb2bd5b0af676290809ec3a53191dd81c7f70a4b28688a362182986f"
MD5_EXAMPLE = "65a8e27d8879283831b664bd8b7f0ad4"
STATE_EXAMPLE: dict[str, Any] = {
    "path": PATH_EXAMPLE,
    "version": 1,
    "is_deleted": False,
    "sha256": SHA256_EXAMPLE,
    "md5": MD5_EXAMPLE,
    "size_bytes": 13,
    "content_type": "text/markdown",
    "changed_at": "2026-01-05T09:30:00.000Z",
}
CHANGE_EXAMPLE = STATE_EXAMPLE | {"result": "created"}
FRAMES_IN = "The bytes of one frame and the end, in hexadecimal"
PUT_FRAMES_EXAMPLE = (
    frame({"path": PATH_EXAMPLE, "if_version": 0, "content_type": "text/markdown"}, BODY_EXAMPLE.encode()) + END
)
GOT_STATE = {key: value for key, value in STATE_EXAMPLE.items() if key not in ("is_deleted", "size_bytes")}
GET_FRAMES_EXAMPLE = (
    frame({"status": 200} | GOT_STATE, BODY_EXAMPLE.encode())
    + frame({"path": "missing.md", "status": 404, "code": "not_found"})
    + END
)
CURSOR_EXAMPLE = "AQGbHzOeUnIAgAAAAAAAAAEb2x1n0Uwz0oJ3r4bGqkQAAAAAAAAAAW8d6bI"

PATH = OpenApiParameter(
    "path",
    str,
    OpenApiParameter.PATH,
    description="The file's path; slashes stay slashes.",
    examples=[OpenApiExample("a note", PATH_EXAMPLE)],
)
VERSION = OpenApiParameter("version", int, description="This exact version instead of the newest.")
MESSAGE = OpenApiParameter("message", str, description="Kept with the change, at most 1,000 characters.")
OVERWRITE = OpenApiParameter("overwrite", bool, description="Write whatever is there.")
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description='`"n"`: live at version n; `*`: live.',
    examples=[OpenApiExample("at version 1", '"1"')],
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="`*`: not live.",
    examples=[OpenApiExample("create", "*")],
)
RANGE = OpenApiParameter(
    "Range",
    str,
    OpenApiParameter.HEADER,
    description="One range of bytes.",
    examples=[OpenApiExample("the first five", "bytes=0-4")],
)
PREFIX = OpenApiParameter("prefix", str, description="Only below this folder.")

PATH_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_PATH_BYTES}
VERSION_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MAX_VERSION - 1}
IF_VERSION_SCHEMA: dict[str, Any] = {
    "oneOf": [
        {"type": "integer", "minimum": 0, "maximum": MAX_VERSION - 1},
        {"type": "string", "enum": ["any"]},
    ],
    "description": "The version at which the written path is live, 0 where nothing must be live, or `any`.",
}
MODE = OpenApiParameter(
    "mode",
    str,
    enum=["partial", "all_or_nothing"],
    description="partial (when not given): each item by itself.",
    examples=[OpenApiExample("all or nothing", "all_or_nothing")],
)


def _bytes(status: int, description: str, example: str) -> dict[tuple[int, str], Any]:
    """Stored bytes, under the media type that they were stored with."""
    shown = OpenApiResponse(OpenApiTypes.BINARY, description, [OpenApiExample("a note", example)])
    return {(status, "text/markdown"): shown, (status, "*/*"): OpenApiResponse(OpenApiTypes.BINARY, description)}


def _hex(data: bytes) -> list[OpenApiExample]:
    return [OpenApiExample(FRAMES_IN, data.hex())]


def _object(required: tuple[str, ...], **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def _items(required: tuple[str, ...], **properties: dict[str, Any]) -> dict[str, Any]:
    """A JSON body of items with these fields."""
    items = {"type": "array", "description": "At most 1,000.", "items": _object(required, **properties)}
    return {"application/json": _object(("items",), items=items)}


GET_FILE: dict[str, Any] = {
    "operation_id": "files_read",
    "tags": ["files"],
    "parameters": [PATH, VERSION, IF_NONE_MATCH_READ, RANGE],
    "responses": _bytes(200, "The bytes", BODY_EXAMPLE) | _bytes(206, "The range of them", "Hello") | NOT_MODIFIED,
}
HEAD_FILE: dict[str, Any] = {
    "operation_id": "files_head",
    "tags": ["files"],
    "parameters": [PATH, VERSION, IF_NONE_MATCH_READ],
    "responses": {200: OpenApiResponse(description="The headers of GET")} | NOT_MODIFIED,
}
PUT_FILE: dict[str, Any] = {
    "operation_id": "files_write",
    "tags": ["files"],
    "parameters": [PATH, IF_MATCH, IF_NONE_MATCH, OVERWRITE, MESSAGE],
    "request": {
        "text/markdown": OpenApiRequest(OpenApiTypes.BINARY, examples=[OpenApiExample("a note", BODY_EXAMPLE)]),
        "*/*": OpenApiTypes.BINARY,
    },
    "responses": answer(201, "Created", CHANGE_EXAMPLE)
    | answer(200, "Replaced, or unchanged", CHANGE_EXAMPLE | {"result": "updated", "version": 2}),
}
DELETE_FILE: dict[str, Any] = {
    "operation_id": "files_delete",
    "tags": ["files"],
    "parameters": [PATH, IF_MATCH, OVERWRITE, MESSAGE],
    "responses": answer(
        200,
        "Deleted",
        CHANGE_EXAMPLE
        | {"result": "deleted", "version": 2, "is_deleted": True, "sha256": None, "md5": None, "size_bytes": 0},
    ),
}
INDEX: dict[str, Any] = {
    "operation_id": "files_index",
    "tags": ["files"],
    "parameters": [PREFIX, OpenApiParameter("tombstones", bool, description="Deleted paths too."), IF_NONE_MATCH_READ],
    "responses": answer(
        200,
        "Every live file: the first row names the columns, times are milliseconds",
        {
            "cursor": CURSOR_EXAMPLE,
            "sequence": 1,
            "files": [
                ["path", "version", "size_bytes", "sha256", "md5", "content_type", "is_deleted", "changed_at_ms"],
                [PATH_EXAMPLE, 1, 13, SHA256_EXAMPLE, MD5_EXAMPLE, "text/markdown", False, 1767605400000],
            ],
        },
    )
    | NOT_MODIFIED,
}
CHANGES: dict[str, Any] = {
    "operation_id": "files_changes",
    "tags": ["files"],
    "parameters": [
        OpenApiParameter(
            "since", str, description="The cursor of an index or of the page before; without it, from the beginning."
        ),
        LIMIT,
        IF_NONE_MATCH_READ,
    ],
    "responses": answer(
        200,
        "Newest states of changed paths, oldest change first",
        {"items": [STATE_EXAMPLE], "cursor": CURSOR_EXAMPLE, "has_more": False},
    )
    | NOT_MODIFIED,
}
HISTORY: dict[str, Any] = {
    "operation_id": "files_history",
    "tags": ["files"],
    "parameters": [PATH, LIMIT, CURSOR],
    "responses": answer(
        200,
        "Versions, newest first",
        {
            "items": [
                {key: value for key, value in STATE_EXAMPLE.items() if key != "path"}
                | {"origin": "put", "actor": "token:0aB1cD2eF3gH", "message": ""}
            ],
            "next_cursor": None,
        },
    ),
}
REFUSED_EXAMPLE: dict[str, Any] = {
    "path": PATH_EXAMPLE,
    "status": 412,
    "code": "precondition_failed",
    "detail": "The path is in another state than the request expects.",
    "version": 1,
    "sha256": SHA256_EXAMPLE,
    "md5": MD5_EXAMPLE,
}
PUT_MANY: dict[str, Any] = {
    "operation_id": "files_put_many",
    "tags": ["files"],
    "parameters": [MODE, MESSAGE, KEY],
    "request": {MEDIA_TYPE: OpenApiRequest(OpenApiTypes.BINARY, examples=_hex(PUT_FRAMES_EXAMPLE))},
    "responses": answer(200, "One answer for each frame, in order", {"items": [{"status": 201} | CHANGE_EXAMPLE]})
    | answer(
        412,
        "With `all_or_nothing`: nothing was written; the items say why, those not at fault with 424",
        {"items": [REFUSED_EXAMPLE]},
    ),
}
GET_MANY: dict[str, Any] = {
    "operation_id": "files_get_many",
    "tags": ["files"],
    "request": _items(
        ("path",),
        path=PATH_SCHEMA,
        version=VERSION_SCHEMA | {"nullable": True, "description": "This exact version instead of the newest."},
    ),
    "examples": [
        OpenApiExample("two files", {"items": [{"path": PATH_EXAMPLE}, {"path": "missing.md"}]}, request_only=True)
    ],
    "responses": {
        (200, MEDIA_TYPE): OpenApiResponse(
            OpenApiTypes.BINARY, "One frame for each item, in order", _hex(GET_FRAMES_EXAMPLE)
        )
    },
}


def transfer(
    operation_id: str, request: dict[str, Any], item: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    """copy, move and revert: items in, the changed targets out, all or nothing."""
    return {
        "operation_id": operation_id,
        "tags": ["files"],
        "parameters": [MESSAGE, KEY],
        "request": request,
        "examples": [OpenApiExample("one file", {"items": [item]}, request_only=True)],
        "responses": answer(200, "The targets, in order", {"items": [{"status": 201} | CHANGE_EXAMPLE | result]}),
    }


TRANSFERS = _items(
    ("source", "target"),
    source=PATH_SCHEMA,
    target=PATH_SCHEMA,
    if_version=IF_VERSION_SCHEMA | {"default": 0},
    source_version=VERSION_SCHEMA
    | {"nullable": True, "description": "Copy: this version of the source. Move: what the source must be at."},
)
REVERTS = _items(
    ("path", "version", "if_version"),
    path=PATH_SCHEMA,
    version=VERSION_SCHEMA | {"description": "The version to write again."},
    if_version=IF_VERSION_SCHEMA,
)
COPY = transfer(
    "files_copy",
    TRANSFERS,
    {"source": PATH_EXAMPLE, "target": "notes/copy.md", "if_version": 0},
    {"path": "notes/copy.md", "version": 2},
)
MOVE = transfer(
    "files_move",
    TRANSFERS,
    {"source": PATH_EXAMPLE, "target": "archive/hello.md", "if_version": 0},
    {"path": "archive/hello.md", "version": 3},
)
REVERT = transfer(
    "files_revert",
    REVERTS,
    {"path": PATH_EXAMPLE, "version": 1, "if_version": "any"},
    {"status": 200, "result": "unchanged"},
)
PURGE: dict[str, Any] = {
    "operation_id": "files_purge",
    "tags": ["files"],
    "request": {
        "application/json": _object(
            ("path", "confirm"), path=PATH_SCHEMA, confirm={"type": "string", "description": "The path again."}
        )
    },
    "examples": [OpenApiExample("one path", {"path": PATH_EXAMPLE, "confirm": PATH_EXAMPLE}, request_only=True)],
    "responses": answer(200, "How many versions went, and how many a hold keeps", {"removed": 0, "held": 0}),
}
