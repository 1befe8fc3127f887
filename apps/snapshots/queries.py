"""Reading snapshots, what they hold, and how two states differ."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.common.errors import Invalid, NotFound
from apps.files.as_of import differences, files_as_of
from apps.files.as_of_sql import AsOfRow, DifferenceRow
from apps.files.queries import history, position
from apps.snapshots.lineage import GONE, Known, unrelated, vector_of
from apps.snapshots.merging import joined, same
from apps.snapshots.models import CopyState, RemoteCopy, RemoteTarget, Repository, Snapshot, SnapshotKind

NOW = "now"
"""Names the state of this moment, where two states are compared."""


def snapshots_of(workspace_id: int, *, kind: str = "") -> QuerySet[Snapshot]:
    """The snapshots of a workspace, newest first."""
    if kind and kind not in SnapshotKind.values:
        raise Invalid.of("kind", "kind", f"One of {', '.join(SnapshotKind.values)}.")
    found = Snapshot.objects.filter(workspace_id=workspace_id).select_related("parent").order_by("-id")
    return found.filter(kind=kind) if kind else found


def snapshot_of(workspace_id: int, name: str) -> Snapshot:
    """Raises `NotFound`."""
    found = Snapshot.objects.select_related("parent").filter(workspace_id=workspace_id, name=name).first()
    if found is None:
        raise NotFound("There is no snapshot of this name.")
    return found


def latest_snapshot(workspace_id: int) -> Snapshot | None:
    """The newest by the time of its commit; never one that a restore made for safety."""
    return Snapshot.objects.filter(workspace_id=workspace_id).exclude(kind=SnapshotKind.SAFETY).order_by("-id").first()


def files_of(snapshot: Snapshot, *, prefix: str = "", after: str = "", limit: int | None = None) -> Iterator[AsOfRow]:
    """As `files_as_of`, of a snapshot; with a prefix also the file that has its name."""
    path = prefix.removesuffix("/")
    if path and path > after:
        yield from file_at(snapshot.workspace_id, snapshot.sequence, path)
    yield from files_as_of(snapshot.workspace_id, snapshot.sequence, prefix=prefix, after=after, limit=limit)


@dataclass(frozen=True, slots=True)
class Difference:
    """How a path went from one state to the other: `added`, `changed` or `deleted`."""

    kind: str
    row: DifferenceRow


def differences_of(
    workspace_id: int, before: str, after: str, *, prefix: str = "", behind: str = "", limit: int | None = None
) -> Iterator[Difference]:
    """What changed from one snapshot to another, or to `now`, by path. They may be given in either order of age.

    Of a prefix also the file that has its name; with it there may be one more than `limit`. Raises `NotFound`.
    """
    first, last = _sequence(workspace_id, before), _sequence(workspace_id, after)
    is_backwards = first > last
    ends = (workspace_id, min(first, last), max(first, last))
    for row in differences_below(*ends, prefix=prefix, after=behind, limit=limit):
        yield _difference(_turned(row) if is_backwards else row)


def differences_below(
    workspace_id: int, first: int, last: int, *, prefix: str, after: str = "", limit: int | None = None
) -> Iterator[DifferenceRow]:
    """As `differences`, and of a prefix also the file that has its name."""
    path = prefix.removesuffix("/")
    if path and path > after:
        states = (file_at(workspace_id, sequence, path) for sequence in (first, last))
        for _, (old, new) in joined(*states):
            if not same(old, new):
                yield DifferenceRow(path, *_side(old), *_side(new))
    yield from differences(workspace_id, first, last, prefix=prefix, after=after, limit=limit)


def _side(row: AsOfRow | None) -> tuple[Any, ...]:
    return (None,) * 4 if row is None else (row.version, row.sha256, row.size_bytes, row.content_type)


def _sequence(workspace_id: int, name: str) -> int:
    return position(workspace_id).last_sequence if name == NOW else snapshot_of(workspace_id, name).sequence


def _difference(row: DifferenceRow) -> Difference:
    if row.before_sha256 is None:
        return Difference("added", row)
    return Difference("deleted" if row.after_sha256 is None else "changed", row)


def _turned(row: DifferenceRow) -> DifferenceRow:
    """The same difference, seen from its other end."""
    return row._replace(
        before_version=row.after_version,
        before_sha256=row.after_sha256,
        before_bytes=row.after_bytes,
        before_type=row.after_type,
        after_version=row.before_version,
        after_sha256=row.before_sha256,
        after_bytes=row.before_bytes,
        after_type=row.before_type,
    )


def files_at(workspace_id: int, sequence: int, prefix: str) -> Iterator[AsOfRow]:
    """As `files_as_of`; with a prefix also the file that has its name, as the reader of a copy gives it."""
    path = prefix.removesuffix("/")
    if path:
        yield from file_at(workspace_id, sequence, path)
    yield from files_as_of(workspace_id, sequence, prefix=path and f"{path}/")


def file_at(workspace_id: int, sequence: int, path: str) -> Iterator[AsOfRow]:
    """The file of that path as of a sequence, if there was one."""
    with suppress(NotFound):
        for row in history(workspace_id, path, before=sequence + 1, limit=1):
            if row.sha256 is not None and row.md5 is not None:
                found = (row.version, row.sha256, row.md5, row.size_bytes, row.content_type, row.changed_at)
                yield AsOfRow(path, *found)


def targets_of(workspace_id: int) -> QuerySet[RemoteTarget]:
    """The targets that a workspace may use, by name."""
    return RemoteTarget.objects.filter(Q(workspace=None) | Q(workspace_id=workspace_id)).order_by("name")


def copies_of(workspace_id: int, *, target: str = "") -> QuerySet[RemoteCopy]:
    """What targets hold of a workspace, newest first, as of when they were listed last."""
    found = (
        RemoteCopy.objects.select_related("repository__target", "repository__workspace", "snapshot")
        .filter(repository__workspace_id=workspace_id)
        .order_by("-created_at", "-id")
    )
    return found.filter(repository__target__name=target) if target else found


def copy_named(workspace_id: int, target: RemoteTarget, name: str) -> RemoteCopy:
    """Raises `NotFound`."""
    copy = copies_of(workspace_id).filter(repository__target=target, name=name).first()
    if copy is None:
        raise NotFound("There is no copy of this name.")
    return copy


def forks_of(repository: Repository) -> list[RemoteCopy]:
    """The newest copies of hubs that have gone different ways; none where all grew from one."""
    whole = RemoteCopy.objects.filter(repository=repository, state=CopyState.SEALED)
    newest: dict[UUID, RemoteCopy] = {}
    for copy in whole.order_by("created_at", "id"):
        newest[copy.writer] = copy
    apart = unrelated({copy.public_id for copy in newest.values()}, known_copies(repository))
    return [copy for copy in newest.values() if copy.public_id in apart] if len(apart) > 1 else []


def known_copies(repository: Repository) -> dict[UUID, Known]:
    """How the copies in a repository are related, with the one that the workspace had last, also where that is gone."""
    rows = RemoteCopy.objects.filter(repository=repository).values_list("public_id", "writer", "parent", "vector")
    known = {copy: Known(writer, parent, vector_of(vector)) for copy, writer, parent, vector in rows}
    if repository.head is not None and repository.head not in known:
        vector = vector_of(repository.vector)
        writers = [writer for writer, copy in vector.items() if copy == repository.head]
        known[repository.head] = Known(writers[0] if writers else GONE, GONE, vector)
    return known


def latest_copy(repository: Repository) -> RemoteCopy | None:
    """The newest whole copy by the time of its state, of whichever hub; never one from before a restore."""
    whole = RemoteCopy.objects.filter(repository=repository, state=CopyState.SEALED, damage="", doomed_at=None)
    return whole.exclude(kind=SnapshotKind.SAFETY).order_by("-created_at", "-id").first()
