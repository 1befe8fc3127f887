"""What a workspace wants done by itself, and how that goes."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from apps.common.errors import DomainError
from apps.snapshots import policies, queries
from apps.snapshots.admin.forms import PolicyForm
from apps.snapshots.admin.pages import COPIES, MANAGE, POLICY, Pages, snapshot_page
from apps.snapshots.alarms import alarms, lag_of
from apps.snapshots.models import Repository, RetentionRule, SnapshotPolicy
from apps.snapshots.targets import settings_target
from apps.snapshots.telling import told
from apps.workspaces.console import actor_of, add_refusal, may
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, choice_of_workspace, workspace_for

LAG_TEXTS = {
    "": "Nothing is missing there",
    "failing": "Uploads fail",
    "uploading": "An upload is on its way",
    "never": "There is no copy yet",
    "waiting": "Changes wait for the next snapshot",
}
SECTIONS = [
    ("On a schedule", "event_repeat", ["schedule", "timezone", "jitter_s", "skip_unchanged"]),
    ("After changes", "edit_notifications", ["after_changes", "quiet_s", "longest_s"]),
    ("Copies", "cloud_done", ["target", "verify_every_days", "trial_every_days", "alarm_after_hours"]),
    ("Several hubs", "hub", ["restore_when_empty", "on_fork"]),
]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of the snapshots here, or of the copies in a target."""

    title: str
    text: str
    address: str
    undeletable: Repository | None


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """What the workspace has chosen; without a workspace, the choice of one. A POST of its admins changes it."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=POLICY, title="Policies")
    workspace = workspace_for(request, MANAGE if request.method == "POST" else pages.read_scope)
    settings_target()
    policy = policies.policy_of(workspace.pk)
    is_of_settings = policy.target is not None and policy.target.is_from_settings
    may_manage = may(request, MANAGE, workspace.pk)
    names = list(queries.targets_of(workspace.pk).order_by("name").values_list("name", flat=True))
    data = request.POST if request.method == "POST" else None
    form = PolicyForm(policy, names, data, may_change=may_manage, is_of_settings=is_of_settings)
    if form.is_valid() and _saved(pages, request, workspace, form):
        return HttpResponseRedirect(request.get_full_path())
    known = Repository.objects.filter(workspace=workspace).select_related("target")
    repositories = list(known.order_by("target__name"))
    newest = queries.latest_snapshot(workspace.pk)
    lag = lag_of(policy)
    return pages.of_workspace(
        request,
        "policy.html",
        workspace,
        tab=POLICY,
        title=workspace.slug,
        subtitle="Policy",
        form=form,
        sections=[(title, icon, [form[name] for name in fields]) for title, icon, fields in SECTIONS],
        policy=policy,
        is_of_settings=is_of_settings,
        newest=newest,
        newest_page=snapshot_page(workspace, newest.name) if newest is not None else "",
        lag=lag,
        lag_text=LAG_TEXTS[lag.reason],
        copies=address(COPIES, workspace=workspace.slug),
        alarms=told(alarms(workspace.pk)),
        first_starts=[each for each in repositories if each.first_start],
        kept=_kept(workspace, policy, repositories),
    )


def _saved(pages: Pages, request: HttpRequest, workspace: Workspace, form: PolicyForm) -> bool:
    """Whether the policy is as the form has it; else the form says why not."""
    try:
        policies.set_policy(workspace, form.changes, actor=actor_of(request))
    except DomainError as refusal:
        add_refusal(form, refusal)
        return False
    pages.message_user(request, f"The policy of {workspace.slug} is saved.", messages.SUCCESS)
    return True


def _kept(workspace: Workspace, policy: SnapshotPolicy, repositories: list[Repository]) -> list[Kept]:
    """One query."""
    rules = {rule.repository_id: rule for rule in RetentionRule.objects.filter(workspace=workspace)}
    slug = workspace.slug
    here = Kept("Snapshots in this hub", rule_text(rules.get(None)), _retention_page(slug), None)
    there = [
        Kept(
            f"Copies in {each.target.name}",
            rule_text(rules.get(each.pk)),
            _retention_page(slug, each.target.name),
            each if each.undeletable_since is not None else None,
        )
        for each in repositories
    ]
    if policy.target is not None and all(each.target_id != policy.target_id for each in repositories):
        name = policy.target.name
        there.append(Kept(f"Copies in {name}", rule_text(None), _retention_page(slug, name), None))
    return [here, *there]


def _retention_page(slug: str, target: str = "") -> str:
    return address("snapshots_snapshotpolicy_retention", workspace=slug, target=target)


def rule_text(rule: RetentionRule | None) -> str:
    """`the last 3, 7 daily, tag keep`; all of them for an empty rule."""
    if rule is None:
        return "All of them"
    parts = [f"the last {rule.keep_last}"] if rule.keep_last > 0 else []
    parts += ["all, as the last ones"] if rule.keep_last < 0 else []
    for name in ("hourly", "daily", "weekly", "monthly", "yearly"):
        number = getattr(rule, f"keep_{name}")
        parts += [f"{number if number > 0 else 'every'} {name}"] if number else []
    parts += [f"all within {rule.keep_within}"] if rule.keep_within else []
    parts += [f"tag {tag}" for tag in rule.keep_tags]
    text = ", ".join(parts)
    return text[:1].upper() + text[1:] or "All of them"
