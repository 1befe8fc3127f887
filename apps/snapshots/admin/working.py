"""What is at work in a workspace: uploads, restores, verifications and prunings that wait or run."""

from collections.abc import Collection
from uuid import UUID

from apps.jobs.models import OPEN_STATES, Job
from apps.jobs.working import Work
from apps.snapshots.copies import VERIFY
from apps.snapshots.models import RemoteCopy, Restore
from apps.snapshots.removals import PRUNE
from apps.snapshots.repositories import UPLOAD
from apps.snapshots.restores import RESTORE

_ICONS = {UPLOAD: "cloud_upload", VERIFY: "fact_check", RESTORE: "settings_backup_restore", PRUNE: "auto_delete"}


def work_in(workspace_id: int) -> list[Work]:
    """Oldest first. One query when nothing is at work, else up to three."""
    found = Job.objects.filter(workspace_id=workspace_id, kind__in=list(_ICONS), state__in=OPEN_STATES)
    jobs = [(job, *job.subject.partition(":")[::2]) for job in found.order_by("id")]
    copies = _copies([subject for job, subject, _mode in jobs if job.kind in (UPLOAD, VERIFY)])
    sources = _sources([subject for job, subject, _mode in jobs if job.kind == RESTORE])
    return [
        Work(
            job,
            subject,
            _title(job.kind, mode, copies.get(subject), sources.get(subject, "a state")),
            _ICONS[job.kind],
        )
        for job, subject, mode in jobs
    ]


def _copies(subjects: Collection[str]) -> dict[str, RemoteCopy]:
    if not subjects:
        return {}
    found = RemoteCopy.objects.filter(public_id__in=[UUID(each) for each in subjects])
    return {str(copy.public_id): copy for copy in found.select_related("repository__target")}


def _sources(subjects: Collection[str]) -> dict[str, str]:
    if not subjects:
        return {}
    found = Restore.objects.filter(public_id__in=[UUID(each) for each in subjects])
    return {str(restore.public_id): restore.source for restore in found}


def _title(kind: str, mode: str, copy: RemoteCopy | None, source: str) -> str:
    if kind == RESTORE:
        return f"Restoring {source}"
    if kind == PRUNE:
        return "Letting go what is not kept"
    name = copy.name if copy is not None else "a copy"
    target = copy.repository.target.name if copy is not None else "its target"
    return f"Uploading {name} to {target}" if kind == UPLOAD else f"Verifying {name} in {target} ({mode})"
