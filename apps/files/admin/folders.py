"""The folders of a workspace, and its paths by a word in them."""

from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest, HttpResponseBase

from apps.files import queries
from apps.files.admin.pages import PAGE_ROWS, Pages
from apps.files.browsing_sql import PathRow
from apps.files.paths import checked_prefix
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, choice_of_workspace, workspace_for


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the page; `state` None is a folder."""

    name: str
    address: str
    state: PathRow | None


@dataclass(frozen=True, slots=True)
class Crumb:
    name: str
    address: str


def browse(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One folder, or what a search finds; without a workspace, the choice of one."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page="files_file_changelist", title="Files")
    workspace = workspace_for(request)
    folder = request.GET.get("folder", "").strip("/")
    prefix = checked_prefix(folder)
    words = request.GET.get("q", "").strip()
    with_deleted = request.GET.get("deleted") == "1"
    start = request.GET.get("from", "").replace("\0", "")
    if words:
        entries, behind = _found(workspace, words.replace("\0", ""), start, with_deleted=with_deleted)
    else:
        entries, behind = _of_folder(workspace, prefix, start, with_deleted=with_deleted)
    here = partial(address, "files_file_changelist", workspace=workspace.slug, folder=folder, q=words)
    return pages.rendered(
        request,
        "folder.html",
        title=workspace.slug,
        subtitle=folder or "Files",
        workspace=workspace,
        folder=folder,
        crumbs=_crumbs(workspace.slug, folder),
        entries=entries,
        words=words,
        with_deleted=with_deleted,
        is_first_page=not start,
        next_page=here(deleted=int(with_deleted), **{"from": behind}) if behind else "",
        other_view=here(deleted=int(not with_deleted)),
        change_sets=address("files_changeset_changelist", workspace=workspace.slug),
    )


def _of_folder(workspace: Workspace, prefix: str, start: str, *, with_deleted: bool) -> tuple[list[Entry], str]:
    """The entries of a page, and where the next one begins."""
    found = queries.folder_entries(workspace.pk, prefix, start=start, tombstones=with_deleted, limit=PAGE_ROWS + 1)
    entries = [
        Entry(each.name, page_address(workspace.slug, each.path), each.state)
        if each.state
        else Entry(each.name, folder_address(workspace.slug, each.path), None)
        for each in found[:PAGE_ROWS]
    ]
    return entries, found[PAGE_ROWS - 1].behind if len(found) > PAGE_ROWS else ""


def _found(workspace: Workspace, words: str, after: str, *, with_deleted: bool) -> tuple[list[Entry], str]:
    rows = queries.paths_with(workspace.pk, words, after=after, tombstones=with_deleted, limit=PAGE_ROWS + 1)
    entries = [Entry(row.path, page_address(workspace.slug, row.path), row) for row in rows[:PAGE_ROWS]]
    return entries, rows[PAGE_ROWS - 1].path if len(rows) > PAGE_ROWS else ""


def _crumbs(slug: str, folder: str) -> list[Crumb]:
    """The folders above, each with its page."""
    names = folder.split("/") if folder else []
    return [Crumb(name, folder_address(slug, "/".join(names[: depth + 1]))) for depth, name in enumerate(names)]


def crumbs_above(slug: str, path: str) -> list[Crumb]:
    """The folders that a file lies in."""
    return _crumbs(slug, path.rpartition("/")[0])


def folder_address(slug: str, folder: str) -> str:
    return address("files_file_changelist", workspace=slug, folder=folder)


def page_address(slug: str, path: str) -> str:
    return address("files_file_page", workspace=slug, path=path)
