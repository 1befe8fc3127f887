"""What can go wrong with snapshots."""

from apps.common.errors import DomainError


class BadName(DomainError):
    code, status, title = "bad_name", 400, "The name is not allowed"


class Pinned(DomainError):
    code, status, title = "pinned", 409, "The snapshot is pinned"


class RestoreInProgress(DomainError):
    code, status, title = "restore_in_progress", 409, "Another restore of this workspace is running"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class TargetInUse(DomainError):
    code, status, title = "target_in_use", 409, "The target is in use"


class NotRestorable(DomainError):
    code, status, title = "not_restorable", 409, "This cannot be restored from"


class Forked(DomainError):
    """Field: `theirs`, the name of the newest copy of the other side."""

    code, status, title = "forked", 409, "The workspace and the copy have gone different ways"


class SnapshotBusy(DomainError):
    code, status, title = "snapshot_busy", 409, "The snapshot is in use"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": "30"})


class CopyBusy(DomainError):
    code, status, title = "copy_busy", 409, "The copy is in use"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": "30"})
