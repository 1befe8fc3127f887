"""One path: its preview and history, two versions beside each other, its bytes, and bringing a version back."""

from dataclasses import dataclass
from functools import partial

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect

from apps.blobs.content import StoredBlob
from apps.blobs.objects import blob_chunks
from apps.common.conditions import ABSENT, Condition
from apps.common.errors import NotFound, PreconditionFailed
from apps.files import actions, queries
from apps.files.actions import Revert
from apps.files.admin.folders import crumbs_above, page_address
from apps.files.admin.pages import Pages, may, number
from apps.files.admin.rendering import Places, is_image, is_markdown, markdown_html, split_front_matter
from apps.files.admin.side_by_side import compare
from apps.files.models import Origin
from apps.files.paths import checked_path
from apps.files.queries import BlobRow
from apps.files.serving import guarded_headers, stored_response
from apps.workspaces.console import actor_of
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, workspace_for

HISTORY_ROWS = 30
PREVIEW_BYTES = 256 * 1024
COMPARE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Preview:
    """How a state is shown. `kind` is `image`, `markdown`, `text`, `none`, `deleted` or `empty`."""

    kind: str
    text: str = ""
    front_matter: str = ""
    is_cut: bool = False


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """A path: what it holds now or held at `?version=`, and its versions."""
    workspace, path = _asked(request)
    head = queries.head_at(workspace.pk, path)
    if head is None:
        raise NotFound
    version = number(request.GET.get("version"))
    state = head if version in (None, head.version) else _state_at(workspace, path, version)
    before = number(request.GET.get("before"))
    rows = queries.history(workspace.pk, path, before=before, limit=HISTORY_ROWS + 1)
    here = partial(address, "files_file_page", workspace=workspace.slug, path=path)
    return pages.rendered(
        request,
        "file.html",
        title=path.rpartition("/")[2],
        subtitle=workspace.slug,
        workspace=workspace,
        path=path,
        crumbs=crumbs_above(workspace.slug, path),
        head=head,
        state=state,
        sha256="" if state.is_deleted else bytes(state.sha256).hex(),
        preview=_preview(workspace, path, state),
        rows=rows[:HISTORY_ROWS],
        here=here(),
        older=here(before=rows[HISTORY_ROWS - 1].version, version=version) if len(rows) > HISTORY_ROWS else "",
        is_newest_page=before is None,
        raw=_bytes_address(workspace.slug, path, state.version),
        may_write=may(request, workspace, "files:write"),
    )


