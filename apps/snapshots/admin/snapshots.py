"""The snapshots of a workspace: listed, made, pinned, deleted, sent to targets."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect

from apps.common.errors import DomainError
from apps.snapshots import actions, queries
from apps.snapshots.admin.forms import SnapshotForm
from apps.snapshots.admin.pages import PAGE_ROWS, SNAPSHOTS, WRITE, Pages, asked_snapshot, snapshot_page
from apps.snapshots.admin.rows import KINDS, snapshot_rows
from apps.snapshots.copies import request_upload
from apps.snapshots.models import Snapshot
from apps.snapshots.policies import policy_of, rule_of
from apps.snapshots.targets import settings_target, target_named
from apps.workspaces.console import Question, actor_of, refusal_text
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, choice_of_workspace, given, posted, workspace_for
from apps.workspaces.showing import count, size

MOST_OTHERS = 100
"""Snapshots that are offered for a comparison; any other is named in the address."""


def latest(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The snapshots of a workspace, newest first; without a workspace, the choice of one."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=SNAPSHOTS, title="Snapshots")
    workspace = workspace_for(request, pages.read_scope)
    kind, before = given(request, "kind"), given(request, "before")
    found = queries.snapshots_of(workspace.pk, kind=kind)
    if before:
        found = found.filter(pk__lt=queries.snapshot_of(workspace.pk, before).pk)
    snapshots = list(found[: PAGE_ROWS + 1])
    shown = snapshots[:PAGE_ROWS]
    here = {"workspace": workspace.slug, "kind": kind}
    return pages.of_workspace(
        request,
        "snapshots.html",
        workspace,
        tab=SNAPSHOTS,
        title=workspace.slug,
        subtitle="Snapshots",
        rows=snapshot_rows(workspace, shown, rule_of(workspace.pk, None).grace_hours),
        kind=kind,
        kinds=[
            (value, words, address(SNAPSHOTS, workspace=workspace.slug, kind=value))
            for value, (words, _colour) in KINDS.items()
        ],
        here=address(SNAPSHOTS, workspace=workspace.slug),
        first_page=address(SNAPSHOTS, **here) if before else "",
        next_page=address(SNAPSHOTS, before=shown[-1].name, **here) if snapshots[PAGE_ROWS:] else "",
    )


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One snapshot, where its copies are, and what can be done with it."""
    workspace, snapshot = asked_snapshot(request)
    settings_target()
    (row,) = snapshot_rows(workspace, [snapshot], rule_of(workspace.pk, None).grace_hours)
    there = {each.copy.repository.target_id for each in row.copies}
    targets = [each for each in queries.targets_of(workspace.pk).order_by("name") if each.pk not in there]
    others = Snapshot.objects.filter(workspace=workspace).exclude(pk=snapshot.pk).order_by("-id")
    policy = policy_of(workspace.pk)
    return pages.of_workspace(
        request,
        "snapshot.html",
        workspace,
        tab=SNAPSHOTS,
        title=snapshot.name,
        subtitle=workspace.slug,
        row=row,
        snapshot=snapshot,
        parent=snapshot_page(workspace, snapshot.parent.name) if snapshot.parent else "",
        others=list(others.values_list("name", "created_at")[:MOST_OTHERS]),
        targets=[each.name for each in targets],
        wished_target=policy.target.name if policy.target else "",
    )


def make(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """Names the state of this moment."""
    workspace = workspace_for(request, WRITE)
    form = SnapshotForm(request.POST or None)
    if form.is_valid():
        try:
            made = actions.create_snapshot(workspace, **form.cleaned_data, actor=actor_of(request))
        except DomainError as error:
            form.add_error("name", refusal_text(error))
        else:
            pages.message_user(request, f"{made.name} holds {count(made.files)} files, {size(made.size_bytes)}.")
            return HttpResponseRedirect(snapshot_page(workspace, made.name))
    return pages.of_workspace(
        request,
        "make.html",
        workspace,
        tab=SNAPSHOTS,
        title="Make a snapshot",
        subtitle=workspace.slug,
        form=form,
        back=address(SNAPSHOTS, workspace=workspace.slug),
    )


def pin(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Pins or lets go, as the form says."""
    workspace, snapshot = asked_snapshot(request, WRITE)
    is_pinned = posted(request, "pinned") == "yes"

    def do() -> str:
        actions.pin_snapshot(snapshot, is_pinned=is_pinned, actor=actor_of(request))
        return f"{snapshot.name} is {'pinned: nothing deletes it' if is_pinned else 'not pinned any more'}."

    return pages.pressed(request, snapshot_page(workspace, snapshot.name), do)


def delete(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks, and then deletes a snapshot. Its copies in targets stay."""
    workspace, snapshot = asked_snapshot(request, WRITE)
    question = Question(
        title=f"Delete {snapshot.name}",
        text="The snapshot goes at once. The files of the workspace stay as they are; history that only this snapshot "
        "kept goes with the next clean-up. Copies of it in targets stay, and can be restored.",
        button="Delete the snapshot",
        back=snapshot_page(workspace, snapshot.name),
        icon="delete",
        rows=[f"{count(snapshot.files)} files, {size(snapshot.size_bytes)}", *_lines(snapshot)],
    )
    answer = pages.step(request, question, lambda: _deleted(request, workspace, snapshot))
    if not Snapshot.objects.filter(pk=snapshot.pk).exists():
        return HttpResponseRedirect(address(SNAPSHOTS, workspace=workspace.slug))
    return answer


def _lines(snapshot: Snapshot) -> list[str]:
    return [snapshot.message] if snapshot.message else []


def _deleted(request: HttpRequest, workspace: Workspace, snapshot: Snapshot) -> str:
    actions.delete_snapshot(workspace, snapshot, actor=actor_of(request))
    return f"{snapshot.name} is deleted."


def upload(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks for the upload of a snapshot to the target that the form names."""
    workspace, snapshot = asked_snapshot(request, WRITE)

    def do() -> str:
        target = target_named(posted(request, "target"), workspace_id=workspace.pk)
        request_upload(workspace, snapshot, target, actor=actor_of(request))
        return f"{snapshot.name} is on its way to {target.name}. Only what the target lacks travels."

    return pages.pressed(request, snapshot_page(workspace, snapshot.name), do)
