"""Worker: removes the downloaded copies of workspaces that are gone. They lie on this machine in clear."""

import shutil

from apps.dialects.cloud_sync.backups import homes
from apps.jobs.runs import JobRun
from apps.workspaces.models import Workspace

KIND = "cloud_sync.clean"
EVERY_S = 24 * 3600


def clean(run: JobRun) -> dict[str, int]:
    """The folders of purged workspaces, whole. Twice is fine."""
    folders = {path.name: path for path in homes().iterdir()} if homes().is_dir() else {}
    gone = Workspace.objects.filter(slug__in=folders, purged_at__isnull=False).values_list("slug", flat=True)
    for slug in gone:
        run.check()
        shutil.rmtree(folders[slug], ignore_errors=True)
    return {"folders": len(gone)}