def compare_versions(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """Two versions of a path beside each other, `?from=` and `?to=`; without `to`, the newest one."""
    workspace, path = _asked(request)
    head = queries.head_at(workspace.pk, path)
    if head is None:
        raise NotFound
    before = _state_at(workspace, path, number(request.GET.get("from")))
    to = number(request.GET.get("to"))
    after = head if to is None else _state_at(workspace, path, to)
    texts = [_whole_text(state) for state in (before, after)]
    comparison = compare(texts[0], texts[1]) if texts[0] is not None and texts[1] is not None else None
    return pages.rendered(
        request,
        "compare.html",
        title=path.rpartition("/")[2],
        subtitle=f"Version {before.version} beside {after.version}",
        workspace=workspace,
        path=path,
        crumbs=crumbs_above(workspace.slug, path),
        page=page_address(workspace.slug, path),
        before=before,
        after=after,
        comparison=comparison,
        same_bytes=not before.is_deleted and not after.is_deleted and before.sha256 == after.sha256,
        images=_images(workspace, path, (before, after)),
        versions=[row.version for row in queries.history(workspace.pk, path, before=None, limit=100)],
        limit_bytes=COMPARE_BYTES,
    )


def give_bytes(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The bytes of a version, as little trusted as by the API; `?download=1` saves them under the file's name."""
    workspace, path = _asked(request)
    state = queries.blob_at(workspace.pk, path, number(request.GET.get("version")))
    headers = guarded_headers(state.content_type) | {
        "ETag": f'"{state.version}"',
        "Content-Type": state.content_type,
        "Vary": "Cookie",
    }
    if request.GET.get("download") == "1":
        headers["Content-Disposition"] = "attachment"
    return stored_response(request, state, headers)


def bring_back(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """Asks, and then writes an old version as the newest, unless somebody has written meanwhile."""
    workspace, path = _asked(request, "files:write")
    head = queries.head_at(workspace.pk, path)
    state = _state_at(workspace, path, number(request.GET.get("version")))
    if head is None:
        raise NotFound
    page = page_address(workspace.slug, path)
    if request.method == "GET":
        return pages.rendered(
            request,
            "bring_back.html",
            title=path.rpartition("/")[2],
            subtitle=f"Bring version {state.version} back",
            workspace=workspace,
            path=path,
            crumbs=crumbs_above(workspace.slug, path),
            page=page,
            head=head,
            state=state,
        )
    if request.method != "POST":
        return HttpResponseNotAllowed(["GET", "POST"])
    _write_back(pages, request, workspace, Revert(path, state.version, _seen(request)))
    return HttpResponseRedirect(page)


def _write_back(pages: Pages, request: HttpRequest, workspace: Workspace, revert: Revert) -> None:
    message = request.POST.get("message", "")[:1000].replace("\0", "") or f"Version {revert.version} brought back"
    try:
        (change,) = actions.revert_files(
            workspace, [revert], actor=actor_of(request), message=message, origin=Origin.ADMIN
        )
    except PreconditionFailed:
        text = "Somebody has written this path meanwhile. Nothing was changed: look at the newest version first."
        pages.message_user(request, text, messages.ERROR)
        return
    text = f"Version {revert.version} is the newest again, as version {change.version}."
    pages.message_user(request, text, messages.SUCCESS)


def _seen(request: HttpRequest) -> Condition:
    """The state that the person had before their eyes: `live` names its version, empty is a tombstone."""
    version = number(request.POST.get("live"))
    return ABSENT if version is None else Condition.at_version(version)


def _asked(request: HttpRequest, scope: str = "files:read") -> tuple[Workspace, str]:
    return workspace_for(request, scope), checked_path(request.GET.get("path", ""))


def _state_at(workspace: Workspace, path: str, version: int | None) -> BlobRow:
    """A state with its bytes' place, a tombstone too. Raises `NotFound`."""
    if version is None:
        raise NotFound
    found = queries.versions_at(workspace.pk, [(path, version)])
    if not found:
        raise NotFound
    return found[path, version]


def _bytes_address(slug: str, path: str, version: int | None = None) -> str:
    return address("files_file_bytes", workspace=slug, path=path, version=version)


def _images(workspace: Workspace, path: str, states: tuple[BlobRow, BlobRow]) -> list[str]:
    """The addresses of both pictures, where both are some."""
    if any(state.is_deleted or not is_image(state.content_type) for state in states):
        return []
    return [_bytes_address(workspace.slug, path, state.version) for state in states]


def _preview(workspace: Workspace, path: str, state: BlobRow) -> Preview:
    if state.is_deleted:
        return Preview("deleted")
    if state.size_bytes == 0:
        return Preview("empty")
    if is_image(state.content_type):
        return Preview("image")
    text = _text(state, PREVIEW_BYTES)
    if text is None:
        return Preview("none")
    is_cut = state.size_bytes > PREVIEW_BYTES
    if not is_markdown(path, state.content_type):
        return Preview("text", text, is_cut=is_cut)
    front_matter, body = split_front_matter(text)
    places = Places(path, partial(page_address, workspace.slug), partial(_bytes_address, workspace.slug))
    return Preview("markdown", markdown_html(body, places), front_matter, is_cut)


def _whole_text(state: BlobRow) -> str | None:
    """The text of a state for a comparison; empty for a tombstone, None where it is too long or no text."""
    if state.is_deleted:
        return ""
    return None if state.size_bytes > COMPARE_BYTES else _text(state, COMPARE_BYTES)


def _text(state: BlobRow, limit_bytes: int) -> str | None:
    """The first bytes as text; None where they are none."""
    length = min(limit_bytes, state.size_bytes)
    data = b"".join(blob_chunks(StoredBlob(state.sha256, state.size_bytes, state.inline, state.object_key), 0, length))
    if b"\0" in data:
        return None
    # A character may be cut in two at the end.
    ends = range(len(data), max(len(data) - 4, 0), -1) if length < state.size_bytes else [len(data)]
    for end in ends:
        try:
            return data[:end].decode()
        except UnicodeDecodeError:
            continue
    return None
