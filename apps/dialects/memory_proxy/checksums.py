"""What `Content-MD5` and `If-Match` mean on each wire. Pure.

On the seed wire they are conditions: the MD5 of what the caller believes is stored. On the current wire `Content-MD5`
is the MD5 of the body that is sent. The address tells which wire it is, never the header.
"""

import base64
import binascii
import re

from apps.common.conditions import ANY, NEVER, Condition, ConditionKind
from apps.common.errors import ChecksumMismatch

NEW = "new"
_HEX = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NO_MD5 = b""


def put_condition(content_md5: str | None) -> Condition:
    """Seed wire. Without the header any state will do; `new`: nothing was ever stored there; else the stored MD5."""
    if content_md5 is None:
        return ANY
    return NEVER if content_md5 == NEW else _stored(content_md5)


def delete_condition(if_match: str | None) -> Condition:
    """Seed wire. `if_match` without its quotes, as `unquoted` gives it."""
    return ANY if if_match is None else _stored(if_match)


def unquoted(if_match: str | None) -> str | None:
    return None if if_match is None else if_match.strip('"')


def _stored(md5: str) -> Condition:
    """Compared as text by the original: only 32 lower-case hex digits can ever be equal."""
    return Condition(ConditionKind.MD5, md5=bytes.fromhex(md5) if _HEX.fullmatch(md5) else _NO_MD5)


def check_body(content_md5: str | None, md5: bytes) -> None:
    """Current wire. Takes hex and the base64 of RFC 1864. Raises `ChecksumMismatch`."""
    if content_md5 is not None and _digest(content_md5) != md5:
        raise ChecksumMismatch("The body does not have the MD5 that Content-MD5 announces.")


def _digest(text: str) -> bytes | None:
    if _HEX.fullmatch(text.lower()):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
