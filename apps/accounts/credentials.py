"""Where a request carries its token. Reads WSGI's own dictionary: this runs on every request."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apps.accounts.tokens import claims_to_be_ours

PATH_TOKEN = "memoryhub.path_token"
"""Key of the WSGI environment under which a token lies that came in the path, moved there before anything logs it."""
LONGEST = 1024
_salt = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Credential:
    """The text of a token and how it came. `text` is secret and stays out of `repr`."""

    text: str = field(repr=False)
    came_in: str = "bearer"
    """`bearer`, `api_key` (the X-API-Key header) or `path`."""


def credential_of(meta: Mapping[str, Any]) -> Credential | None:
    """What the request presents, or None. A token in the path goes before headers, Authorization before X-API-Key."""
    if text := meta.get(PATH_TOKEN):
        return _usable(text, "path")
    if header := meta.get("HTTP_AUTHORIZATION"):
        scheme, _, text = header.partition(" ")
        return _usable(text.strip(" "), "bearer") if scheme.lower() == "bearer" else None
    if text := meta.get("HTTP_X_API_KEY"):
        return _usable(text.strip(" "), "api_key")
    return None


def credential_by_key(meta: Mapping[str, Any]) -> Credential | None:
    """The same for wires whose clients can send nothing but X-API-Key: it goes first, and may hold a hub's token.

    Elsewhere that header holds the static key alone, so that there is one way to send a token.
    """
    text = meta.get("HTTP_X_API_KEY")
    if not text:
        return credential_of(meta)
    credential = _usable(text.strip(" "), "api_key")
    if credential is not None and claims_to_be_ours(credential.text):
        return replace(credential, came_in="bearer")
    return credential


def _usable(text: str, came_in: str) -> Credential | None:
    fits = 0 < len(text) <= LONGEST and text.isascii() and text.isprintable() and " " not in text
    return Credential(text, came_in) if fits else None


def fingerprint(*parts: str) -> bytes:
    """A keyed digest, of this process alone, under which caches file what they know of a token."""
    plain = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(plain, key=_salt, digest_size=16).digest()
