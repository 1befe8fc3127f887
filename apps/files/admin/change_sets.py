"""Who wrote what together, and why."""

from django.http import HttpRequest, HttpResponseBase

from apps.common.errors import NotFound
from apps.files import queries
from apps.files.admin.folders import page_address
from apps.files.admin.pages import PAGE_ROWS, Pages, number
from apps.workspaces.pages import address, choice_of_workspace, workspace_for

SHOWN_VERSIONS = 1000


def latest(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The change sets of a workspace, newest first; without a workspace, the choice of one."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page="files_changeset_changelist", title="Change sets")
    workspace = workspace_for(request)
    before = number(request.GET.get("before"))
    found = queries.latest_change_sets(workspace.pk, before=before, limit=PAGE_ROWS + 1)
    shown = found[:PAGE_ROWS]
    here = {"workspace": workspace.slug}
    return pages.rendered(
        request,
        "change_sets.html",
        title=workspace.slug,
        subtitle="Change sets",
        workspace=workspace,
        rows=[(each, address("files_changeset_page", number=each.first, **here)) for each in shown],
        is_first_page=before is None,
        next_page=address("files_changeset_changelist", before=shown[-1].first, **here) if found[PAGE_ROWS:] else "",
        files=address("files_file_changelist", **here),
    )


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One change set with its versions."""
    workspace = workspace_for(request)
    first = number(request.GET.get("number"))
    if first is None:
        raise NotFound
    found = queries.change_set_at(workspace.pk, first)
    versions = queries.versions_of_set(workspace.pk, found.first, found.last, limit=SHOWN_VERSIONS + 1)
    return pages.rendered(
        request,
        "change_set.html",
        title=f"Change set {first}",
        subtitle=workspace.slug,
        workspace=workspace,
        change_set=found,
        rows=[(each, _version_address(workspace.slug, each)) for each in versions[:SHOWN_VERSIONS]],
        is_cut=len(versions) > SHOWN_VERSIONS,
        written=found.last - found.first + 1,
        all_sets=address("files_changeset_changelist", workspace=workspace.slug),
    )


def _version_address(slug: str, version: queries.VersionOfSet) -> str:
    """What a version changed, or what it began with."""
    if version.parent_version is None:
        return page_address(slug, version.path)
    names = {"from": version.parent_version, "to": version.version}
    return address("files_file_compare", workspace=slug, path=version.path, **names)
