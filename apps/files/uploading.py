"""Copies small blobs from their rows to the bucket, behind the writes; superseded versions then leave the database."""

from apps.blobs.actions import name_objects, store_blobs
from apps.blobs.queries import copies_small_blobs, inline_blobs
from apps.files import upkeep_sql
from apps.files.models import FeedCheckpoint
from apps.files.queries import UPLOAD, change_sets_since
from apps.files.upkeep import upkeep_step
from apps.jobs.actions import enqueue
from apps.jobs.runs import JobRun
from apps.workspaces.queries import public_id_of

KIND = "files.upload"
PLAN_KIND = "files.plan_uploads"
PLAN_EVERY_S = 30
SETS_AT_ONCE = 200
BLOBS_AT_ONCE = 64
THREADS = 4


def upload_workspace(run: JobRun) -> dict[str, int]:
    """Follows the feed of one workspace from its checkpoint to the end. The job's subject is the workspace's key.

    Safe at any point after a kill: what was uploaded without its row leaves an intent, and the sweep finds it.
    """
    workspace_id = int(run.subject)
    checkpoint, _ = FeedCheckpoint.objects.get_or_create(workspace_id=workspace_id, consumer=UPLOAD)
    public_id = public_id_of(workspace_id)
    uploaded = 0
    while sets := change_sets_since(workspace_id, checkpoint.sequence, limit=SETS_AT_ONCE):
        versions = [version for change_set in sets for version in change_set.versions]
        blob_ids = sorted({version.blob_id for version in versions if version.blob_id is not None})
        for blobs in inline_blobs(blob_ids, at_once=BLOBS_AT_ONCE):
            run.check()
            stored = store_blobs(public_id, blobs, threads=THREADS)
            with upkeep_step(run, workspace_id):
                uploaded += name_objects(stored)
            run.progress(uploaded)
        parents = [version.parent_version for version in versions if version.parent_version is not None]
        with upkeep_step(run, workspace_id):
            upkeep_sql.drop_superseded_bytes(workspace_id, blob_ids, parents)
            checkpoint.sequence = sets[-1].last
            checkpoint.save(update_fields=["sequence"])
    return {"uploaded": uploaded}


def plan_uploads(run: JobRun) -> dict[str, int]:
    """Enqueues an upload for every workspace whose checkpoint is behind its sequence: what wake-ups have missed."""
    if not copies_small_blobs():
        return {"planned": 0}
    behind = upkeep_sql.workspaces_behind(UPLOAD)
    for workspace_id in behind:
        enqueue(KIND, str(workspace_id), workspace_id=workspace_id)
    return {"planned": len(behind)}
