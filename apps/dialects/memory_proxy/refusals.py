"""Refusals in the older shape: the one place where the hub's errors are translated for both wires."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from apps.common.errors import (
    Busy,
    DomainError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    Unauthorized,
    Unavailable,
    shown,
)
from apps.common.problem import InternalError
from apps.dialects.answers import json_response
from apps.dialects.memory_proxy.checksums import NEW
from apps.dialects.memory_proxy.versions import wire_version
from apps.files.changes import Change, ChangeStatus, Previous

UNSENT_HEADERS = frozenset({"WWW-Authenticate"})
"""The original never sent it."""


def older_response(error: DomainError) -> HttpResponse:
    """`error` as the original would have told it."""
    headers = {name: value for name, value in error.headers.items() if name not in UNSENT_HEADERS}
    return json_response(_body(error), error.status, headers)


def gate_response(error: DomainError, meta: Mapping[str, Any]) -> HttpResponse:
    """The same for what happened before the caller was let in: the checking of the token."""
    if isinstance(error, Unauthorized):
        detail = "Invalid or expired token" if _shows_token(meta) else "Not authenticated"
        return json_response(_plain(detail), error.status)
    if isinstance(error, Unavailable):
        return json_response(_plain("Authentication service unavailable"), error.status, error.headers)
    return older_response(error)


def _shows_token(meta: Mapping[str, Any]) -> bool:
    scheme, _, text = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    return (scheme.lower() == "bearer" and bool(text.strip())) or bool(meta.get("HTTP_X_API_KEY"))


def _body(error: DomainError) -> dict[str, Any]:
    match error:
        case Invalid():
            return {"detail": [_field(entry) for entry in error.fields.get("errors", [])]}
        case NotFound() if not error.detail:
            return {"detail": "Not Found"}
        case NotFound():
            return _plain(error.detail)
        case MethodNotAllowed():
            return {"detail": "Method Not Allowed"}
        case Unavailable() if not isinstance(error, Busy):
            return _plain("Storage error")
        case InternalError():
            return _plain("Internal server error", "INTERNAL_ERROR")
    context = {name: shown(str(value)) for name, value in error.fields.items() if value is not None}
    return _plain(error.detail or error.title, error.code.upper(), context or None)


def _plain(detail: str, code: str | None = None, context: dict[str, str] | None = None) -> dict[str, Any]:
    return {"detail": detail, "error_code": code, "context": context}


def _field(entry: Mapping[str, Any]) -> dict[str, Any]:
    given = entry.get("input")
    return {
        "type": entry["code"],
        "loc": ["header", entry["field"]],
        "msg": entry["detail"],
        "input": None if given is None else shown(given),
    }


def file_not_found(path: str, *, deleted: bool = False) -> NotFound:
    return NotFound(shown(f"File is deleted: {path}" if deleted else f"File not found: {path}"))


def require_put_at_version(change: Change, expected: int) -> None:
    """Raises what a refused PUT of the current wire is told."""
    if change.status is ChangeStatus.PRECONDITION_FAILED:
        raise _put_at_another_version(change, expected)
    _require(change)


def require_delete_at_version(change: Change, path: str, expected: int | None) -> None:
    """Raises what a refused DELETE of the current wire is told."""
    if change.previous is Previous.NONE:
        raise file_not_found(path)
    if change.status is ChangeStatus.PRECONDITION_FAILED:
        detail = f"Version mismatch for delete: current={_current_version(change)}, expected={expected}"
        raise _at_another_version(change, detail, expected)
    _require(change)


def require_put_of_md5(change: Change, provided: str | None) -> None:
    """Raises what a refused PUT of the seed wire is told."""
    if change.status is ChangeStatus.PRECONDITION_FAILED:
        raise _put_over_another_md5(change, provided)
    _require(change)


def require_delete_of_md5(change: Change, path: str, provided: str | None) -> None:
    """Raises what a refused DELETE of the seed wire is told."""
    if change.previous is Previous.NONE:
        raise file_not_found(path)
    if change.status is ChangeStatus.PRECONDITION_FAILED:
        raise _of_another_md5(change, "Content-MD5 mismatch for delete", provided)
    _require(change)


def _require(change: Change) -> None:
    if change.error is not None:
        raise change.error


def _put_at_another_version(change: Change, expected: int) -> PreconditionFailed:
    if change.previous is Previous.NONE:
        detail = f"File does not exist (expected version {expected})"
    elif expected == 0:
        detail = "File already exists (expected version 0)"
    else:
        detail = f"Version mismatch: current={_current_version(change)}, expected={expected}"
    return _at_another_version(change, detail, expected)


def _at_another_version(change: Change, detail: str, expected: int | None) -> PreconditionFailed:
    return PreconditionFailed(detail, current_version=_current_version(change), provided_version=str(expected))


def _current_version(change: Change) -> str:
    return "none" if change.version is None else str(wire_version(change.version))


def _put_over_another_md5(change: Change, provided: str | None) -> PreconditionFailed:
    if provided == NEW:
        return _of_another_md5(change, "File already exists", provided)
    missing = change.previous is Previous.NONE
    return _of_another_md5(change, "File does not exist" if missing else "Content-MD5 mismatch", provided)


def _of_another_md5(change: Change, detail: str, provided: str | None) -> PreconditionFailed:
    current = "none" if change.md5 is None else change.md5.hex()
    return PreconditionFailed(detail, current_md5=current, provided_md5=provided)
