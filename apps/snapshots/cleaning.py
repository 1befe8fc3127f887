"""Forgets the snapshots of workspaces that are gone, and what was known of their copies."""

from django.db.models import Q

from apps.jobs.runs import JobRun
from apps.snapshots.models import (
    Repository,
    Restore,
    RestoreState,
    RetentionRule,
    Snapshot,
    SnapshotPolicy,
)
from apps.snapshots.repositories import forget_repository, has_open_upload

KIND = "snapshots.clean"
EVERY_S = 24 * 3600


def clean(run: JobRun) -> dict[str, int]:
    """Removes the rows of purged workspaces: snapshots, whose history went with the rest, policies, restores, copies.

    What lies in targets stays: a copy may outlive its workspace, and another hub finds it there by its manifest.
    """
    counts = {"snapshots": 0, "copies": 0, "packs": 0}
    gone = Q(workspace__purged_at__isnull=False)
    SnapshotPolicy.objects.filter(gone).delete()
    RetentionRule.objects.filter(gone).delete()
    Restore.objects.filter(gone).delete()
    for repository in Repository.objects.filter(gone).order_by("pk"):
        # Another workspace may just be restored from it.
        if has_open_upload(repository) or _is_read(Q(copy__repository=repository)):
            continue
        copies, packs = forget_repository(repository, check=run.check)
        counts["copies"] += copies
        counts["packs"] += packs
    snapshots = Snapshot.objects.filter(gone)
    reading = Restore.objects.filter(state=RestoreState.OPEN, snapshot__isnull=False)
    counts["snapshots"], _ = snapshots.exclude(pk__in=reading.values("snapshot")).delete()
    return counts


def _is_read(of: Q) -> bool:
    return Restore.objects.filter(of, state=RestoreState.OPEN).exists()
