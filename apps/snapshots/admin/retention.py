"""What is kept of a workspace's snapshots, or of its copies in a target; seen before it is saved."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone

from apps.common.errors import Invalid
from apps.snapshots.admin.forms import RetentionForm
from apps.snapshots.admin.pages import MANAGE, POLICY, Pages, copy_page, snapshot_page
from apps.snapshots.admin.rows import Words, kind_words
from apps.snapshots.models import Repository, RetentionRule
from apps.snapshots.policies import Judged, judged, rule_of, set_retention
from apps.snapshots.targets import repository_named
from apps.workspaces.console import actor_of, add_refusal, may
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, given, workspace_for

MOST_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """A snapshot or a copy, and why it stays; without reasons it goes."""

    name: str
    address: str
    judged: Judged
    kind: Words


@dataclass(frozen=True, slots=True)
class Preview:
    rows: list[JudgedRow]
    kept: int
    going: int
    is_cut: bool


def change(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The rule, and what it does to each snapshot; of a POST, what the new one would do.

    It is saved by a second POST with `save`, from below the preview.
    """
    workspace = workspace_for(request, MANAGE if request.method == "POST" else pages.read_scope)
    repository = repository_named(workspace, given(request, "target"))
    rule = rule_of(workspace.pk, repository.pk if repository is not None else None)
    data = request.POST if request.method == "POST" else None
    form = RetentionForm(rule, data, may_change=may(request, MANAGE, workspace.pk))
    is_new = form.is_valid()
    if is_new and "save" in request.POST and _saved(pages, request, workspace, repository, form):
        return HttpResponseRedirect(address(POLICY, workspace=workspace.slug))
    shown = form.rule_of(form.cleaned_data) if form.is_valid() else rule
    return pages.of_workspace(
        request,
        "retention.html",
        workspace,
        tab=POLICY,
        title="What is kept",
        subtitle=workspace.slug,
        form=form,
        target=repository.target.name if repository is not None else "",
        is_new=is_new and form.is_valid(),
        # As they came: what was looked at is what is saved.
        values=[(name, request.POST.get(name, "")) for name in form.fields] if is_new else [],
        preview=_preview(workspace, repository, shown) if not form.errors else None,
        grace_hours=shown.grace_hours,
        back=address(POLICY, workspace=workspace.slug),
    )


def _preview(workspace: Workspace, repository: Repository | None, rule: RetentionRule) -> Preview:
    found = judged(rule, now=timezone.now())
    kept = sum(each.verdict.is_kept for each in found)
    rows = [_row(workspace, repository, each) for each in found[:MOST_SHOWN]]
    return Preview(rows, kept, len(found) - kept, len(found) > MOST_SHOWN)


def _row(workspace: Workspace, repository: Repository | None, each: Judged) -> JudgedRow:
    name = str(each.verdict.candidate.key)
    page = (
        copy_page(workspace, repository.target.name, name) if repository is not None else snapshot_page(workspace, name)
    )
    return JudgedRow(name, page, each, kind_words(each.verdict.candidate.kind))


def _saved(
    pages: Pages, request: HttpRequest, workspace: Workspace, repository: Repository | None, form: RetentionForm
) -> bool:
    """Whether the rule is as the form has it; else the form says why not."""
    try:
        set_retention(workspace, repository, form.cleaned_data, actor=actor_of(request))
    except Invalid as refusal:
        add_refusal(form, refusal)
        return False
    where = f"copies in {repository.target.name}" if repository is not None else "snapshots"
    pages.message_user(request, f"What is kept of the {where} is saved. The next pruning follows it.", messages.SUCCESS)
    return True
