"""What a hub knows of snapshots, their copies in targets, and restores."""

from apps.snapshots.models.copies import CopyState, RemoteCopy, RemoteTarget, Repository, TargetKind, VerifyMode
from apps.snapshots.models.packs import CopyPack, CutFile, DoomedObject, Pack, PackedChunk, PackState
from apps.snapshots.models.policies import KEPT_UNITS, ForkRule, RetentionRule, SnapshotPolicy
from apps.snapshots.models.restores import Restore, RestoreState
from apps.snapshots.models.snapshots import Snapshot, SnapshotKind

__all__ = [
    "KEPT_UNITS",
    "CopyPack",
    "CopyState",
    "CutFile",
    "DoomedObject",
    "ForkRule",
    "Pack",
    "PackState",
    "PackedChunk",
    "RemoteCopy",
    "RemoteTarget",
    "Repository",
    "Restore",
    "RestoreState",
    "RetentionRule",
    "Snapshot",
    "SnapshotKind",
    "SnapshotPolicy",
    "TargetKind",
    "VerifyMode",
]
