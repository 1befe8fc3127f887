"""Stored bytes as an answer, for every edge that gives files out."""

from itertools import chain

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified, StreamingHttpResponse

from apps.blobs.content import StoredBlob
from apps.blobs.objects import blob_chunks
from apps.common.conditions import names_tag
from apps.common.ranges import parse_range
from apps.files.queries import BlobRow

INLINE_TYPES = frozenset(
    {
        "text/plain",
        "text/markdown",
        "text/csv",
        "application/json",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
    }
)
"""What a browser may show in place. Anything else that is stored here is offered as a download."""


def guarded_headers(content_type: str) -> dict[str, str]:
    """Headers for stored content, which is never trusted: it runs nothing, frames nothing, and no cache shares it."""
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if content_type.partition(";")[0].strip().lower() not in INLINE_TYPES:
        headers["Content-Disposition"] = "attachment"
    return headers


def stored_response(request: HttpRequest, row: BlobRow, headers: dict[str, str]) -> HttpResponseBase:
    """The bytes of a state, under `headers`, whose ETag conditions and ranges are judged by.

    Source: RFC 9110 13.2.2 for their order. Raises `BadRange`, `BlobCorrupt`, `Unavailable`.
    """
    if_none_match = request.META.get("HTTP_IF_NONE_MATCH")
    if if_none_match is not None and names_tag(if_none_match, headers["ETag"]):
        return HttpResponseNotModified(headers=headers)
    first, size_bytes, status = 0, row.size_bytes, 200
    if _range_applies(request, headers["ETag"]):
        part = parse_range(request.META.get("HTTP_RANGE"), row.size_bytes)
        if part is not None:
            first, size_bytes = part
            status = 206
            headers = headers | {"Content-Range": f"bytes {first}-{first + size_bytes - 1}/{row.size_bytes}"}
    headers = headers | {"Content-Length": str(size_bytes)}
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    if row.inline is not None:
        return HttpResponse(row.inline[first : first + size_bytes], status=status, headers=headers)
    chunks = blob_chunks(StoredBlob(row.sha256, row.size_bytes, None, row.object_key), first, size_bytes)
    # The first chunk comes before the status is sent, so that a storage that is away is a 503 and not a broken answer.
    opening = next(chunks, b"")
    return StreamingHttpResponse(chain([opening], chunks), status=status, headers=headers)


def _range_applies(request: HttpRequest, tag: str) -> bool:
    """Whether a GET's Range counts: without If-Range, or with our strong tag in it.

    A date never does: two versions may share a second. Source: RFC 9110 13.1.5 and 14.2.
    """
    if request.method != "GET":
        return False
    if_range = request.META.get("HTTP_IF_RANGE")
    return if_range is None or if_range.strip() == tag
