"""The outside token checker heare-auth: whom it vouches for. Off while HEARE_AUTH_URL is empty.

Only tokens that cannot be ours are ever shown to it. Verdicts are kept for a short time, outages are not.
Source: heare-auth's `POST /verify`, which answers an unknown key with 403.
"""

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Any

import httpx
import structlog
from django.conf import settings

from apps.accounts.breaker import Breaker
from apps.accounts.credentials import fingerprint
from apps.common.errors import Unavailable, UrlBlocked
from apps.common.expiring import ExpiringCache
from apps.common.http import Answer, Limits, OutboundClient, OutboundError

logger = structlog.get_logger(__name__)

ACCEPTED_S, REFUSED_S = 60.0, 10.0
"""How long a verdict is kept."""
CACHE_ENTRIES = 4096
LIMITS = Limits(total_s=5.0, connect_s=2.0, max_body_bytes=64 * 1024, attempts=2, max_retry_after_s=0.0)
MOST_CALLS = 4
"""At once, so that a checker that hangs holds this many threads and not all."""
WAIT_FOR_TURN_S = 1.0
REFUSALS = frozenset({401, 403, 422})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`subject` is the checker's id of the key; None when it refuses the token."""

    subject: str | None


class Checker:
    """One checker, its connections, and what it said lately. Thread-safe."""

    def __init__(self, url: str, app_id: str) -> None:
        self._url = url.rstrip("/") + "/verify"
        self._app_id = app_id
        # The operator named this host, so it may lie in a private network.
        self._client = OutboundClient(allow=[httpx.URL(url).host], limits=LIMITS)
        self._verdicts: ExpiringCache[Verdict] = ExpiringCache(CACHE_ENTRIES)
        self._breaker = Breaker(failures=3, open_s=5.0)
        self._turns = BoundedSemaphore(MOST_CALLS)

    def verdict(self, text: str) -> Verdict:
        """On the token `text`. Raises Unavailable, with Retry-After, when the checker is away."""
        key = fingerprint(text)
        known = self._verdicts.get(key, now=time.monotonic())
        if known is not None:
            return known
        if wait_s := self._breaker.wait_s(now=time.monotonic()):
            raise _away(wait_s)
        if not self._turns.acquire(timeout=WAIT_FOR_TURN_S):
            raise _away(WAIT_FOR_TURN_S)
        try:
            verdict = self._asked(text)
        except (OutboundError, UrlBlocked, _Senseless) as failure:
            self._breaker.failed(now=time.monotonic())
            logger.warning("heare_unavailable", error=str(failure))
            raise _away(1.0) from None
        finally:
            self._turns.release()
        self._breaker.succeeded()
        kept_s = REFUSED_S if verdict.subject is None else ACCEPTED_S
        self._verdicts.put(key, verdict, until=time.monotonic() + kept_s)
        return verdict

    def _asked(self, text: str) -> Verdict:
        body = {"api_key": text}
        if self._app_id:
            # The older checker's form; either ignores the other's keys.
            body |= {"token": text, "app_id": self._app_id}
        return _read(self._client.request("POST", self._url, body_json=body, idempotent=True))


class _Senseless(Exception):
    """The checker answered, but not with a verdict."""


def _read(answer: Answer) -> Verdict:
    if answer.status in REFUSALS:
        return Verdict(None)
    if answer.status != 200:
        raise _Senseless(f"status {answer.status}")
    body: Any = answer.json()
    if not isinstance(body, dict):
        raise _Senseless("200 without an object")
    if body.get("valid", True) is not True:
        return Verdict(None)
    subject = body.get("key_id")
    if not isinstance(subject, str) or not subject:
        logger.warning("heare_verdict_without_key_id")
        return Verdict(None)
    return Verdict(subject)


def _away(wait_s: float) -> Unavailable:
    return Unavailable("The token checker is away.", retry_after_s=max(1, math.ceil(wait_s)))


@lru_cache(maxsize=4)
def _checker(url: str, app_id: str) -> Checker:
    return Checker(url, app_id)


def subject_of(text: str) -> str | None:
    """The checker's id for the holder of `text`; None when it refuses the token or no checker is set up.

    Raises Unavailable when the checker is away. Usually no call: verdicts are kept for a minute.
    """
    if not settings.HEARE_AUTH_URL:
        return None
    return _checker(settings.HEARE_AUTH_URL, settings.HEARE_AUTH_APP_ID).verdict(text).subject


def forget() -> None:
    """Drop connections, verdicts and the memory of outages."""
    _checker.cache_clear()
