"""How often a caller may ask, and how often an address may be wrong.

A right token or password is never refused for somebody else's wrong ones: failures are counted by address, and a good
credential is let through before that count is looked at.
"""

import ipaddress
import math
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings

from apps.accounts.credentials import PATH_TOKEN
from apps.common.errors import RateLimited, Unauthorized
from apps.common.ratelimit import Limit, RateLimiter


@lru_cache(maxsize=4)
def _limiter(redis_url: str | None) -> RateLimiter:
    return RateLimiter.connect(redis_url, prefix="memoryhub:limit")


@lru_cache(maxsize=16)
def _limit(text: str) -> Limit | None:
    return Limit.parse(text)


def limiter() -> RateLimiter:
    """The limiter of this process, counting together with the others over Redis."""
    return _limiter(settings.REDIS_URL)


def forget() -> None:
    """Make this process count anew."""
    _limiter.cache_clear()


def limit_caller(label: str) -> None:
    """Count one request of the caller. Raises RateLimited, with Retry-After."""
    wait_s = limiter().hit(f"caller:{label}", _limit(settings.MEMORYHUB_RATE_LIMIT_TOKEN), now=time.time())
    if wait_s:
        raise rate_limited(wait_s)


def limit_push(label: str, meta: Mapping[str, Any]) -> None:
    """Count one push of a summary by the caller, and by the address where the token came in the path.

    Raises RateLimited, with Retry-After.
    """
    limit = _limit(settings.MEMORYHUB_RATE_LIMIT_PUSH)
    keys = [f"push:{label}"] + ([f"push:{network_of(meta)}"] if meta.get(PATH_TOKEN) else [])
    if wait_s := max(limiter().hit(key, limit, now=time.time()) for key in keys):
        raise rate_limited(wait_s)


def count_refusal(meta: Mapping[str, Any]) -> Unauthorized | RateLimited:
    """Count a failed authentication of the address. Returns the error to raise: 401, or 429 when they are too many."""
    limit = _limit(settings.MEMORYHUB_RATE_LIMIT_ADDRESS)
    wait_s = limiter().hit(f"refused:{network_of(meta)}", limit, now=time.time())
    return rate_limited(wait_s) if wait_s else Unauthorized()


def login_wait_s(username: str, meta: Mapping[str, Any]) -> float:
    """Seconds until this address may try to sign in as `username` again; 0 when it may now."""
    return limiter().wait_s(_login_key(username, meta), _limit(settings.MEMORYHUB_RATE_LIMIT_LOGIN), now=time.time())


def count_failed_login(username: str, meta: Mapping[str, Any]) -> None:
    """Count one wrong password."""
    limiter().hit(_login_key(username, meta), _limit(settings.MEMORYHUB_RATE_LIMIT_LOGIN), now=time.time())


def _login_key(username: str, meta: Mapping[str, Any]) -> str:
    """By name and address: whoever guesses elsewhere locks nobody out here."""
    return f"login:{network_of(meta)}:{username.casefold()[:150]}"


def network_of(meta: Mapping[str, Any]) -> str:
    """The caller's address, of IPv6 the /64 that one subscriber has; `local` over a unix socket."""
    text = meta.get("REMOTE_ADDR") or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "local"
    if address.version == 6:
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)


def rate_limited(wait_s: float) -> RateLimited:
    """With the Retry-After that the wait asks for, in whole seconds."""
    return RateLimited(headers={"Retry-After": str(max(1, math.ceil(wait_s)))})
