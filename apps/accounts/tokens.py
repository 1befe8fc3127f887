"""The form of tokens and the digests that are kept of them.

`mh_<12 base62 id>_<32 base62 secret><6 base62 CRC32>`; `mhp_` for tokens that travel in a path. The check sum tells a
mistyped token from an unknown one without a query; it proves nothing. What proves a token is its HMAC-SHA-256.
"""

import hmac
import re
import zlib
from dataclasses import dataclass, field
from typing import Self

from apps.common.ids import BASE62, random_base62, to_base62

PREFIXES = {"api": "mh_", "path": "mhp_"}
ID_LENGTH, SECRET_LENGTH, CHECK_LENGTH = 12, 32, 6
LONGEST = 4 + ID_LENGTH + 1 + SECRET_LENGTH + CHECK_LENGTH
FORM = re.compile(rf"(mhp?)_([{BASE62}]{{12}})_[{BASE62}]{{38}}", re.ASCII)
KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,16}", re.ASCII)
SHORTEST_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose form and check sum are right. `text` is secret and stays out of `repr`."""

    kind: str
    public_id: str
    text: str = field(repr=False)


def mint(kind: str = "api") -> Token:
    """A new token of `kind` (`api` or `path`)."""
    public_id = random_base62(ID_LENGTH)
    body = f"{PREFIXES[kind]}{public_id}_{random_base62(SECRET_LENGTH)}"
    return Token(kind, public_id, body + _check(body))


def parse(text: str) -> Token | None:
    """The token that `text` is, or None for a typing error or anything else."""
    match = FORM.fullmatch(text)
    if match is None or _check(text[:-CHECK_LENGTH]) != text[-CHECK_LENGTH:]:
        return None
    return Token("path" if match[1] == "mhp" else "api", match[2], text)


def claims_to_be_ours(text: str) -> bool:
    """Whether `text` begins like a token of this hub; such text is never shown to an outside checker."""
    return text.startswith(tuple(PREFIXES.values()))


def _check(body: str) -> str:
    return to_base62(zlib.crc32(body.encode()), length=CHECK_LENGTH)


class KeyRing:
    """The keys for token digests. The first signs; all verify, until no token is left that the older ones signed."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        """`keys` by their id, the signing one first; at least one."""
        self._keys = keys
        self.current = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `keyid:hex[,keyid:hex...]`. ValueError, which never repeats a key, when it is not of that form."""
        keys: dict[str, bytes] = {}
        for part in text.split(","):
            key_id, separator, digits = part.strip().partition(":")
            if not separator or KEY_ID.fullmatch(key_id) is None or key_id in keys:
                raise ValueError("token keys are written keyid:hex,keyid:hex with a different short id each")
            try:
                key = bytes.fromhex(digits)
            except ValueError:
                raise ValueError(f"token key {key_id} is not hexadecimal") from None
            if len(key) < SHORTEST_KEY_BYTES:
                raise ValueError(f"token key {key_id} is shorter than {SHORTEST_KEY_BYTES} bytes")
            keys[key_id] = key
        return cls(keys)

    def digest(self, token: Token) -> tuple[str, bytes]:
        """(key id, HMAC-SHA-256) by the signing key."""
        return self.current, hmac.digest(self._keys[self.current], token.text.encode(), "sha256")

    def verifies(self, token: Token, *, key_id: str, digest: bytes) -> bool:
        """Whether `digest` is that of `token` under the key `key_id`, in constant time. False for a retired key."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        return hmac.compare_digest(hmac.digest(key, token.text.encode(), "sha256"), digest)
