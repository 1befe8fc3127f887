"""Reading file bodies and their headers from a request."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest

from apps.blobs.content import Content
from apps.blobs.spooling import Spooled
from apps.common.errors import ChecksumMismatch, UnsupportedEncoding
from apps.files.receiving import spooled_body

_SHA256_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):", re.ASCII)


@contextmanager
def received(request: HttpRequest) -> Iterator[Content]:
    """The request's body as content ready for a version, checked against the digests that its headers announce."""
    check_encoding(request.META)
    with spooled_body(request) as body:
        check_digests(request.META, body)
        yield Content.of_spooled(body)


def check_encoding(meta: dict[str, Any]) -> None:
    """Raises `UnsupportedEncoding` for a compressed body."""
    if meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedEncoding("A body is sent as it is, without Content-Encoding.")


def check_digests(meta: dict[str, Any], body: Spooled) -> None:
    """Compares what Content-MD5, Content-Digest and Repr-Digest announce. Raises `ChecksumMismatch`.

    Source: RFC 1864; RFC 9530. Digests of other algorithms are left to others.
    """
    md5 = meta.get("HTTP_CONTENT_MD5")
    if md5 is not None and not _equals(md5, body.md5):
        raise ChecksumMismatch("The body does not have the MD5 that Content-MD5 announces.")
    for header in ("HTTP_CONTENT_DIGEST", "HTTP_REPR_DIGEST"):
        match = _SHA256_DIGEST.search(meta.get(header, ""))
        if match and not _equals(match[1], body.sha256):
            raise ChecksumMismatch("The body does not have the SHA-256 that its digest header announces.")


def _equals(announced: str, digest: bytes) -> bool:
    try:
        return hmac.compare_digest(base64.b64decode(announced, validate=True), digest)
    except (binascii.Error, ValueError):
        return False
