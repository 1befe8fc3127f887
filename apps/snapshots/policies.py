"""What a workspace wants done by itself: when it is snapshotted, where the copies go, and what of it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import Invalid, NotFound, shown
from apps.common.schedules import Schedule, next_run, parse_schedule, parse_zone
from apps.files.actions import WorkspaceRef
from apps.snapshots.models import (
    CopyState,
    ForkRule,
    RemoteCopy,
    RemoteTarget,
    Repository,
    RetentionRule,
    Snapshot,
    SnapshotPolicy,
)
from apps.snapshots.retention import Candidate, Policy, Verdict, judge
from apps.snapshots.targets import target_named

SHORTEST_S = 60
LONGEST_WAIT_S = 86_400
LONGEST_DAYS = 3650
LONGEST_HOURS = LONGEST_DAYS * 24
OF_SETTINGS = ("target", "after_changes", "quiet_s", "longest_s", "restore_when_empty")
"""What CLOUD_SYNC_* say of the policy of their workspace."""
_SCHEDULE_FIELDS = frozenset({"schedule", "timezone", "jitter_s"})

Check = Callable[[str, Any], Any]


# --- Snapshots by themselves


def policy_of(workspace_id: int) -> SnapshotPolicy:
    """What the workspace has chosen; where it has chosen nothing an unsaved row, which asks for nothing."""
    found = SnapshotPolicy.objects.select_related("target", "workspace").filter(workspace_id=workspace_id).first()
    return found or SnapshotPolicy(workspace_id=workspace_id)


def schedule_of(policy: SnapshotPolicy) -> Schedule | None:
    """None where there is none. Raises `Invalid` for one that cannot be read, such as of a zone that is gone."""
    if not policy.schedule:
        return None
    return parse_schedule(policy.schedule, zone=policy.timezone, jitter_s=policy.jitter_s, shortest_s=SHORTEST_S)


def set_policy(
    workspace: WorkspaceRef, changes: Mapping[str, Any], *, actor: Actor, now: datetime | None = None
) -> SnapshotPolicy:
    """Changes the named fields, `target` by the target's name (empty or None for none), and leaves the others.

    A schedule that changed runs next at its first moment after `now`. Raises `Invalid`, which names the field, also
    for one that CLOUD_SYNC_* say for this workspace.
    """
    values = _checked(_POLICY_CHECKS, changes)
    if "target" in values:
        values["target"] = _target(values["target"], workspace.id)
    with transaction.atomic():
        policy = _locked_policy(workspace.id)
        changed = {name: value for name, value in values.items() if getattr(policy, name) != value}
        _require_ours(policy, changed)
        details = {
            name: {"from": _plain(getattr(policy, name)), "to": _plain(value)} for name, value in changed.items()
        }
        for name, value in changed.items():
            setattr(policy, name, value)
        if policy.longest_s < policy.quiet_s:
            raise Invalid.of("longest_s", "order", "longest_s is not shorter than quiet_s.")
        if _SCHEDULE_FIELDS & changed.keys():
            policy.next_run_at = _first_run(policy, now or timezone.now())
            changed["next_run_at"] = policy.next_run_at
        if changed.get("after_changes") is False:
            policy.changed_since = policy.changed_last = None
            changed |= {"changed_since": None, "changed_last": None}
        if changed:
            policy.save(update_fields=list(changed))
            record_audit("snapshot_policy.changed", actor=actor, workspace_id=workspace.id, details=details)
    return policy


def _require_ours(policy: SnapshotPolicy, changed: Mapping[str, Any]) -> None:
    if policy.target is None or not policy.target.is_from_settings or not settings.CLOUD_SYNC_ENABLED:
        return
    for name in OF_SETTINGS:
        if name in changed:
            raise Invalid.of(name, "from_settings", f"CLOUD_SYNC_* say what {name} is for this workspace.")


def _locked_policy(workspace_id: int) -> SnapshotPolicy:
    SnapshotPolicy.objects.get_or_create(workspace_id=workspace_id)
    rows = SnapshotPolicy.objects.select_for_update(no_key=True, of=("self",)).select_related("target", "workspace")
    return rows.get(workspace_id=workspace_id)


def _first_run(policy: SnapshotPolicy, now: datetime) -> datetime | None:
    schedule = schedule_of(policy)
    return None if schedule is None else next_run(schedule, now, **grid_of(policy))


def grid_of(policy: SnapshotPolicy) -> dict[str, Any]:
    """What spreads the moments of equal schedules: each workspace's own share of the jitter, and its own beginning."""
    return {"seed": str(policy.workspace.public_id), "anchor": policy.workspace.created_at}


