"""Byte ranges of a request. Pure. Source: RFC 9110 14."""

import re

from apps.common.errors import BadRange

_ONE_RANGE = re.compile(r"bytes=\s*(?:(?P<first>\d{1,18})-(?P<last>\d{0,18})|-(?P<suffix>\d{1,18}))\s*", re.ASCII)


def parse_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and number of bytes of a single range; None where the whole is to be sent.

    Several ranges and other units are ignored, as a server may. Raises `BadRange`, with the Content-Range that says
    the size, for a range outside.
    """
    match = _ONE_RANGE.fullmatch(header) if header else None
    if match is None:
        return None
    if match["suffix"]:
        size = min(int(match["suffix"]), size_bytes)
        first = size_bytes - size
    else:
        first = int(match["first"])
        last = min(int(match["last"]), size_bytes - 1) if match["last"] else size_bytes - 1
        if match["last"] and int(match["last"]) < first:
            return None
        size = last - first + 1
    if size <= 0 or first >= size_bytes:
        raise BadRange(headers={"Content-Range": f"bytes */{size_bytes}"})
    return first, size
