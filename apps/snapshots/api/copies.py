"""Targets that a workspace may use, its copies there, and restores that take a job."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.idempotency import idempotent
from apps.common.forms import parse
from apps.common.paging import PAGE_PARAMETERS, page_of
from apps.snapshots import copies, queries, removals, restores, targets
from apps.snapshots.api import copy_schemas as schemas
from apps.snapshots.api import shapes
from apps.snapshots.api.forms import CopyForm, PinForm, RestoreCopyForm, RestoreIntoForm, VerifyForm
from apps.snapshots.api.wishes import PREVIEW_PARAMETERS, parse_restore, previewed
from apps.snapshots.models import RemoteCopy, RemoteTarget
from apps.workspaces.access import open_workspace
from apps.workspaces.views import WorkspaceView, no_content


class TargetsView(WorkspaceView):
    required_scope = {"GET": "snapshots:read"}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_TARGETS)
    def get(self, request: Request) -> Response:
        """Where copies of the workspace's snapshots can go. The operator makes targets known."""
        targets.settings_target()
        found = queries.targets_of(self.workspace.id)
        return Response(page_of(found, request.query_params, key="name", render=shapes.target_json))


class TargetView(WorkspaceView):
    """A view below a target, and perhaps below a copy in it."""

    def target(self, name: str) -> RemoteTarget:
        targets.settings_target()
        return targets.target_named(name, workspace_id=self.workspace.id)

    def copy(self, target: str, name: str) -> RemoteCopy:
        return queries.copy_named(self.workspace.id, self.target(target), name)


class CopiesView(TargetView):
    required_scope = {"GET": "snapshots:read", "POST": "snapshots:write"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"refresh"}}

    @extend_schema(**schemas.LIST_COPIES)
    def get(self, request: Request, target: str) -> Response:
        """What a target holds of the workspace, those of other hubs too."""
        place = self.target(target)
        if request.query_params.get("refresh") == "true":
            copies.refresh(targets.repository_for(self.workspace, place))
        found = queries.copies_of(self.workspace.id, target=place.name)
        return Response(page_of(found, request.query_params, render=shapes.copy_json))

    @extend_schema(**schemas.CREATE_COPY)
    @idempotent
    def post(self, request: Request, target: str) -> Response:
        """Copy a snapshot to the target. Only what the target lacks travels; the job says how far it is.

        Asked again for a snapshot that is there, it answers with that copy.
        """
        place = self.target(target)
        snapshot = queries.snapshot_of(self.workspace.id, parse(CopyForm, request)["snapshot"])
        copy = copies.request_upload(self.workspace, snapshot, place, actor=self.workspace.actor)
        return Response(shapes.copy_json(copy, copies.open_job(copy)), status=202)


class CopyView(TargetView):
    required_scope = {"GET": "snapshots:read", "PATCH": "snapshots:write", "DELETE": "snapshots:write"}

    @extend_schema(**schemas.READ_COPY)
    def get(self, request: Request, target: str, name: str) -> Response:
        """One copy."""
        copy = self.copy(target, name)
        return Response(shapes.copy_json(copy, copies.open_job(copy)))

    @extend_schema(**schemas.PIN_COPY)
    def patch(self, request: Request, target: str, name: str) -> Response:
        """Pin a copy, so that nothing deletes it, or let it go."""
        copy = copies.pin_copy(self.copy(target, name), **parse(PinForm, request), actor=self.workspace.actor)
        return Response(shapes.copy_json(copy))

    @extend_schema(**schemas.DELETE_COPY)
    def delete(self, request: Request, target: str, name: str) -> Any:
        """Delete a copy from its target. What only it needed goes with the next pruning."""
        removals.delete_copy(self.copy(target, name), actor=self.workspace.actor)
        return no_content()


class VerifyView(TargetView):
    required_scope = {"POST": "snapshots:write"}

    @extend_schema(**schemas.VERIFY_COPY)
    def post(self, request: Request, target: str, name: str) -> Response:
        """Look whether a copy is whole: by its listing, a sample, all of it, or a trial restore."""
        copy = self.copy(target, name)
        job = copies.request_verify(copy, parse(VerifyForm, request)["mode"], actor=self.workspace.actor)
        return Response({"job": str(job.public_id)}, status=202)


class RestoreCopyView(TargetView):
    required_scope = {"GET": "snapshots:read", "POST": "restores:write"}
    query_parameters = {"GET": PREVIEW_PARAMETERS}

    @extend_schema(**schemas.PREVIEW_COPY)
    def get(self, request: Request, target: str, name: str) -> Response:
        """What a restore of the copy would change now. Advice: others may write before it."""
        return previewed(self.copy(target, name), self.workspace, request)

    @extend_schema(**schemas.RESTORE_COPY)
    @idempotent
    def post(self, request: Request, target: str, name: str) -> Response:
        """Bring the files of a copy back, all or nothing, as an ordinary change; the restore says when it is done.

        With `delete`, files that were not there then are deleted. With `merge`, only what the other side has changed
        is taken, and where both have, both texts stay.
        """
        copy = self.copy(target, name)
        wish = parse_restore(RestoreCopyForm, request)
        is_merge = wish.pop("merge")
        restore = restores.request_restore(
            self.workspace, copy=copy, is_merge=is_merge, **wish, actor=self.workspace.actor
        )
        return Response(shapes.restore_json(restore, restores.open_job(restore)), status=202)


class RestoreIntoView(WorkspaceView):
    required_scope = {"GET": "snapshots:read", "POST": "snapshots:read"}
    query_parameters = {"GET": PREVIEW_PARAMETERS}

    @extend_schema(**schemas.PREVIEW_SNAPSHOT)
    def get(self, request: Request, name: str) -> Response:
        """What a restore of the snapshot would change in its workspace now. Advice: others may write before it."""
        return previewed(queries.snapshot_of(self.workspace.id, name), self.workspace, request)

    @extend_schema(**schemas.RESTORE_INTO)
    @idempotent
    def post(self, request: Request, name: str) -> Response:
        """Bring the files of a snapshot into a workspace that the token may restore into; bytes are copied."""
        snapshot = queries.snapshot_of(self.workspace.id, name)
        wish = parse_restore(RestoreIntoForm, request)
        into = open_workspace(request, wish.pop("into"), "restores:write", rate_limited=False)
        restore = restores.request_restore(into, snapshot=snapshot, **wish, actor=into.actor)
        return Response(shapes.restore_json(restore, restores.open_job(restore)), status=202)


class RestoreView(WorkspaceView):
    required_scope = {"GET": "restores:read"}

    @extend_schema(**schemas.READ_RESTORE)
    def get(self, request: Request, restore_id: UUID) -> Response:
        """One restore: whether it is done, and what it changed."""
        restore = restores.restore_by_id(self.workspace.id, restore_id)
        return Response(shapes.restore_json(restore, restores.open_job(restore)))
