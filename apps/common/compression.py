"""Streamed answers in the encoding that the caller takes."""

import zlib
from collections.abc import Iterable, Iterator

import zstandard
from django.http import HttpRequest, StreamingHttpResponse


def compressed(request: HttpRequest, parts: Iterable[bytes], *, content_type: str) -> StreamingHttpResponse:
    """A streamed answer in the best encoding that the caller takes: zstd at its fastest level, gzip, or none."""
    accepted = _accepted_encodings(request.META.get("HTTP_ACCEPT_ENCODING", ""))
    if "zstd" in accepted:
        response = StreamingHttpResponse(_zstd(parts), content_type=content_type)
        response["Content-Encoding"] = "zstd"
    elif "gzip" in accepted:
        response = StreamingHttpResponse(_gzip(parts), content_type=content_type)
        response["Content-Encoding"] = "gzip"
    else:
        response = StreamingHttpResponse(parts, content_type=content_type)
    response["Vary"] = "Accept-Encoding, Authorization"
    return response


def _accepted_encodings(header: str) -> set[str]:
    accepted = set()
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        if quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(name.strip())
    return accepted


def _zstd(parts: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    for part in parts:
        if chunk := compressor.compress(part):
            yield chunk
    yield compressor.flush()


def _gzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(level=1, wbits=31)
    for part in parts:
        if chunk := compressor.compress(part):
            yield chunk
    yield compressor.flush()
