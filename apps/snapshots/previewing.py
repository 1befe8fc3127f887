"""What a restore would change. Advice: others may write before it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from apps.files.actions import WorkspaceRef
from apps.files.queries import position
from apps.snapshots.actions import require_found
from apps.snapshots.merging import restoring
from apps.snapshots.models import RemoteCopy, Snapshot
from apps.snapshots.queries import NOW, differences_of, files_at
from apps.snapshots.restoring import reader_of

MOST_COUNTED = 20_000


@dataclass(slots=True)
class Plan:
    """How many files would be written and deleted; `paths` are the first of them, with whether they would be deleted.

    `is_cut` where the counting was given up.
    """

    put: int = 0
    deleted: int = 0
    paths: list[tuple[str, bool]] = field(default_factory=list)
    is_cut: bool = False


def preview(source: RemoteCopy | Snapshot, into: WorkspaceRef, *, prefix: str, delete: bool, shown: int) -> Plan:
    """Counted up to `MOST_COUNTED`. Raises as `planned`."""
    plan = Plan()
    for path, is_deleted in planned(source, into, prefix=prefix, delete=delete):
        if plan.put + plan.deleted == MOST_COUNTED:
            plan.is_cut = True
            break
        plan.put, plan.deleted = plan.put + (not is_deleted), plan.deleted + is_deleted
        if len(plan.paths) < shown:
            plan.paths.append((path, is_deleted))
    return plan


def planned(
    source: RemoteCopy | Snapshot, into: WorkspaceRef | None, *, prefix: str, delete: bool
) -> Iterator[tuple[str, bool]]:
    """Each path that would change, and whether it would be deleted; None stands for a new workspace.

    Of a copy the manifest is fetched. Raises as a restore would: `NotFound` where nothing would change and the source
    has nothing below the prefix, and as `reader_of`.
    """
    is_quiet = True
    for path, is_deleted in _changes(source, into, prefix, delete=delete):
        is_quiet = False
        yield path, is_deleted
    if is_quiet and prefix:
        with reader_of(source) as reader:
            require_found(reader.entries(prefix), prefix)


def _changes(
    source: RemoteCopy | Snapshot, into: WorkspaceRef | None, prefix: str, *, delete: bool
) -> Iterator[tuple[str, bool]]:
    if isinstance(source, Snapshot) and into is not None and source.workspace_id == into.id:
        # Costs as much as was written since, not as much as the workspace holds.
        for difference in differences_of(into.id, source.name, NOW, prefix=prefix):
            if difference.kind != "added" or delete:
                yield difference.row.path, difference.kind == "added"
        return
    with reader_of(source) as reader:
        ours = files_at(into.id, position(into.id).last_sequence, prefix) if into is not None else iter(())
        for step in restoring(reader.entries(prefix), ours, delete=delete):
            yield step.path, step.file is None