def _target(name: str | None, workspace_id: int) -> RemoteTarget | None:
    if not name:
        return None
    try:
        return target_named(name, workspace_id=workspace_id)
    except NotFound as error:
        raise Invalid.of("target", "unknown_target", "There is no target of this name for this workspace.") from error


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, RemoteTarget) else value


# --- What is kept


def rule_of(workspace_id: int, repository_id: int | None) -> RetentionRule:
    """What is kept of the workspace's snapshots, or of its copies in one repository; unsaved, and empty, by default."""
    found = rules_of(workspace_id, repository_id).first()
    return found or RetentionRule(workspace_id=workspace_id, repository_id=repository_id)


def rules_of(workspace_id: int, repository_id: int | None) -> QuerySet[RetentionRule]:
    """The rule for the workspace's snapshots, or for its copies in one repository, if there is one."""
    rules = RetentionRule.objects.filter(workspace_id=workspace_id)
    return rules.filter(repository=None) if repository_id is None else rules.filter(repository_id=repository_id)


def set_retention(
    workspace: WorkspaceRef, repository: Repository | None, values: Mapping[str, Any], *, actor: Actor
) -> RetentionRule:
    """Changes the named fields of the rule for the workspace's snapshots, or for its copies in a repository.

    The next pruning is the first to follow it. Raises `Invalid`, which names the field, and `NotFound`.
    """
    if repository is not None and repository.workspace_id != workspace.id:
        raise NotFound
    wanted = _checked(_RULE_CHECKS, values)
    repository_id = None if repository is None else repository.pk
    with transaction.atomic():
        RetentionRule.objects.get_or_create(workspace_id=workspace.id, repository=repository)
        rule = rules_of(workspace.id, repository_id).select_for_update(no_key=True, of=("self",)).get()
        changed = {name: value for name, value in wanted.items() if getattr(rule, name) != value}
        details: dict[str, Any] = {name: {"from": getattr(rule, name), "to": value} for name, value in changed.items()}
        for name, value in changed.items():
            setattr(rule, name, value)
        kept_by(rule)
        if changed:
            rule.save(update_fields=list(changed))
            if repository is not None:
                details["target"] = repository.target.name
            record_audit("retention.changed", actor=actor, workspace_id=workspace.id, details=details)
    return rule


_NAMES_IN_RULE = {"within": "keep_within", "tags": "keep_tags", "zone": "timezone"} | {
    name: f"keep_{name}" for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
}


def kept_by(rule: RetentionRule) -> Policy:
    """The rule as it is applied. Raises `Invalid`, by the names of the rule's fields."""
    try:
        return Policy(**{name: _frozen(getattr(rule, field)) for name, field in _NAMES_IN_RULE.items()})
    except Invalid as error:
        for wrong in error.fields["errors"]:
            wrong["field"] = _NAMES_IN_RULE.get(wrong["field"], wrong["field"])
        raise


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Judged:
    """A snapshot or a copy by its row, what the rule says of it, and whether retention has let it go before."""

    pk: int
    doomed_at: datetime | None
    verdict: Verdict


def preview(workspace: WorkspaceRef, repository: Repository | None, *, now: datetime) -> list[Verdict]:
    """What pruning would keep now, and why, newest first: snapshots, or own copies. A candidate's key is its name."""
    return [each.verdict for each in judged(rule_of(workspace.id, repository.pk if repository else None), now=now)]


