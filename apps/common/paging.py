"""Pages of a list: `?limit=&cursor=` in, `{"items": [...], "next_cursor": str | null}` out.

Pages are cut by key, not by offset: a page costs the same anywhere in the list, and rows that come or go between two
requests neither repeat nor hide others.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Field, Model, QuerySet

from apps.common.errors import BadCursor, Invalid, shown

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
PAGE_PARAMETERS = frozenset({"limit", "cursor"})

# The first element of every cursor. A change of form takes the next number, so that old cursors are refused cleanly.
_FORMAT = 1
_CURSOR_MAX = 4096

Row = TypeVar("Row", bound=Model)


def limit_of(text: str | None) -> int:
    """The page size that `?limit=` asks for: 100 when absent, at most 1000. Raises Invalid unless it is 1 or more."""
    if text is None:
        return LIMIT_DEFAULT
    if not re.fullmatch(r"[0-9]+", text) or not text.strip("0"):
        raise Invalid.of("limit", "limit", f"limit is a whole number from 1, not {shown(text)!r}")
    return LIMIT_MAX if len(text.lstrip("0")) > 4 else min(int(text), LIMIT_MAX)


def encode_cursor(*values: int | str) -> str:
    """An opaque cursor of these values: base64url of compact JSON, encrypted with a key of the hub.

    Keys of rows are counted over all workspaces: in clear they would tell each tenant how much the others do.
    """
    body = json.dumps([_FORMAT, *values], separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_cipher(settings.SECRET_KEY).encrypt(body, None)).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str) -> list[int | str]:
    """What `encode_cursor` was given: whole numbers of 64 bits, and text that a database can hold. Raises BadCursor.

    One from before the hub's key changed is refused like a damaged one.
    """
    if len(cursor) > _CURSOR_MAX or not re.fullmatch(r"[A-Za-z0-9_-]+", cursor):
        raise BadCursor("the cursor is not one that this hub gave out")
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        form, *values = json.loads(_cipher(settings.SECRET_KEY).decrypt(raw, None))
    except (binascii.Error, InvalidTag, ValueError, TypeError, RecursionError) as error:
        raise BadCursor("the cursor is not one that this hub gave out") from error
    if type(form) is not int or form != _FORMAT or not all(_is_plain(value) for value in values):
        raise BadCursor("the cursor is of another version")
    return values


def page_of(
    rows: QuerySet[Row, Row], query: Mapping[str, str], *, key: str = "-id", render: Callable[[Row], Any]
) -> dict[str, Any]:
    """One page of `rows` as the query parameters `limit` and `cursor` ask for; each item through `render`.

    `key` is a unique column, `-` in front for descending; rows must not be sliced. A cursor of a list with another key
    is refused. One query of limit + 1 rows. Raises Invalid or BadCursor.
    """
    limit = limit_of(query.get("limit"))
    column = key.removeprefix("-")
    cursor = query.get("cursor")
    if cursor:
        direction = "lt" if key.startswith("-") else "gt"
        rows = rows.filter(**{f"{column}__{direction}": _place(rows.model, key, cursor)})
    page = list(rows.order_by(key)[: limit + 1])
    following = None
    if len(page) > limit:
        page.pop()
        value = getattr(page[-1], column)
        following = encode_cursor(key, value if isinstance(value, int) else str(value))
    return {"items": [render(row) for row in page], "next_cursor": following}


@lru_cache(maxsize=2)
def _cipher(secret_key: str) -> AESSIV:
    """Misuse-resistant and without a nonce: the same place is the same cursor. Source: RFC 5297."""
    return AESSIV(hashlib.blake2b(secret_key.encode(), digest_size=32, person=b"paging cursor").digest())


def _place(model: type[Model], key: str, cursor: str) -> Any:
    """The key's value in the cursor, as the column's own type."""
    values = decode_cursor(cursor)
    if len(values) != 2 or values[0] != key:
        raise BadCursor("the cursor belongs to another list")
    column = model._meta.get_field(key.removeprefix("-"))
    assert isinstance(column, Field)
    try:
        return column.to_python(values[1])
    except ValidationError as error:
        raise BadCursor("the cursor belongs to another list") from error


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return type(value) is int and -(2**63) <= value < 2**63
