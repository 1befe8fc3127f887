"""Tells webhooks that files have changed: one event for all that came since the last one."""

from django.db import transaction

from apps.files import sql, upkeep_sql
from apps.files.cursors import FeedCursor
from apps.files.models import FeedCheckpoint
from apps.jobs.actions import FILES_CHANGED, emit, enqueue
from apps.jobs.queries import workspaces_that_listen
from apps.jobs.runs import JobRun

KIND = "files.announce"
PLAN_KIND = "files.plan_announcements"
PLAN_EVERY_S = 15
CONSUMER = "announce"


def plan_announcements(run: JobRun) -> dict[str, int]:
    """Enqueues an announcement for every workspace with news and a webhook that wants to hear them.

    Two queries, and those of the jobs.
    """
    # Those without a webhook are never announced and stay behind for ever: they must cost nothing.
    listening = workspaces_that_listen(FILES_CHANGED)
    behind = upkeep_sql.workspaces_behind(CONSUMER, among=listening) if listening else []
    for workspace_id in behind:
        enqueue(KIND, str(workspace_id), workspace_id=workspace_id)
    return {"planned": len(behind)}


def announce(run: JobRun) -> dict[str, int]:
    """Emits one `files.changed` with the cursor before the news; the receiver asks `changes?since=` for them."""
    workspace_id = int(run.subject)
    with transaction.atomic(durable=True):
        run.hold_fence()
        checkpoint, _ = FeedCheckpoint.objects.select_for_update().get_or_create(
            workspace_id=workspace_id, consumer=CONSUMER
        )
        position = sql.position(workspace_id)
        if position.last_sequence <= checkpoint.sequence:
            return {"told": 0}
        since = FeedCursor(position.public_id, position.epoch, checkpoint.sequence)
        told = emit(workspace_id, FILES_CHANGED, {"since": str(since), "sequence": position.last_sequence})
        checkpoint.sequence = position.last_sequence
        checkpoint.save(update_fields=["sequence"])
    return {"told": told}