def judged(rule: RetentionRule, *, now: datetime) -> list[Judged]:
    """What a rule says of each snapshot of its workspace, or of each whole copy of this hub in its repository.

    Newest first. One or two queries; 100,000 take seconds.
    """
    fields = ("pk", "doomed_at", "name", "created_at", "tags", "is_pinned", "kind")
    if rule.repository_id is None:
        rows = list(Snapshot.objects.filter(workspace_id=rule.workspace_id).values_list(*fields))
        damaged = frozenset[str]()
    else:
        copies = RemoteCopy.objects.filter(repository_id=rule.repository_id, state=CopyState.SEALED)
        copies = copies.filter(writer__in=Repository.objects.filter(pk=rule.repository_id).values("writer"))
        rows = list(copies.values_list(*fields))
        damaged = frozenset(copies.exclude(damage="").values_list("name", flat=True))
    known = {name: (pk, doomed_at) for pk, doomed_at, name, *_ in rows}
    candidates = [
        Candidate(name, created_at, frozenset(tags), is_pinned, kind)
        for _pk, _doomed_at, name, created_at, tags, is_pinned, kind in rows
    ]
    verdicts = _verdicts(candidates, damaged, kept_by(rule), now=now)
    return [Judged(*known[str(verdict.candidate.key)], verdict) for verdict in verdicts]


def _verdicts(candidates: list[Candidate], damaged: frozenset[str], policy: Policy, *, now: datetime) -> list[Verdict]:
    """Damaged copies push no whole one out: whole ones also stay for what they are worth among themselves."""
    verdicts = judge(candidates, policy, now=now)
    if not damaged:
        return verdicts
    whole = [each for each in candidates if each.key not in damaged]
    own = {verdict.candidate.key: verdict.reasons for verdict in judge(whole, policy, now=now)}
    return [
        Verdict(
            each.candidate,
            each.reasons + tuple(why for why in own.get(each.candidate.key, ()) if why not in each.reasons),
        )
        for each in verdicts
    ]


# --- What a value may be


def _checked(checks: Mapping[str, Check], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept. Raises `Invalid` for a field that is unknown or wrong."""
    for name in values:
        if name not in checks:
            raise Invalid.of(str(name), "unknown_field", f"There is no {shown(str(name))!r}: {', '.join(checks)}.")
    return {name: checks[name](name, value) for name, value in values.items()}


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid.of(name, "bad_value", "true or false.")
    return value


def _number(least: int, most: int) -> Check:
    def check(name: str, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Invalid.of(name, "bad_value", f"A whole number from {least} to {most}.")
        return value

    return check


def _text(longest: int) -> Check:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise Invalid.of(name, "bad_value", f"At most {longest} printable characters.")
        return value.strip()

    return check


def _optional_text(longest: int) -> Check:
    text = _text(longest)
    return lambda name, value: None if value is None else text(name, value)


def _zone(name: str, value: Any) -> str:
    zone = str(_text(64)(name, value))
    parse_zone(zone)
    return zone


def _fork_rule(name: str, value: Any) -> str:
    if value not in ForkRule.values:
        raise Invalid.of(name, "bad_value", f"One of {', '.join(ForkRule.values)}.")
    return str(value)


def _tags(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > 32:
        raise Invalid.of(name, "bad_value", "At most 32 tags.")
    return list(dict.fromkeys(_text(64)(name, tag) for tag in value))


_POLICY_CHECKS: dict[str, Check] = {
    "target": _optional_text(63),
    "schedule": _text(200),
    "timezone": _zone,
    "jitter_s": _number(0, LONGEST_WAIT_S),
    "skip_unchanged": _flag,
    "after_changes": _flag,
    "quiet_s": _number(0, LONGEST_WAIT_S),
    "longest_s": _number(0, LONGEST_WAIT_S),
    "restore_when_empty": _flag,
    "on_fork": _fork_rule,
    "verify_every_days": _number(0, LONGEST_DAYS),
    "trial_every_days": _number(0, LONGEST_DAYS),
    "alarm_after_hours": _number(0, LONGEST_HOURS),
}
_RULE_CHECKS: dict[str, Check] = {
    **{f"keep_{name}": _number(-1, 999_999) for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly")},
    "keep_within": _text(32),
    "keep_tags": _tags,
    "timezone": _zone,
    "grace_hours": _number(0, LONGEST_HOURS),
}
