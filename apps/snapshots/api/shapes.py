"""Snapshots, what they hold, and restores as JSON."""

from typing import Any

from apps.common.times import rfc3339, rfc3339_or_none
from apps.files.as_of_sql import AsOfRow
from apps.jobs.models import Job
from apps.snapshots.actions import Restored
from apps.snapshots.models import KEPT_UNITS, RemoteCopy, RemoteTarget, Restore, RetentionRule, Snapshot, SnapshotPolicy
from apps.snapshots.previewing import Plan
from apps.snapshots.queries import Difference
from apps.snapshots.retention import Verdict


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": str(snapshot.public_id),
        "name": snapshot.name,
        "kind": snapshot.kind,
        "sequence": snapshot.sequence,
        "files": snapshot.files,
        "size_bytes": snapshot.size_bytes,
        "message": snapshot.message,
        "tags": snapshot.tags,
        "is_pinned": snapshot.is_pinned,
        "goes_since": rfc3339_or_none(snapshot.doomed_at),
        "parent": snapshot.parent.name if snapshot.parent else None,
        "actor": snapshot.actor,
        "created_at": rfc3339(snapshot.created_at),
    }


def file_json(row: AsOfRow) -> dict[str, Any]:
    return {
        "path": row.path,
        "version": row.version,
        "sha256": row.sha256.hex(),
        "md5": row.md5.hex(),
        "size_bytes": row.size_bytes,
        "content_type": row.content_type,
        "changed_at": rfc3339(row.changed_at),
    }


def difference_json(difference: Difference) -> dict[str, Any]:
    """A side that lacks the path is null."""
    row = difference.row
    return {
        "path": row.path,
        "change": difference.kind,
        "before": _state(row.before_version, row.before_sha256, row.before_bytes),
        "after": _state(row.after_version, row.after_sha256, row.after_bytes),
    }


def _state(version: int | None, sha256: bytes | None, size_bytes: int | None) -> dict[str, Any] | None:
    if sha256 is None:
        return None
    return {"version": version, "sha256": sha256.hex(), "size_bytes": size_bytes}


def restored_json(done: Restored) -> dict[str, Any]:
    return {"put": done.put, "deleted": done.deleted, "safety_snapshot": done.safety.name if done.safety else None}


def restore_json(restore: Restore, job: Job | None = None) -> dict[str, Any]:
    """A restore; `job` says how far it is, while it takes one."""
    return {
        "id": str(restore.public_id),
        "state": restore.state,
        "source": restore.source,
        "prefix": restore.prefix,
        "delete": restore.is_exact,
        "put": restore.put,
        "deleted": restore.deleted,
        "safety_snapshot": restore.safety.name if restore.safety else None,
        "error": {"code": restore.error_code, "detail": restore.error_detail} if restore.error_code else None,
        "actor": restore.actor,
        "created_at": rfc3339(restore.created_at),
        "finished_at": rfc3339_or_none(restore.finished_at),
        "job": str(job.public_id) if job else None,
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """What a restore would change; `is_cut` where that is more than was counted."""
    return {
        "put": plan.put,
        "deleted": plan.deleted,
        "is_cut": plan.is_cut,
        "changes": [{"path": path, "change": "delete" if is_deleted else "put"} for path, is_deleted in plan.paths],
    }


def target_json(target: RemoteTarget) -> dict[str, Any]:
    """Without where it is, which is the operator's."""
    found = target.check_result or {}
    return {
        "name": target.name,
        "kind": target.kind,
        "is_encrypted": target.is_encrypted,
        "checked_at": rfc3339_or_none(target.checked_at),
        "can_write": found.get("can_write"),
        "can_delete": found.get("can_delete"),
    }


def copy_json(copy: RemoteCopy, job: Job | None = None) -> dict[str, Any]:
    """`is_ours` is false for what another hub has written. `job` uploads it, while it does."""
    return {
        "id": str(copy.public_id),
        "name": copy.name,
        "target": copy.repository.target.name,
        "snapshot": copy.snapshot.name if copy.snapshot else None,
        "kind": copy.kind,
        "state": copy.state,
        "files": copy.files,
        "size_bytes": copy.size_bytes,
        "new_bytes": copy.new_bytes,
        "reused_bytes": copy.reused_bytes,
        "sent_bytes": copy.sent_bytes,
        "message": copy.message,
        "tags": copy.tags,
        "is_ours": copy.writer == copy.repository.writer,
        "is_pinned": copy.is_pinned,
        "goes_since": rfc3339_or_none(copy.doomed_at),
        "parent": str(copy.parent) if copy.parent else None,
        "created_at": rfc3339(copy.created_at),
        "sealed_at": rfc3339_or_none(copy.sealed_at),
        "verified_at": rfc3339_or_none(copy.verified_at),
        "damage": copy.damage or None,
        "job": str(job.public_id) if job else None,
    }


def policy_json(policy: SnapshotPolicy) -> dict[str, Any]:
    return {
        "target": policy.target.name if policy.target else None,
        "schedule": policy.schedule,
        "timezone": policy.timezone,
        "jitter_s": policy.jitter_s,
        "skip_unchanged": policy.skip_unchanged,
        "next_run_at": rfc3339_or_none(policy.next_run_at),
        "after_changes": policy.after_changes,
        "quiet_s": policy.quiet_s,
        "longest_s": policy.longest_s,
        "restore_when_empty": policy.restore_when_empty,
        "on_fork": policy.on_fork,
        "verify_every_days": policy.verify_every_days,
        "trial_every_days": policy.trial_every_days,
        "alarm_after_hours": policy.alarm_after_hours,
    }


def retention_json(rule: RetentionRule) -> dict[str, Any]:
    counts = {f"keep_{unit}": getattr(rule, f"keep_{unit}") for unit in KEPT_UNITS}
    return counts | {
        "keep_within": rule.keep_within,
        "keep_tags": rule.keep_tags,
        "timezone": rule.timezone,
        "grace_hours": rule.grace_hours,
    }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.candidate.key,
        "created_at": rfc3339(verdict.candidate.created_at),
        "is_kept": verdict.is_kept,
        "reasons": list(verdict.reasons),
    }
