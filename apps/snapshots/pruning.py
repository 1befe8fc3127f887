"""Worker: lets go what the rules of a workspace do not keep, its snapshots and its copies, and packs no copy needs.

In two phases: what goes is doomed first, and deleted a grace time later by a run that still finds that it goes. Every
step is one transaction or one object, and says in rows what is left to do. Copies and packs of other hubs are left
alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone

from apps.accounts.actors import Actor
from apps.common.errors import DomainError, NotFound
from apps.jobs.models import OPEN_STATES, Job
from apps.jobs.runs import JobRun
from apps.snapshots.actions import delete_snapshot
from apps.snapshots.errors import CopyBusy, Pinned, RestoreInProgress, SnapshotBusy
from apps.snapshots.models import (
    CopyPack,
    CopyState,
    DoomedObject,
    Pack,
    PackState,
    RemoteCopy,
    Repository,
    RetentionRule,
    Snapshot,
    SnapshotKind,
)
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import DeleteRefused
from apps.snapshots.policies import Judged, judged, rule_of, rules_of
from apps.snapshots.removals import (
    PRUNE,
    begin_removal,
    finish_removal,
    give_back,
    note_deletion,
    note_refusal,
    remove_packs,
    sweep_objects,
)
from apps.snapshots.repositories import UPLOAD, has_open_upload
from apps.snapshots.restores import settle_readers
from apps.snapshots.targets import place_of_repository
from apps.snapshots.timing import is_abandoned
from apps.workspaces.models import Workspace

KIND = PRUNE
PACK_GRACE = timedelta(hours=24)
PACKS_AT_ONCE = 20
"""With their chunks, thousands in each: a transaction stays short."""
_RULE_FIELDS = tuple(field.attname for field in RetentionRule._meta.concrete_fields if field.name != "id")


@dataclass(slots=True)
class Pruned:
    """What a run did. `spared` were doomed and are kept now; `in_use` had come to their end, but are read or needed."""

    doomed: int = 0
    spared: int = 0
    in_use: int = 0
    snapshots: int = 0
    copies: int = 0
    unfinished: int = 0
    packs: int = 0
    bytes: int = 0

    @property
    def deleted(self) -> int:
        return self.snapshots + self.copies


def prune_workspace(run: JobRun, *, now: datetime | None = None) -> dict[str, Any]:
    """Prunes one workspace; the job's subject is its key. What a target refuses holds up no other.

    The result has `cannot_delete` where a target lets nothing be deleted: all goes well but that. Raises what another
    target raised, when the rest is done.
    """
    now = now or timezone.now()
    workspace = Workspace.objects.filter(pk=int(run.subject), archived_at=None).first()
    counts = Pruned()
    if workspace is None:
        return _result(counts)
    settle_readers(workspace.pk)
    _prune_snapshots(run, workspace, counts, now=now)
    trouble: DomainError | None = None
    cannot_delete = False
    for repository in (
        Repository.objects.select_related("target", "workspace").filter(workspace=workspace).order_by("pk")
    ):
        run.check()
        try:
            _prune_repository(run, repository, counts, now=now)
        except DeleteRefused:
            note_refusal(repository, now=now)
            cannot_delete = True
        except DomainError as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    return _result(counts) | ({"cannot_delete": True} if cannot_delete else {})


def _result(counts: Pruned) -> dict[str, Any]:
    return {"deleted": counts.deleted, **asdict(counts)}


@contextmanager
def _step(run: JobRun, rule: RetentionRule) -> Iterator[bool]:
    """A transaction that nobody else prunes in; whether the rule is still the one that was judged by.

    Who has just changed it is not told that something went by the old one.
    """
    with transaction.atomic(durable=True):
        run.hold_fence()
        rows = rules_of(rule.workspace_id, rule.repository_id).select_for_update(no_key=True, of=("self",))
        row = rows.first()
        yield _values(row) == _values(rule if rule.pk else None)


def _values(rule: RetentionRule | None) -> list[Any]:
    return [] if rule is None else [getattr(rule, name) for name in _RULE_FIELDS]


def _mark(
    run: JobRun,
    rule: RetentionRule,
    verdicts: list[Judged],
    rows: type[Snapshot] | type[RemoteCopy],
    counts: Pruned,
    *,
    now: datetime,
) -> list[int]:
    """Dooms what goes and spares what stays; those, by key and oldest first, whose grace time is over."""
    goes = [each for each in verdicts if not each.verdict.is_kept]
    to_doom = [each.pk for each in goes if each.doomed_at is None]
    to_spare = [each.pk for each in verdicts if each.verdict.is_kept and each.doomed_at is not None]
    if to_doom or to_spare:
        with _step(run, rule) as is_current:
            if not is_current:
                return []
            # Asked again under the row's lock: somebody may have pinned it.
            unpinned = rows._default_manager.filter(pk__in=to_doom, doomed_at=None, is_pinned=False)
            counts.doomed += unpinned.update(doomed_at=now)
            doomed = rows._default_manager.filter(pk__in=to_spare, doomed_at__isnull=False)
            counts.spared += doomed.update(doomed_at=None)
    until = now - timedelta(hours=rule.grace_hours)
    return [each.pk for each in reversed(goes) if (each.doomed_at or now) <= until]


# --- Snapshots


def _prune_snapshots(run: JobRun, workspace: Workspace, counts: Pruned, *, now: datetime) -> None:
    rule = rule_of(workspace.pk, None)
    until = now - timedelta(hours=rule.grace_hours)
    for key in _mark(run, rule, judged(rule, now=now), Snapshot, counts, now=now):
        run.check()
        with _step(run, rule) as is_current:
            if not is_current:
                return
            if _delete_snapshot(workspace, key, until=until):
                counts.snapshots += 1
            else:
                counts.in_use += 1
        run.progress(counts.deleted)


def _delete_snapshot(workspace: Workspace, key: int, *, until: datetime) -> bool:
    """Unless it is in use, was pinned, or would leave the workspace none to go back to. Call inside a transaction."""
    own = Snapshot.objects.filter(workspace=workspace)
    others = own.exclude(kind=SnapshotKind.SAFETY).filter(doomed_at=None).exclude(pk=key)
    keeper = others.order_by("-id").values_list("pk", flat=True).first()
    rows = own.filter(pk__in=[key, keeper]).order_by("pk").select_for_update(of=("self",))
    locked = {row.pk: row for row in rows}
    row = locked.get(key)
    if row is None or row.is_pinned or row.doomed_at is None or row.doomed_at > until:
        return False
    last = locked.get(keeper) if keeper is not None else None
    if row.kind != SnapshotKind.SAFETY and (last is None or last.doomed_at is not None):
        return False
    if RemoteCopy.objects.filter(snapshot=row, state=CopyState.UPLOADING).exists():
        return False
    try:
        delete_snapshot(workspace, row, actor=Actor.system())
    except (RestoreInProgress, SnapshotBusy):
        return False
    return True


# --- Copies


def _prune_repository(run: JobRun, repository: Repository, counts: Pruned, *, now: datetime) -> None:
    """Raises what its target raises."""
    rule = rule_of(repository.workspace_id, repository.pk)
    due = _mark(run, rule, judged(rule, now=now), RemoteCopy, counts, now=now)
    until = now - timedelta(hours=rule.grace_hours)
    left = RemoteCopy.objects.filter(repository=repository, state=CopyState.DELETING)
    unfinished = _abandoned(repository, now)
    place: Place | None = None
    if DoomedObject.objects.filter(repository=repository).exists():
        # First of all: where nothing can be deleted, nothing more is begun.
        place = place_of_repository(repository)
        _swept(run, repository, place)
    for copy in left.select_related("repository__workspace", "repository__target").order_by("pk"):
        place = place or place_of_repository(repository)
        _finish(repository, copy, place, doomed_at=copy.doomed_at)
        _count(counts, copy)
    goes = [(copy, Q(state=CopyState.SEALED, doomed_at__lte=until)) for copy in _in_order(due)]
    goes += [(copy, Q(state=CopyState.UPLOADING)) for copy in unfinished]
    for copy, only in goes:
        run.check()
        with _step(run, rule) as is_current:
            if not is_current:
                break
            row = _begun(repository, copy, only)
        if row is None:
            counts.in_use += 1
            continue
        place = place or place_of_repository(repository)
        _finish(repository, row, place, doomed_at=copy.doomed_at)
        _count(counts, row)
        run.progress(counts.deleted)
    _mark_packs(run, repository, now=now)
    _prune_packs(run, repository, place, counts, now=now)


def _in_order(keys: list[int]) -> list[RemoteCopy]:
    rows = RemoteCopy.objects.in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


def _begun(repository: Repository, copy: RemoteCopy, only: Q) -> RemoteCopy | None:
    """None where it is in use, was pinned, or would leave none to go back to. Call inside a transaction."""
    try:
        row = begin_removal(copy, only=only)
    except (CopyBusy, Pinned, NotFound):
        return None
    kept = RemoteCopy.objects.filter(
        repository=repository, writer=repository.writer, state=CopyState.SEALED, doomed_at=None
    )
    if row.sealed_at is not None and not kept.exists():
        give_back(row, doomed_at=copy.doomed_at)
        return None
    return row


def _finish(repository: Repository, copy: RemoteCopy, place: Place, *, doomed_at: datetime | None) -> None:
    try:
        finish_removal(copy, place, actor=Actor.system())
    except DeleteRefused:
        give_back(copy, doomed_at=doomed_at)
        raise
    note_deletion(repository)


def _count(counts: Pruned, copy: RemoteCopy) -> None:
    if copy.sealed_at is None:
        counts.unfinished += 1
    else:
        counts.copies += 1
    counts.bytes += copy.manifest_bytes


def _abandoned(repository: Repository, now: datetime) -> list[RemoteCopy]:
    """Copies that nobody uploads any more."""
    own = RemoteCopy.objects.filter(repository=repository, writer=repository.writer)
    newest = own.filter(state=CopyState.SEALED).aggregate(at=Max("created_at"))["at"]
    found = []
    for copy in own.filter(state=CopyState.UPLOADING).order_by("pk"):
        jobs = Job.objects.filter(kind=UPLOAD, workspace_id=repository.workspace_id, subject=str(copy.public_id))
        if jobs.filter(state__in=OPEN_STATES).exists():
            continue
        is_superseded = newest is not None and newest > copy.created_at
        if is_abandoned(jobs.aggregate(at=Max("finished_at"))["at"], is_superseded=is_superseded, now=now):
            found.append(copy)
    return found


# --- Packs


def _mark_packs(run: JobRun, repository: Repository, *, now: datetime) -> None:
    """Dooms packs that no copy needs, and spares those that one needs again."""
    own = Pack.objects.filter(repository=repository)
    linked = Exists(CopyPack.objects.filter(pack=OuterRef("pk")))
    idle = own.filter(doomed_at=None).exclude(linked)
    # A pack of an upload that goes on is linked only when it has arrived.
    young = Q(state=PackState.UPLOADING, created_at__gt=now - PACK_GRACE)
    idle = idle.exclude(Q(state=PackState.UPLOADING) if has_open_upload(repository) else young)
    with transaction.atomic(durable=True):
        run.hold_fence()
        idle.update(doomed_at=now)
        own.filter(linked, doomed_at__isnull=False).update(doomed_at=None)


def _prune_packs(run: JobRun, repository: Repository, place: Place | None, counts: Pruned, *, now: datetime) -> None:
    doomed = Pack.objects.filter(repository=repository, doomed_at__lte=now - PACK_GRACE)
    if not doomed.exists() or _has_unknown_needs(repository):
        return
    place = place or place_of_repository(repository)
    count = PACKS_AT_ONCE
    while count:
        run.check()
        with transaction.atomic(durable=True):
            run.hold_fence()
            count, size_bytes = remove_packs(repository, doomed_before=now - PACK_GRACE, limit=PACKS_AT_ONCE, now=now)
        _swept(run, repository, place)
        counts.packs, counts.bytes = counts.packs + count, counts.bytes + size_bytes
        run.progress(counts.packs)


def _has_unknown_needs(repository: Repository) -> bool:
    """Whether a copy lies in the target that this hub wrote and has forgotten the packs of: after its database went
    back to an older state. Then no pack can be known to be needless.
    """
    own = RemoteCopy.objects.filter(repository=repository, writer=repository.writer, size_bytes__gt=0)
    return own.exclude(state=CopyState.UPLOADING).filter(pack_links=None).exists()


def _swept(run: JobRun, repository: Repository, place: Place) -> None:
    if sweep_objects(repository, place, check=run.check):
        note_deletion(repository)
