"""Worker: what a workspace that is new here gets from its target."""

from apps.accounts.actors import Actor
from apps.jobs.runs import JobRun
from apps.snapshots.models import SnapshotPolicy
from apps.snapshots.recovery import START, restore_at_first_start

KIND = START


def start(run: JobRun) -> dict[str, str]:
    """Restores a workspace that was never written to; the job's subject is its key. Twice is fine."""
    rows = SnapshotPolicy.objects.select_related("workspace", "target")
    policy = rows.filter(workspace_id=int(run.subject), workspace__archived_at=None).first()
    return {"outcome": restore_at_first_start(policy, actor=Actor.system()) if policy is not None else ""}
