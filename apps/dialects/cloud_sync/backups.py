"""What this dialect calls local backups: the hub's snapshots, and copies that were downloaded to this machine."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from apps.dialects.answers import refusal
from apps.dialects.cloud_sync.names import cleaned_prefix, is_backup_name
from apps.snapshots.actions import create_snapshot, restore_snapshot
from apps.snapshots.downloading import Downloaded, download, downloaded_at, downloads_in, forget_downloads
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.names import is_copy
from apps.snapshots.models import RemoteCopy, Snapshot, SnapshotKind
from apps.snapshots.queries import latest_snapshot, snapshots_of
from apps.snapshots.replacing import restore_files
from apps.workspaces.access import OpenWorkspace

FOLDER = "backups"
MOST_DOWNLOADS = 10
"""As many backups as the original kept beside each other. Each is a whole copy of the workspace."""


@dataclass(frozen=True, slots=True)
class Backup:
    name: str
    created_at: datetime


def home_of(workspace: OpenWorkspace) -> Path:
    """Where downloaded copies lie, and where clients are told that backups do."""
    return homes() / workspace.slug


def homes() -> Path:
    """The folder of the workspaces' folders."""
    return Path(settings.MEMORYHUB_DATA) / FOLDER


def local_backups(workspace: OpenWorkspace) -> list[Backup]:
    """The greatest name first. A download and a snapshot of one name are one backup."""
    found = dict(snapshots_of(workspace.id).values_list("name", "created_at"))
    for copy in downloads_in(home_of(workspace)):
        found[copy.name] = datetime.fromtimestamp(copy.downloaded_at, UTC)
    return [Backup(name, found[name]) for name in sorted(found, reverse=True)]


def latest_backup(workspace: OpenWorkspace) -> str | None:
    """The one of the newest state; never one from before a restore."""
    newest = latest_snapshot(workspace.id)
    states = [(newest.created_at, newest.name)] if newest is not None else []
    states += [
        (copy.created_at, copy.name) for copy in downloads_in(home_of(workspace)) if copy.kind != SnapshotKind.SAFETY
    ]
    return max(states)[1] if states else None


def create_backup(workspace: OpenWorkspace, *, prefix: str) -> Snapshot:
    """Two in one second get two names."""
    return create_snapshot(workspace, prefix=cleaned_prefix(prefix), actor=workspace.actor)


def restore_backup(workspace: OpenWorkspace, name: str) -> None:
    """Brings the workspace back to a backup, with a safety snapshot before. A download goes before a snapshot of its
    name, as it overwrote the backup of that name in the original.

    Raises `Refusal` for a name that is none, is unknown, or whose files are not all there, and as `restore_snapshot`.
    """
    if not is_backup_name(name):
        raise refusal(400, f"Invalid backup name: {name}")
    copy = downloaded_at(home_of(workspace) / name) if is_copy(name) else None
    if copy is not None:
        _restore_download(workspace, copy)
        return
    snapshot = snapshots_of(workspace.id).filter(name=name).first()
    if snapshot is None:
        raise refusal(404, f"Backup '{name}' not found")
    restore_snapshot(workspace, snapshot, delete=True, actor=workspace.actor)


def _restore_download(workspace: OpenWorkspace, copy: Downloaded) -> None:
    try:
        restore_files(workspace, copy, source=f"{copy.name}, as it was downloaded", actor=workspace.actor)
    except CopyDamaged as error:
        raise refusal(404, f"Backup '{copy.name}' is incomplete") from error


def download_backup(workspace: OpenWorkspace, copy: RemoteCopy) -> tuple[int, Path]:
    """Brings a copy here, which changes no file of the workspace: how many files it has, and where it lies.

    Raises as `download`.
    """
    home = home_of(workspace)
    files = download(copy, home / copy.name)
    forget_downloads(home, most=MOST_DOWNLOADS)
    return files, home / copy.name
