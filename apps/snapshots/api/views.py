"""Snapshots of a workspace, and going back to one."""

from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.idempotency import idempotent
from apps.common.errors import BadCursor
from apps.common.forms import parse
from apps.common.paging import PAGE_PARAMETERS, decode_cursor, encode_cursor, limit_of, page_of
from apps.files.paths import checked_prefix
from apps.snapshots import actions, queries, restores
from apps.snapshots.api import copy_schemas, schemas, shapes
from apps.snapshots.api.forms import PinForm, RestoreForm, SnapshotForm
from apps.snapshots.api.wishes import parse_restore
from apps.workspaces.views import WorkspaceView, no_content


class SnapshotsView(WorkspaceView):
    required_scope = {"GET": "snapshots:read", "POST": "snapshots:write"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"kind"}}

    @extend_schema(**schemas.LIST_SNAPSHOTS)
    def get(self, request: Request) -> Response:
        """The named states of the workspace."""
        found = queries.snapshots_of(self.workspace.id, kind=request.query_params.get("kind", ""))
        return Response(page_of(found, request.query_params, render=shapes.snapshot_json))

    @extend_schema(**schemas.CREATE_SNAPSHOT)
    @idempotent
    def post(self, request: Request) -> Response:
        """Name the state of this moment and keep its history. Costs the same for any number of files."""
        made = actions.create_snapshot(self.workspace, **parse(SnapshotForm, request), actor=self.workspace.actor)
        return Response(shapes.snapshot_json(made), status=201)


class SnapshotView(WorkspaceView):
    required_scope = {"GET": "snapshots:read", "PATCH": "snapshots:write", "DELETE": "snapshots:write"}

    @extend_schema(**schemas.READ_SNAPSHOT)
    def get(self, request: Request, name: str) -> Response:
        """One snapshot."""
        return Response(shapes.snapshot_json(queries.snapshot_of(self.workspace.id, name)))

    @extend_schema(**schemas.PIN_SNAPSHOT)
    def patch(self, request: Request, name: str) -> Response:
        """Pin a snapshot, so that nothing deletes it, or let it go. Nothing else of it ever changes."""
        snapshot = queries.snapshot_of(self.workspace.id, name)
        changed = actions.pin_snapshot(snapshot, **parse(PinForm, request), actor=self.workspace.actor)
        return Response(shapes.snapshot_json(changed))

    @extend_schema(**schemas.DELETE_SNAPSHOT)
    def delete(self, request: Request, name: str) -> HttpResponse:
        """Delete a snapshot. Files stay; history goes where the workspace does not want to keep it."""
        snapshot = queries.snapshot_of(self.workspace.id, name)
        actions.delete_snapshot(self.workspace, snapshot, actor=self.workspace.actor)
        return no_content()


class SnapshotFilesView(WorkspaceView):
    required_scope = {"GET": "snapshots:read"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"prefix"}}

    @extend_schema(**schemas.LIST_FILES)
    def get(self, request: Request, name: str) -> Response:
        """The files that the workspace held then."""
        snapshot = queries.snapshot_of(self.workspace.id, name)
        prefix = checked_prefix(request.query_params.get("prefix", ""))
        return Response(
            _page(
                request,
                lambda after, limit: queries.files_of(snapshot, prefix=prefix, after=after, limit=limit),
                shapes.file_json,
            )
        )


class SnapshotChangesView(WorkspaceView):
    required_scope = {"GET": "snapshots:read"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"prefix", "to"}}

    @extend_schema(**schemas.COMPARE)
    def get(self, request: Request, name: str) -> Response:
        """What was added, changed and deleted from this state to another one, or to now."""
        workspace_id, to = self.workspace.id, request.query_params.get("to", queries.NOW)
        prefix = checked_prefix(request.query_params.get("prefix", ""))
        return Response(
            _page(
                request,
                lambda after, limit: queries.differences_of(
                    workspace_id, name, to, prefix=prefix, behind=after, limit=limit
                ),
                shapes.difference_json,
            )
        )


class RestoresView(WorkspaceView):
    required_scope = {"GET": "restores:read", "POST": "restores:write"}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**copy_schemas.LIST_RESTORES)
    def get(self, request: Request) -> Response:
        """Restores into the workspace, newest first; those that take a job from the moment they were asked for."""
        found = restores.restores_of(self.workspace.id)
        return Response(page_of(found, request.query_params, render=shapes.restore_json))

    @extend_schema(**schemas.RESTORE)
    @idempotent
    def post(self, request: Request) -> Response:
        """Write the files of a snapshot as new versions, all or nothing; clients see an ordinary change.

        With `delete`, files that were not there then are deleted. The state before becomes a snapshot of its own.
        """
        wish = parse_restore(RestoreForm, request)
        snapshot = queries.snapshot_of(self.workspace.id, wish.pop("snapshot"))
        done = actions.restore_snapshot(self.workspace, snapshot, **wish, actor=self.workspace.actor)
        return Response(shapes.restored_json(done))


def _page(
    request: Request, rows: Callable[[str, int], Iterator[Any]], render: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """A page of rows with paths, in their order. `rows(after, limit)` gives those behind a path. Raises `BadCursor`."""
    limit = limit_of(request.query_params.get("limit"))
    cursor = request.query_params.get("cursor")
    items = [render(row) for row in rows(_path_of(cursor) if cursor else "", limit + 1)]
    following = encode_cursor("path", items[limit - 1]["path"]) if len(items) > limit else None
    return {"items": items[:limit], "next_cursor": following}


def _path_of(cursor: str) -> str:
    values = decode_cursor(cursor)
    if len(values) == 2 and values[0] == "path" and isinstance(values[1], str):
        return values[1]
    raise BadCursor("The cursor belongs to another list.")
