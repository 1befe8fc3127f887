"""Answers in the older shape. Keys that only the stock command line looks for are said to be."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.common.times import rfc3339
from apps.dialects.cloud_sync.backups import Backup
from apps.snapshots.models import Snapshot


def backup_json(backup: Backup) -> dict[str, Any]:
    """`created_at` and `date` are for the command line."""
    moment = rfc3339(backup.created_at)
    return {"name": backup.name, "created": backup.created_at.timestamp(), "created_at": moment, "date": moment}


def created_json(name: str, path: Path) -> dict[str, Any]:
    """`path`, `backup` and `name` are for the command line."""
    return {
        "success": True,
        "backup_path": str(path),
        "message": "Backup created successfully",
        "path": str(path),
        "backup": name,
        "name": name,
    }


def restored_json(name: str, total: int) -> dict[str, Any]:
    """`restored` and `count` are for the command line."""
    return {
        "success": True,
        "restored_from": name,
        "total_memories": total,
        "message": "Restored successfully",
        "restored": total,
        "count": total,
    }


def downloaded_json(name: str, files: int, path: Path) -> dict[str, Any]:
    return {
        "backup_name": name,
        "files_downloaded": files,
        "local_path": str(path),
        "timestamp": datetime.now(UTC).isoformat(),
    }


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "name": snapshot.name,
        "reason": snapshot.message or snapshot.kind,
        "timestamp": rfc3339(snapshot.created_at),
        "point_count": snapshot.files,
    }
