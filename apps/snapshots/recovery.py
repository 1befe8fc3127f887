"""A new hub takes over what a lost one has sent to a target."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from apps.accounts.actors import Actor
from apps.common.errors import DomainError, Unavailable
from apps.files.queries import position
from apps.jobs.models import Job
from apps.snapshots.copies import refresh
from apps.snapshots.errors import Forked, NotRestorable, RestoreInProgress
from apps.snapshots.format.names import BEHIND_RESERVED, RESERVED, copy_of
from apps.snapshots.models import ForkRule, RemoteCopy, RemoteTarget, Repository, Restore, SnapshotPolicy
from apps.snapshots.queries import forks_of, latest_copy
from apps.snapshots.restores import request_restore
from apps.snapshots.targets import place_of, repository_for
from apps.workspaces.actions import check_slug, create_workspace
from apps.workspaces.models import Workspace
from apps.workspaces.queries import live_workspaces

logger = structlog.get_logger(__name__)

START = "snapshots.start"


@dataclass(frozen=True, slots=True)
class Found:
    """What a target holds of one workspace. `last_change` is when the target got the newest manifest."""

    slug: str
    copies: int
    last_change: datetime | None
    is_here: bool
    """Whether this hub has a workspace of this name, which was written to."""


def found_in(target: RemoteTarget) -> list[Found]:
    """The workspaces that a target holds copies of, by name. Asks the target only.

    Raises `NotRestorable` where the target is the folder of a single workspace, and what the target raises.
    """
    if target.workspace is not None:
        return [_found(target, target.workspace.slug, "")]
    place = place_of(target)
    folders = list(place.folders())
    if RESERVED in folders:
        raise NotRestorable(
            "The copies of one workspace lie in this target itself, not in folders: make the workspace, and add the "
            "target once more with --workspace."
        )
    found = (_found(target, folder, folder) for folder in folders)
    return [entry for entry in found if entry.copies]


def _found(target: RemoteTarget, slug: str, folder: str) -> Found:
    place = place_of(target).below(folder) if folder else place_of(target)
    manifests = [entry for entry in place.names(behind=BEHIND_RESERVED) if copy_of(entry.name) is not None]
    times = [entry.modified_at for entry in manifests if entry.modified_at is not None]
    return Found(slug, len(manifests), max(times, default=None), _is_written(slug))


def _is_written(slug: str) -> bool:
    workspace = live_workspaces().filter(slug=slug).first()
    return workspace is not None and position(workspace.pk).last_sequence > 0


def recover(target: RemoteTarget, slug: str, *, actor: Actor) -> Restore:
    """Brings a workspace back that this hub does not have, or that was never written to, from its newest copy.

    Makes it where it is missing and the target has something for it. Raises `NotRestorable`, `Invalid`, what the
    target raises, and `Forked` where hubs have gone different ways: then the workspace is there, empty, to restore
    one of their copies into by its name.
    """
    workspace = live_workspaces().filter(slug=slug).first()
    if workspace is not None and position(workspace.pk).last_sequence > 0:
        raise NotRestorable("The workspace has been written to here: restore a copy into it by its name.")
    if workspace is None:
        check_slug(slug)
        if target.workspace is not None or not _found(target, slug, slug).copies:
            raise NotRestorable("The target holds no copy of a workspace of this name.")
        workspace = create_workspace(slug, actor=actor)
    copy = _only_newest(repository_for(workspace, target))
    if copy is None:
        raise NotRestorable("The target holds no copy of this workspace.")
    return request_restore(workspace, copy=copy, delete=True, only_at=0, actor=actor)


def _only_newest(repository: Repository, *, on_fork: str = ForkRule.REFUSE) -> RemoteCopy | None:
    """The newest copy; None where there is none. Raises `Forked`."""
    refresh(repository)
    forks = forks_of(repository)
    if forks and on_fork != ForkRule.NEWEST:
        names = ", ".join(sorted(copy.name for copy in forks))
        raise Forked(f"Hubs have gone different ways: restore one of {names} by its name.", theirs=forks[0].name)
    return latest_copy(repository)


def unstarted(*, with_settings: bool, asked_before: datetime) -> QuerySet[SnapshotPolicy]:
    """Policies whose target was not looked into yet for what their workspace may start with, nor asked of late.

    Without `with_settings`, those of the target of the settings are left out.
    """
    looked_into = Repository.objects.filter(
        workspace_id=OuterRef("workspace_id"), target_id=OuterRef("target_id"), first_start_at__isnull=False
    )
    asked = Job.objects.filter(kind=START, workspace_id=OuterRef("workspace_id"), created_at__gt=asked_before)
    rows = SnapshotPolicy.objects.filter(target__isnull=False, workspace__archived_at=None)
    rows = rows.exclude(Exists(looked_into)).exclude(Exists(asked))
    return rows if with_settings else rows.exclude(target__is_from_settings=True)


def restore_at_first_start(policy: SnapshotPolicy, *, actor: Actor) -> str:
    """Once for a workspace that was never written to: asks for the newest copy of its target, if there is one.

    What became of it is written down, logged, and answered in a word: `restoring`, `nothing_there`, `refused`,
    `written`, `off`, `waiting` where the target is away and it is tried again, and nothing where it was done before.
    """
    workspace: Workspace = policy.workspace
    if policy.target is None:
        return ""
    repository = repository_for(workspace, policy.target)
    if repository.first_start_at is not None:
        return ""
    outcome, sentence = _started(policy, repository, actor)
    # A restore says itself how it ended.
    ended = {} if outcome in ("waiting", "restoring") else {"first_start_at": Now()}
    Repository.objects.filter(pk=repository.pk).update(first_start=sentence[:1000], **ended)
    log = logger.warning if outcome in ("refused", "waiting") else logger.info
    log("first_start_restore", workspace=workspace.slug, outcome=outcome)
    return outcome


def _started(policy: SnapshotPolicy, repository: Repository, actor: Actor) -> tuple[str, str]:
    workspace: Workspace = policy.workspace
    if not policy.restore_when_empty:
        return "off", "Nothing was restored: that is switched off."
    if position(workspace.pk).last_sequence > 0:
        return "written", "Nothing was restored: the workspace had been written to."
    try:
        copy = _only_newest(repository, on_fork=policy.on_fork)
        if copy is None:
            return "nothing_there", "The workspace was empty, and so was the target."
        request_restore(workspace, copy=copy, delete=True, only_at=0, actor=actor)
    except Unavailable as error:
        return "waiting", f"The target could not be looked into: {error.detail}"
    except RestoreInProgress:
        return "restoring", repository.first_start or "The workspace was empty: it is being restored."
    except DomainError as error:
        return "refused", f"Nothing was restored: {error.detail or error.title}"
    return "restoring", f"The workspace was empty: {copy.name} is being restored."
