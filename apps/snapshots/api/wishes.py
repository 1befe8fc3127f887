"""Restores as they are asked for, and what is answered to who only wants to know."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.errors import ConfirmRequired, Invalid
from apps.common.forms import Form, parse
from apps.files.actions import WorkspaceRef
from apps.files.paths import checked_prefix
from apps.snapshots.api.shapes import plan_json
from apps.snapshots.models import RemoteCopy, Snapshot
from apps.snapshots.previewing import preview

SHOWN_CHANGES = 1000
PREVIEW_PARAMETERS = frozenset({"prefix", "delete"})


def parse_restore(form: type[Form], request: Request) -> dict[str, Any]:
    """The wish in a body, its prefix checked. Raises `ConfirmRequired`, `Invalid`, `BadPath`."""
    wish: dict[str, Any] = parse(form, request)
    if not wish.pop("confirm"):
        raise ConfirmRequired('A restore changes files: say "confirm": true.')
    return wish | {"prefix": checked_prefix(wish["prefix"])}


def previewed(source: RemoteCopy | Snapshot, into: WorkspaceRef, request: Request) -> Response:
    """What a restore would change, if nobody writes meanwhile. Raises as `planned`, `Invalid`, `BadPath`."""
    delete = request.query_params.get("delete", "false")
    if delete not in ("true", "false"):
        raise Invalid.of("delete", "boolean", "true or false")
    prefix = checked_prefix(request.query_params.get("prefix", ""))
    return Response(plan_json(preview(source, into, prefix=prefix, delete=delete == "true", shown=SHOWN_CHANGES)))
