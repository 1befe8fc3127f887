"""States of files as JSON and as headers of the older wires."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from django.http import HttpResponse

from apps.dialects.memory_proxy.versions import wire_version
from apps.files.changes import Change, Previous
from apps.files.queries import BlobRow
from apps.files.serving import guarded_headers


def empty_response(status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    """An answer without a body, and so without a media type."""
    response = HttpResponse(status=status, headers=headers)
    del response["Content-Type"]
    return response


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC; six digits of fraction, or none where it is zero. The index's SQL writes the same."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def blob_headers(row: BlobRow, *, versioned: bool) -> dict[str, str]:
    """The headers of a live state's bytes. The client parses Last-Modified strictly."""
    headers = {
        "ETag": f'"{row.md5.hex()}"',
        "Last-Modified": row.changed_at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Content-Type": _with_charset(row.content_type),
    }
    if versioned:
        headers["X-Version"] = str(wire_version(row.version))
    return headers | guarded_headers(row.content_type)


def _with_charset(content_type: str) -> str:
    """The original's framework completed text types so."""
    is_complete = not content_type.startswith("text/") or "charset=" in content_type.lower()
    return content_type if is_complete else f"{content_type}; charset=utf-8"


def put_status(change: Change) -> int:
    """201 where nothing was ever stored; a tombstone is replaced like a file."""
    return 201 if change.previous is Previous.NONE else 200


def written_headers(change: Change, *, versioned: bool) -> dict[str, str]:
    """Of a PUT or DELETE that was applied. A tombstone has no ETag."""
    headers = {}
    if not change.is_deleted and change.md5 is not None:
        headers["ETag"] = f'"{change.md5.hex()}"'
    if versioned:
        assert change.version is not None
        headers["X-Version"] = str(wire_version(change.version))
    return headers


def written_index(path: str, change: Change) -> dict[str, Any]:
    """An index that holds the written path and nothing else.

    The client copies all that it finds here into its own index. The original sent everything, so that others' changes
    passed for the client's own, and it undid them.
    """
    assert change.changed_at is not None
    assert change.md5 is not None
    assert change.version is not None
    version, moment = wire_version(change.version), timestamp(change.changed_at)
    state = {
        "md5": change.md5.hex(),
        "last_modified": moment,
        "size": change.size_bytes,
        "version": version,
        "is_deleted": change.is_deleted,
    }
    return {"files": {path: state}, "index_last_modified": moment, "index_version": version}


def begun(pages: Iterator[str]) -> Iterator[str]:
    """The same pages, the first of them read now: what fails before the status is sent can still be told."""
    first = next(pages, None)
    return pages if first is None else chain([first], pages)


def index_json(pages: Iterator[str], changed_at: datetime, version: int | None) -> Iterator[bytes]:
    """The whole index, in pieces. `version` is that of the index, None on the wire without versions."""
    separator = ""
    yield b'{"files":{'
    for page in pages:
        yield (separator + page).encode()
        separator = ","
    tail = "" if version is None else f',"index_version":{version}'
    yield f'}},"index_last_modified":"{timestamp(changed_at)}"{tail}}}'.encode()
