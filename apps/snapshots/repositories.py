"""What a hub knows of a workspace's copies in a target: whether something is at work there, and forgetting it."""

from collections.abc import Callable

from django.db import transaction

from apps.files.holds import release
from apps.jobs.models import OPEN_STATES, Job
from apps.snapshots import sql
from apps.snapshots.models import CopyState, Pack, RemoteCopy, Repository

UPLOAD = "snapshots.upload"
AT_ONCE = 100


def holder_of(copy: RemoteCopy) -> str:
    """Who holds the history that an upload reads."""
    return f"copy:{copy.public_id}"


def has_open_upload(repository: Repository) -> bool:
    """Whether an upload to the repository waits or runs."""
    jobs = Job.objects.filter(kind=UPLOAD, workspace_id=repository.workspace_id, state__in=OPEN_STATES)
    subjects = list(jobs.values_list("subject", flat=True))
    return RemoteCopy.objects.filter(repository=repository, public_id__in=subjects).exists()


def forget_repository(repository: Repository, *, check: Callable[[], None] = lambda: None) -> tuple[int, int]:
    """Removes what is known of the copies and packs, and says how many there were; what lies in the target stays.

    A bounded number of rows at once, before each of which `check` is called: killed in between, the next call goes on.
    """
    for copy in RemoteCopy.objects.filter(repository=repository, state=CopyState.UPLOADING):
        release(repository.workspace, holder=holder_of(copy))
    copies = packs = 0
    while keys := _some(RemoteCopy, repository):
        check()
        RemoteCopy.objects.filter(pk__in=keys).delete()
        copies += len(keys)
    while keys := _some(Pack, repository):
        check()
        with transaction.atomic():
            sql.forget_chunks(keys)
            Pack.objects.filter(pk__in=keys).delete()
        packs += len(keys)
    repository.delete()
    return copies, packs


def _some(rows: type[RemoteCopy] | type[Pack], repository: Repository) -> list[int]:
    found = rows._default_manager.filter(repository=repository).order_by("pk")
    return list(found.values_list("pk", flat=True)[:AT_ONCE])
