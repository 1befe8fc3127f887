"""What targets hold of a workspace, of whichever hub: listed, looked at anew, verified, pinned, deleted."""

from dataclasses import dataclass

from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect

from apps.common.errors import Invalid
from apps.snapshots import copies, queries, removals
from apps.snapshots.admin.pages import COPIES, PAGE_ROWS, WRITE, Pages, copy_page, snapshot_page
from apps.snapshots.admin.rows import copy_row
from apps.snapshots.admin.working import work_in
from apps.snapshots.alarms import alarms
from apps.snapshots.models import CopyState, RemoteCopy, RemoteTarget, Repository, Restore, RestoreState, VerifyMode
from apps.snapshots.policies import rule_of
from apps.snapshots.targets import repository_for, settings_target, target_named
from apps.snapshots.telling import told
from apps.workspaces.console import Question, actor_of
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, choice_of_workspace, given, posted, public_id, workspace_for
from apps.workspaces.showing import count, size

MODES = {
    VerifyMode.LISTING: "Its manifest is read, and every object is looked for in the target's listing.",
    VerifyMode.SAMPLE: "Also some of its content is read back and hashed.",
    VerifyMode.FULL: "All of its content is read back and hashed. Costs as much traffic as a restore.",
    VerifyMode.TRIAL: "It is restored into a scratch area, and thrown away.",
}


MOST_FORKS = 20


@dataclass(frozen=True, slots=True)
class Fork:
    """The newest copy of one of the hubs that have gone different ways."""

    copy: RemoteCopy
    address: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A target of the workspace, and where hubs have gone different ways in it."""

    target: RemoteTarget
    repository: Repository | None
    address: str
    forks: list[Fork]


def latest(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The copies of a workspace in its targets, newest first, as of when those were listed last."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=COPIES, title="Copies")
    workspace = workspace_for(request, pages.read_scope)
    settings_target()
    target, before = given(request, "target"), given(request, "before")
    found = queries.copies_of(workspace.pk, target=target)
    if before:
        found = found.filter(_older_than(workspace, before))
    rows = list(found[: PAGE_ROWS + 1])
    shown = rows[:PAGE_ROWS]
    here = {"workspace": workspace.slug, "target": target}
    return pages.of_workspace(
        request,
        "copies.html",
        workspace,
        tab=COPIES,
        title=workspace.slug,
        subtitle="Copies",
        rows=[copy_row(workspace, each) for each in shown],
        places=_places(workspace),
        target=target,
        here=address(COPIES, workspace=workspace.slug),
        alarms=told(alarms(workspace.pk)),
        first_page=address(COPIES, **here) if before else "",
        next_page=address(COPIES, before=shown[-1].public_id, **here) if rows[PAGE_ROWS:] else "",
    )


def _older_than(workspace: Workspace, before: str) -> Q:
    """What comes behind a copy in the list. Raises `NotFound`."""
    last = queries.copies_of(workspace.pk).filter(public_id=public_id(before)).first()
    if last is None:
        return Q(pk=None)
    return Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk)


def _places(workspace: Workspace) -> list[Place]:
    """The targets that the workspace may use, by name. Three queries, and two for each that several hubs write to."""
    repositories = {
        each.target_id: each
        for each in Repository.objects.filter(workspace=workspace).select_related("target", "workspace")
    }
    foreign = RemoteCopy.objects.filter(repository__workspace=workspace).exclude(writer=F("repository__writer"))
    shared = set(foreign.values_list("repository_id", flat=True).distinct())
    places = []
    for target in queries.targets_of(workspace.pk).order_by("name"):
        repository = repositories.get(target.pk)
        forks = _forks(workspace, repository) if repository is not None and repository.pk in shared else []
        link = address(COPIES, workspace=workspace.slug, target=target.name)
        places.append(Place(target, repository, link, forks))
    return places


def _forks(workspace: Workspace, repository: Repository) -> list[Fork]:
    return [
        Fork(each, copy_page(workspace, repository.target.name, each.name), each.writer == repository.writer)
        for each in queries.forks_of(repository)[:MOST_FORKS]
    ]


def _asked(request: HttpRequest, scope: str) -> tuple[Workspace, RemoteCopy]:
    """What `?workspace=&target=&name=` name. Raises `NotFound`, for strangers too."""
    workspace = workspace_for(request, scope)
    target = target_named(given(request, "target"), workspace_id=workspace.pk)
    return workspace, queries.copy_named(workspace.pk, target, given(request, "name"))


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One copy, how it was found when it was last looked at, and what can be done with it."""
    workspace, copy = _asked(request, pages.read_scope)
    rule = rule_of(workspace.pk, copy.repository_id)
    work = work_in(workspace.pk)
    is_at_work = any(each.subject == str(copy.public_id) for each in work)
    return pages.of_workspace(
        request,
        "copy.html",
        workspace,
        tab=COPIES,
        title=copy.name,
        subtitle=copy.repository.target.name,
        work=work,
        row=copy_row(workspace, copy, rule.grace_hours),
        copy=copy,
        snapshot=snapshot_page(workspace, copy.snapshot.name) if copy.snapshot is not None else "",
        modes=[(str(mode), mode.label, text) for mode, text in MODES.items()],
        is_sealed=copy.state == CopyState.SEALED,
        may_resume=copy.state == CopyState.UPLOADING and copy.snapshot is not None and not is_at_work,
        verified_how=VerifyMode(copy.verify_mode).label if copy.verify_mode in VerifyMode.values else "",
        restoring=Restore.objects.filter(copy=copy, state=RestoreState.OPEN).exists(),
    )


