"""Uploads and restores that answer with what became of them. Both are jobs: a request waits for them a while."""

from typing import Any

from apps.dialects.answers import Refusal, refusal
from apps.dialects.cloud_sync.cloud import Cloud
from apps.jobs.actions import cancel
from apps.jobs.errors import JobFinished
from apps.jobs.models import Job, JobState
from apps.jobs.waiting import awaited, has_stopped
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import request_upload
from apps.snapshots.models import CopyState, RemoteCopy, Restore, RestoreState
from apps.snapshots.repositories import UPLOAD
from apps.snapshots.restores import RESTORE, request_restore, settle
from apps.workspaces.access import OpenWorkspace

WITHIN_S = 25.0
"""The older client gives up after 30."""


def upload(workspace: OpenWorkspace, cloud: Cloud) -> RemoteCopy:
    """Makes a snapshot and its copy, which is whole in the target when this returns.

    Raises `Refusal`: 202 while it is still on its way, 502 with the reason where it failed. The snapshot stays, and the
    upload is tried again by itself.
    """
    snapshot = create_snapshot(workspace, actor=workspace.actor)
    copy = request_upload(workspace, snapshot, cloud.target, actor=workspace.actor)
    job = awaited(UPLOAD, str(copy.public_id), within_s=WITHIN_S)
    copy.refresh_from_db()
    if copy.state == CopyState.SEALED:
        return copy
    if job is None or not has_stopped(job):
        raise _under_way("upload", copy.name, job)
    again = " It is tried again by itself." if job.state == JobState.QUEUED else ""
    raise refusal(502, f"The backup {copy.name} was made, but its upload failed: {_reason(job)}{again}")


def restore(workspace: OpenWorkspace, copy: RemoteCopy) -> None:
    """Brings the workspace to a copy; done when this returns.

    Raises `Refusal`: 202 while it is still on its way, 502 with the reason where it failed and nothing was changed;
    and as `request_restore`.
    """
    wish = request_restore(workspace, copy=copy, delete=True, actor=workspace.actor)
    job = awaited(RESTORE, str(wish.public_id), within_s=WITHIN_S)
    wish.refresh_from_db()
    if wish.state == RestoreState.OPEN and job is not None and has_stopped(job):
        # The caller hears that it failed, so it must not happen later, over what the caller does next.
        wish = _given_up(wish, job)
    match wish.state:
        case RestoreState.DONE:
            return
        case RestoreState.FAILED:
            reason = wish.error_detail if job is None or not job.error_detail else job.error_detail
            raise refusal(502, f"The restore of {copy.name} failed, and nothing was changed: {reason}")
    raise _under_way("restore", copy.name, job)


def _given_up(wish: Restore, job: Job) -> Restore:
    try:
        cancel(job)
    except JobFinished:
        job.refresh_from_db()
    settle(wish.workspace_id)
    wish.refresh_from_db()
    return wish


def _under_way(what: str, name: str, job: Job | None) -> Refusal:
    """No success, and no failure either: the stock client takes any 2xx for an answer to show."""
    body: dict[str, Any] = {
        "success": False,
        "backup_name": name,
        "job": str(job.public_id) if job else None,
        "message": f"The {what} of {name} is still on its way; its job says how far it is.",
    }
    return Refusal(202, body)


def _reason(job: Job) -> str:
    return job.error_detail or "it was cancelled."
