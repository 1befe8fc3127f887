"""Where bytes lie: what the storage can do, and what waits to be copied into it."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase

from apps.blobs.capabilities import Capabilities, storage_capabilities, storage_kind
from apps.blobs.queries import copies_small_blobs
from apps.files import queries
from apps.files.admin.folders import page_address
from apps.files.admin.pages import PAGE_ROWS, Pages
from apps.workspaces.models import Workspace
from apps.workspaces.pages import CHOICES, address, workspace_for, workspaces_for


@dataclass(frozen=True, slots=True)
class Lag:
    """How many versions of a workspace the uploader has not come to yet."""

    workspace: Workspace
    versions: int
    address: str


def overview(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The storage, and each workspace with what waits. A POST of a superuser tries out what the storage can do."""
    if "workspace" in request.GET:
        return _waiting(pages, request)
    capabilities: Capabilities | None = None
    if request.method == "POST" and request.user.is_superuser:
        capabilities = storage_capabilities()
    copies = copies_small_blobs()
    return pages.rendered(
        request,
        "storage.html",
        title="Storage",
        subtitle="Where bytes lie",
        kind=storage_kind(),
        copies=copies,
        capabilities=capabilities,
        lags=_lags(request) if copies else [],
    )


def _lags(request: HttpRequest) -> list[Lag]:
    """The furthest behind come first."""
    workspaces = list(workspaces_for(request)[:CHOICES])
    reached = queries.uploaded_to([workspace.pk for workspace in workspaces])
    lags = [
        Lag(
            workspace,
            workspace.counter.last_sequence - reached.get(workspace.pk, 0),
            address("blobs_blob_changelist", workspace=workspace.slug),
        )
        for workspace in workspaces
    ]
    return sorted(lags, key=lambda lag: -lag.versions)


def _waiting(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The next versions of a workspace whose bytes lie in the database only."""
    workspace = workspace_for(request)
    found = queries.versions_to_upload(workspace.pk, limit=PAGE_ROWS + 1) if copies_small_blobs() else []
    return pages.rendered(
        request,
        "waiting.html",
        title=workspace.slug,
        subtitle="Waiting for upload",
        workspace=workspace,
        rows=[(each, page_address(workspace.slug, each.path)) for each in found[:PAGE_ROWS]],
        is_cut=len(found) > PAGE_ROWS,
    )
