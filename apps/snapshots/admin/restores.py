"""Bringing a state back: asked for with what it would change before one's eyes, followed, and undone."""

from dataclasses import dataclass

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect

from apps.common.errors import DomainError, NotFound
from apps.files.paths import checked_prefix
from apps.jobs.working import Work
from apps.snapshots import queries, restores
from apps.snapshots.admin.pages import (
    PAGE_ROWS,
    READ,
    RESTORE,
    RESTORED,
    RESTORES,
    Pages,
    copy_page,
    restore_page,
    snapshot_page,
)
from apps.snapshots.admin.rows import Words, restore_words
from apps.snapshots.admin.working import work_in
from apps.snapshots.models import RemoteCopy, Restore, RestoreState, Snapshot
from apps.snapshots.previewing import MOST_COUNTED, Plan, preview
from apps.snapshots.targets import target_named
from apps.workspaces.console import actor_of, is_confirmed, refusal_text
from apps.workspaces.models import Workspace
from apps.workspaces.pages import (
    CHOICES,
    address,
    choice_of_workspace,
    given,
    posted,
    public_id,
    workspace_for,
    workspaces_for,
)

SHOWN_PATHS = 50
ASK = "snapshots_restore_ask"
Source = Snapshot | RemoteCopy


@dataclass(frozen=True, slots=True)
class RestoreRow:
    """A restore with the pages of what it came from and of what was before; `undo` is empty where it can not be."""

    restore: Restore
    address: str
    state: Words
    source: str
    safety: str
    undo: str


def latest(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The restores into a workspace, newest first; without a workspace, the choice of one."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=RESTORED, title="Restores")
    workspace = workspace_for(request, RESTORES)
    before = given(request, "before")
    work = work_in(workspace.pk)
    found = _settled(workspace, work)
    if before:
        found = found.filter(pk__lt=restores.restore_by_id(workspace.pk, public_id(before)).pk)
    rows = list(found[: PAGE_ROWS + 1])
    shown = rows[:PAGE_ROWS]
    here = {"workspace": workspace.slug}
    return pages.of_workspace(
        request,
        "restores.html",
        workspace,
        tab=RESTORED,
        title=workspace.slug,
        subtitle="Restores",
        work=work,
        rows=[_row(workspace, each) for each in shown],
        first_page=address(RESTORED, **here) if before else "",
        next_page=address(RESTORED, before=shown[-1].public_id, **here) if rows[PAGE_ROWS:] else "",
    )


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One restore: how far it is, or what it changed."""
    workspace = workspace_for(request, RESTORES)
    wanted = public_id(given(request, "id"))
    work = work_in(workspace.pk)
    restore = _settled(workspace, work).filter(public_id=wanted).first()
    if restore is None:
        raise NotFound
    return pages.of_workspace(
        request,
        "restore.html",
        workspace,
        tab=RESTORED,
        title=restore.source,
        subtitle=workspace.slug,
        work=work,
        row=_row(workspace, restore),
        restore=restore,
    )


def _settled(workspace: Workspace, work: list[Work]) -> QuerySet[Restore]:
    """The restores of a workspace; one that waits for a job which is gone ends here."""
    found = restores.restores_of(workspace.pk).select_related(
        "safety", "snapshot__workspace", "copy__repository__target", "copy__repository__workspace"
    )
    open_one = found.filter(state=RestoreState.OPEN).first()
    if open_one is not None and all(each.subject != str(open_one.public_id) for each in work):
        restores.settle(workspace.pk)
    return found.order_by("-id")


def _row(workspace: Workspace, restore: Restore) -> RestoreRow:
    source = ""
    if restore.copy is not None and restore.copy.repository.workspace_id == workspace.pk:
        source = copy_page(workspace, restore.copy.repository.target.name, restore.copy.name)
    elif restore.snapshot is not None and restore.snapshot.workspace_id == workspace.pk:
        source = snapshot_page(workspace, restore.snapshot.name)
    safety = undo = ""
    if restore.safety is not None:
        safety = snapshot_page(workspace, restore.safety.name)
        names = {"snapshot": restore.safety.name, "prefix": restore.prefix.rstrip("/"), "delete": 1}
        undo = address(ASK, workspace=workspace.slug, **names)
    return RestoreRow(
        restore,
        restore_page(workspace, restore.public_id),
        restore_words(restore),
        source,
        safety,
        undo,
    )


def ask(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """What a restore would change; at a yes it is asked for.

    From `?snapshot=` or from `?target=&copy=` of a workspace, into that one or `&into=` another one.
    """
    workspace = workspace_for(request, READ)
    into = _destination(request, workspace)
    source = _source(request, workspace)
    prefix = checked_prefix(given(request, "prefix").strip("/"))
    delete = given(request, "delete") == "1"
    if is_confirmed(request):
        return _asked_for(pages, request, source, into, prefix=prefix, delete=delete)
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET", "POST"])
    others = workspaces_for(request, RESTORE).values_list("slug", flat=True)[:CHOICES]
    target = source.repository.target.name if isinstance(source, RemoteCopy) else ""
    plan, refusal = _plan(source, into, prefix, delete=delete)
    return pages.of_workspace(
        request,
        "ask.html",
        workspace,
        tab=RESTORED,
        title=f"Restore {source.name}",
        subtitle=workspace.slug,
        source=source,
        target=target,
        into=into,
        destinations=list(others),
        prefix=prefix.rstrip("/"),
        delete=delete,
        plan=plan,
        refusal=refusal,
        most_counted=MOST_COUNTED,
        back=copy_page(workspace, target, source.name) if target else snapshot_page(workspace, source.name),
    )


def _destination(request: HttpRequest, workspace: Workspace) -> Workspace:
    """The workspace to write into, in which the person may restore. Raises `NotFound`."""
    slug = given(request, "into") or workspace.slug
    into = workspaces_for(request, RESTORE).filter(slug=slug).first()
    if into is None:
        raise NotFound
    return into


def _source(request: HttpRequest, workspace: Workspace) -> Source:
    """Raises `NotFound`."""
    if "copy" not in request.GET:
        return queries.snapshot_of(workspace.pk, given(request, "snapshot"))
    target = target_named(given(request, "target"), workspace_id=workspace.pk)
    return queries.copy_named(workspace.pk, target, given(request, "copy"))


def _asked_for(
    pages: Pages, request: HttpRequest, source: Source, into: Workspace, *, prefix: str, delete: bool
) -> HttpResponse:
    wish = {"copy": source} if isinstance(source, RemoteCopy) else {"snapshot": source}
    try:
        restore = restores.request_restore(
            into,
            **wish,
            prefix=prefix,
            delete=delete,
            message=posted(request, "message")[:1000],
            actor=actor_of(request),
        )
    except DomainError as error:
        pages.message_user(request, refusal_text(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())
    return HttpResponseRedirect(restore_page(into, restore.public_id))


def _plan(source: Source, into: Workspace, prefix: str, *, delete: bool) -> tuple[Plan, str]:
    """What would change, and why that is not known."""
    try:
        return preview(source, into, prefix=prefix, delete=delete, shown=SHOWN_PATHS), ""
    except DomainError as error:
        return Plan(), refusal_text(error)
