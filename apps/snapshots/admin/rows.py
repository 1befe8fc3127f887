"""How rows of snapshots, copies and restores are told: in words, and in the colours of their labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.snapshots.admin.pages import copy_page, snapshot_page
from apps.snapshots.models import CopyState, RemoteCopy, Restore, RestoreState, Snapshot, SnapshotKind
from apps.workspaces.models import Workspace

Words = tuple[str, str]

KINDS = {
    SnapshotKind.MANUAL: ("by hand", "default"),
    SnapshotKind.SCHEDULED: ("by itself", "info"),
    SnapshotKind.SAFETY: ("safety", "warning"),
    SnapshotKind.PRE_IMPORT: ("before an import", "warning"),
}


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A copy in a target. `goes_at` is when retention deletes it, where it has let it go."""

    copy: RemoteCopy
    address: str
    kind: Words
    state: Words
    is_ours: bool
    goes_at: datetime | None

    @property
    def target(self) -> str:
        return self.copy.repository.target.name

    @property
    def writer(self) -> str:
        """What tells one hub from another, short."""
        return self.copy.writer.hex[-8:]


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    snapshot: Snapshot
    address: str
    kind: Words
    goes_at: datetime | None
    copies: Sequence[CopyRow]


def kind_words(kind: str) -> Words:
    """Of a copy too: other hubs may know kinds that this one does not."""
    return KINDS[SnapshotKind(kind)] if kind in SnapshotKind.values else (kind, "default")


def copy_row(workspace: Workspace, copy: RemoteCopy, grace_hours: int = 0) -> CopyRow:
    return CopyRow(
        copy,
        copy_page(workspace, copy.repository.target.name, copy.name),
        kind_words(copy.kind),
        copy_words(copy),
        copy.writer == copy.repository.writer,
        _goes_at(copy.doomed_at, grace_hours),
    )


def copy_words(copy: RemoteCopy) -> Words:
    if copy.state == CopyState.UPLOADING:
        return "uploading", "info"
    if copy.state == CopyState.DELETING:
        return "being deleted", "warning"
    return ("damaged", "danger") if copy.damage else ("sealed", "success")


def restore_words(restore: Restore) -> Words:
    match restore.state:
        case RestoreState.DONE:
            return "done", "success"
        case RestoreState.FAILED:
            return "failed", "danger"
    return "on its way", "primary"


def snapshot_rows(workspace: Workspace, snapshots: Sequence[Snapshot], grace_hours: int) -> list[SnapshotRow]:
    """Each with its copies, by target. One query."""
    copies: dict[int | None, list[CopyRow]] = {}
    for copy in _copies_of(snapshots):
        copies.setdefault(copy.snapshot_id, []).append(copy_row(workspace, copy))
    return [
        SnapshotRow(
            each,
            snapshot_page(workspace, each.name),
            kind_words(each.kind),
            _goes_at(each.doomed_at, grace_hours),
            copies.get(each.pk, []),
        )
        for each in snapshots
    ]


def _copies_of(snapshots: Sequence[Snapshot]) -> Iterable[RemoteCopy]:
    if not snapshots:
        return []
    found = RemoteCopy.objects.filter(snapshot__in=[each.pk for each in snapshots])
    return found.select_related("repository__target").order_by("repository__target__name", "id")


def _goes_at(doomed_at: datetime | None, grace_hours: int) -> datetime | None:
    return None if doomed_at is None else doomed_at + timedelta(hours=grace_hours)
