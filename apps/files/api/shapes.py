"""Files as JSON and as headers."""

import base64
from datetime import UTC
from typing import Any

from apps.common.errors import shown
from apps.common.times import rfc3339, rfc3339_or_none
from apps.files.changes import Change, ChangeStatus
from apps.files.queries import BlobRow, HistoryRow, StateRow
from apps.files.serving import guarded_headers


def entity_tag(version: int) -> str:
    return f'"{version}"'


def state_json(state: StateRow) -> dict[str, Any]:
    """One row of the feed. A tombstone has no digests and no bytes."""
    live = not state.is_deleted
    return {
        "path": state.path,
        "version": state.version,
        "is_deleted": state.is_deleted,
        "sha256": state.sha256.hex() if live else None,
        "md5": state.md5.hex() if live else None,
        "size_bytes": state.size_bytes,
        "content_type": state.content_type,
        "changed_at": rfc3339(state.changed_at),
    }


def history_json(row: HistoryRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "is_deleted": row.is_deleted,
        "sha256": row.sha256.hex() if row.sha256 else None,
        "md5": row.md5.hex() if row.md5 else None,
        "size_bytes": row.size_bytes,
        "content_type": row.content_type,
        "changed_at": rfc3339(row.changed_at),
        "origin": row.origin,
        "actor": row.actor,
        "message": row.message,
    }


def change_json(change: Change) -> dict[str, Any]:
    """An applied change."""
    live = not change.is_deleted
    return {
        "path": change.path,
        "result": change.status,
        "version": change.version,
        "is_deleted": change.is_deleted,
        "sha256": change.sha256.hex() if live and change.sha256 else None,
        "md5": change.md5.hex() if live and change.md5 else None,
        "size_bytes": change.size_bytes,
        "content_type": change.content_type,
        "changed_at": rfc3339_or_none(change.changed_at),
    }


def change_status(change: Change) -> int:
    """The HTTP status of an applied change."""
    return 201 if change.status is ChangeStatus.CREATED else 200


def item_json(change: Change) -> dict[str, Any]:
    """One item of a batch answer: the applied change, or the refusal's code and fields, with its own status.

    Items are told apart by their order: a refusal repeats no more than the beginning of a long path.
    """
    error = change.error
    if error is None:
        return {"status": change_status(change)} | change_json(change)
    return {
        "path": shown(change.path),
        "status": error.status,
        "code": error.code,
        "detail": error.detail or error.title,
    } | error.fields


def repr_digest(sha256: bytes) -> str:
    """Source: RFC 9530 3."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def content_headers(row: BlobRow) -> dict[str, str]:
    """The headers of a live state's bytes."""
    headers = {
        "ETag": entity_tag(row.version),
        "Repr-Digest": repr_digest(row.sha256),
        "Content-Type": row.content_type,
        "Last-Modified": row.changed_at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
    }
    return headers | guarded_headers(row.content_type)
