"""The OpenAPI descriptions of the operations on snapshots, one example each. A test replays the examples."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from apps.common.openapi import KEY, answer, body, listing
from apps.snapshots.api.forms import PinForm, RestoreForm, SnapshotForm
from apps.snapshots.models import SnapshotKind

AT = "2026-01-05T09:30:00.000Z"
NAME_EXAMPLE = "before-the-move"
PATH_EXAMPLE = "notes/hello.md"
SHA256_EXAMPLE = "dffd6021bb2bd5b0af676290809ec3a53191dd81c7f70a4b28688a362182986f"
SNAPSHOT_EXAMPLE: dict[str, Any] = {
    "id": "019b8d84-6c43-7e52-9a1b-3d5f7c9e1a24",
    "name": NAME_EXAMPLE,
    "kind": "manual",
    "sequence": 1,
    "files": 1,
    "size_bytes": 13,
    "message": "the last state of the old layout",
    "tags": ["layout"],
    "is_pinned": False,
    "goes_since": None,
    "parent": None,
    "actor": "token:0aB1cD2eF3gH",
    "created_at": AT,
}
FILE_EXAMPLE: dict[str, Any] = {
    "path": PATH_EXAMPLE,
    "version": 1,
    "sha256": SHA256_EXAMPLE,
    "md5": "65a8e27d8879283831b664bd8b7f0ad4",
    "size_bytes": 13,
    "content_type": "text/markdown",
    "changed_at": AT,
}
STATE_EXAMPLE: dict[str, Any] = {"version": 1, "sha256": SHA256_EXAMPLE, "size_bytes": 13}
DIFFERENCE_EXAMPLE: dict[str, Any] = {"path": PATH_EXAMPLE, "change": "deleted", "before": STATE_EXAMPLE, "after": None}
RESTORED_EXAMPLE: dict[str, Any] = {"put": 1, "deleted": 0, "safety_snapshot": "safety_20260105_093000"}

NAME = OpenApiParameter(
    "name",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="The snapshot's name.",
    examples=[OpenApiExample("a snapshot", NAME_EXAMPLE)],
)
PREFIX = OpenApiParameter("prefix", str, description="Only below this folder.")
TO = OpenApiParameter("to", str, description="The name of another snapshot; the state of this moment when not given.")

LIST_SNAPSHOTS = listing(
    "snapshots_list",
    "snapshots",
    "Snapshots, newest first",
    SNAPSHOT_EXAMPLE,
    OpenApiParameter("kind", str, enum=SnapshotKind.values, description="Only snapshots of this kind."),
)
CREATE_SNAPSHOT: dict[str, Any] = {
    "operation_id": "snapshots_create",
    "tags": ["snapshots"],
    "parameters": [KEY],
    "request": SnapshotForm,
    "examples": body({name: SNAPSHOT_EXAMPLE[name] for name in ("name", "message", "tags")}),
    "responses": answer(201, "The snapshot", SNAPSHOT_EXAMPLE),
}
READ_SNAPSHOT: dict[str, Any] = {
    "operation_id": "snapshots_read",
    "tags": ["snapshots"],
    "parameters": [NAME],
    "responses": answer(200, "The snapshot", SNAPSHOT_EXAMPLE),
}
PIN_SNAPSHOT: dict[str, Any] = {
    "operation_id": "snapshots_pin",
    "tags": ["snapshots"],
    "parameters": [NAME],
    "request": PinForm,
    "examples": body({"is_pinned": True}),
    "responses": answer(200, "The snapshot after the change", SNAPSHOT_EXAMPLE | {"is_pinned": True}),
}
DELETE_SNAPSHOT: dict[str, Any] = {
    "operation_id": "snapshots_delete",
    "tags": ["snapshots"],
    "parameters": [NAME],
    "responses": {204: OpenApiResponse(description="Gone")},
}
LIST_FILES = listing("snapshots_files", "snapshots", "The files that it holds, by path", FILE_EXAMPLE, NAME, PREFIX)
COMPARE = listing("snapshots_changes", "snapshots", "What changed since, by path", DIFFERENCE_EXAMPLE, NAME, TO, PREFIX)
RESTORE: dict[str, Any] = {
    "operation_id": "restores_create",
    "tags": ["snapshots"],
    "parameters": [KEY],
    "request": RestoreForm,
    "examples": body({"snapshot": NAME_EXAMPLE, "confirm": True}),
    "responses": answer(200, "What was changed", RESTORED_EXAMPLE),
}
