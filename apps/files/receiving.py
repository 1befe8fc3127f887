"""Bodies of requests on their way into versions, for every edge that takes files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from apps.blobs.objects import spool_directory
from apps.blobs.room import check_room
from apps.blobs.spooling import Spooled, spooled
from apps.common.errors import Invalid, LengthRequired, TooLarge

DEFAULT_CONTENT_TYPE = "application/octet-stream"
MAX_CONTENT_TYPE = 255
_CONTENT_TYPE = re.compile(r"[!-~]+/[ -~]+", re.ASCII)


@contextmanager
def spooled_body(request: HttpRequest) -> Iterator[Spooled]:
    """The request's body as it was sent, spooled.

    Raises `LengthRequired`, `TooLarge`, `StorageFull`, `IncompleteBody`, and `Invalid` for a part of a file.
    """
    if "HTTP_CONTENT_RANGE" in request.META:
        # Taken for the whole, the end of a file would replace it. Source: RFC 9110 14.5.
        raise Invalid.of("Content-Range", "no_parts", "A file is sent whole; uploads are not resumed.")
    size_bytes = content_length(request.META)
    if size_bytes > settings.MEMORYHUB_MAX_FILE_BYTES:
        raise too_large()
    if size_bytes <= settings.MEMORYHUB_BLOB_INLINE_MAX:
        check_room(row_bytes=size_bytes)
    else:
        check_room(object_bytes=size_bytes)
    with spooled(
        request.META["wsgi.input"],
        size_bytes,
        memory_bytes=settings.MEMORYHUB_BLOB_INLINE_MAX,
        directory=spool_directory(),
    ) as body:
        yield body


def too_large() -> TooLarge:
    limit = settings.MEMORYHUB_MAX_FILE_BYTES
    return TooLarge(f"A file has at most {limit} bytes.", limit=limit)


def content_length(meta: dict[str, Any]) -> int:
    """Raises `LengthRequired`: without a length a body that breaks off looks like an ordinary end."""
    text = meta.get("CONTENT_LENGTH") or ""
    if not text.isascii() or not text.isdigit():
        raise LengthRequired
    return int(text)


def content_type_of(text: str | None) -> str:
    """A media type as it is stored. Raises `Invalid`."""
    if not text:
        return DEFAULT_CONTENT_TYPE
    if len(text) > MAX_CONTENT_TYPE or not _CONTENT_TYPE.fullmatch(text):
        raise Invalid.of("Content-Type", "bad_media_type", "Content-Type is a media type of at most 255 characters.")
    return text
