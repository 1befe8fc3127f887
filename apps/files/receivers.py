"""What a write wakes up. Losing a wake-up loses nothing: the same work is planned by the clock as well."""

from typing import Any

from apps.blobs.queries import copies_small_blobs
from apps.files import announcing, uploading
from apps.files.nudges import written
from apps.jobs.actions import FILES_CHANGED, enqueue
from apps.jobs.queries import listens


def connect() -> None:
    """Once, when the app is ready."""
    written.connect(enqueue_upload, dispatch_uid="files.enqueue_upload")
    written.connect(enqueue_announcement, dispatch_uid="files.enqueue_announcement")


def enqueue_upload(sender: Any, *, workspace_id: int, **_: Any) -> None:
    if copies_small_blobs():
        enqueue(uploading.KIND, str(workspace_id), workspace_id=workspace_id)


def enqueue_announcement(sender: Any, *, workspace_id: int, **_: Any) -> None:
    if listens(workspace_id, FILES_CHANGED):
        enqueue(announcing.KIND, str(workspace_id), workspace_id=workspace_id)