def refresh(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Reads from the target that the form names which copies lie there."""
    workspace = workspace_for(request, WRITE)

    def do() -> str:
        target = target_named(posted(request, "target"), workspace_id=workspace.pk)
        number = copies.refresh(repository_for(workspace, target))
        return f"{target.name} holds {number} {'copy' if number == 1 else 'copies'} of {workspace.slug}."

    return pages.pressed(request, address(COPIES, workspace=workspace.slug), do)


def resume(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks again for an upload that has ended before it was done."""
    workspace, copy = _asked(request, WRITE)

    def do() -> str:
        if copy.snapshot is None:
            raise Invalid.of("snapshot", "gone", "Its snapshot is gone: delete what was sent of it.")
        copies.request_upload(workspace, copy.snapshot, copy.repository.target, actor=actor_of(request))
        return "The upload goes on where it ended."

    return pages.pressed(request, copy_page(workspace, copy.repository.target.name, copy.name), do)


def verify(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks for a look at a copy, as thorough as the form says."""
    workspace, copy = _asked(request, WRITE)
    mode = posted(request, "mode")

    def do() -> str:
        if mode not in VerifyMode.values:
            raise Invalid.of("mode", "mode", f"One of {', '.join(VerifyMode.values)}.")
        copies.request_verify(copy, mode, actor=actor_of(request))
        return f"{copy.name} is going to be looked at. Here stands what comes of it."

    return pages.pressed(request, copy_page(workspace, copy.repository.target.name, copy.name), do)


def pin(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Pins or lets go, as the form says."""
    workspace, copy = _asked(request, WRITE)
    is_pinned = posted(request, "pinned") == "yes"

    def do() -> str:
        copies.pin_copy(copy, is_pinned=is_pinned, actor=actor_of(request))
        return f"{copy.name} is {'pinned: nothing deletes it' if is_pinned else 'not pinned any more'}."

    return pages.pressed(request, copy_page(workspace, copy.repository.target.name, copy.name), do)


def delete(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks, and then removes a copy from its target."""
    workspace, copy = _asked(request, WRITE)
    target = copy.repository.target.name
    is_ours = copy.writer == copy.repository.writer
    whose = "" if is_ours else " Another hub wrote it, and may still count on it."
    question = Question(
        title=f"Delete {copy.name} from {target}",
        text="The copy can not be restored any more from then on. The snapshot that it is of stays, where this hub "
        f"still has it. What no other copy needs is removed from the target later.{whose}",
        button="Delete the copy",
        back=copy_page(workspace, target, copy.name),
        icon="delete",
        rows=[f"{count(copy.files)} files, {size(copy.size_bytes)}"],
    )
    answer = pages.step(request, question, lambda: _deleted(request, copy))
    if not RemoteCopy.objects.filter(pk=copy.pk).exists():
        return HttpResponseRedirect(address(COPIES, workspace=workspace.slug))
    return answer


def _deleted(request: HttpRequest, copy: RemoteCopy) -> str:
    removals.delete_copy(copy, actor=actor_of(request))
    return f"{copy.name} is deleted from {copy.repository.target.name}."
