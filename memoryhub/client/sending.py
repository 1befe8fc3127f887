"""What both clients do alike around the sendings of a call. No network, no clock."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from memoryhub.client.errors import ConnectionFailed, DamagedAnswer, HubError, Refused, TryLater, refusal
from memoryhub.client.retrying import IN_USE, TRANSIENT, Retries

CHUNK_BYTES = 256 * 1024
BROKEN = (httpx.TransportError, httpx.DecodingError)
"""What a connection that breaks off raises."""


@dataclass(frozen=True, slots=True)
class Target:
    """A workspace of a hub, and the token for it."""

    url: str
    token: str = field(repr=False)
    workspace: str

    @property
    def base(self) -> str:
        return f"{self.url.rstrip('/')}/api/v1/workspaces/{quote(self.workspace, safe='')}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "User-Agent": "memoryhub-client"}


class Attempts:
    """The sendings of one call that have failed so far.

    `may_be_done` tells whether one of them may have been carried out.
    """

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._failures = 0
        self._last: HubError
        self.may_be_done = False

    def refused(self, response: httpx.Response, body: bytes) -> Refused | None:
        """The refusal, or None where it may clear by itself and the call is to be sent again."""
        error = _refusal_of(response, body)
        if response.status_code not in TRANSIENT and error.code != IN_USE:
            return error
        # 429 comes before anything is done; of the others nobody knows.
        self.may_be_done |= response.status_code != httpx.codes.TOO_MANY_REQUESTS
        self._last = error
        return None

    def broke_off(self, error: httpx.TransportError | httpx.DecodingError) -> None:
        """A sending or its answer was cut."""
        self.may_be_done |= not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        self._last = ConnectionFailed(f"The hub cannot be reached: {error or type(error).__name__}")
        self._last.__cause__ = error

    def progress(self) -> None:
        """Something arrived: failures are counted anew."""
        self._failures = 0

    def wait_s(self) -> float:
        """How long to wait before the next sending. Raises the last failure where there is to be none."""
        self._failures += 1
        asked_s = self._last.retry_after_s if isinstance(self._last, TryLater) else None
        wait_s = self._retries.wait_s(self._failures, asked_s)
        if wait_s is None:
            raise self._last
        return wait_s


class Download:
    """The bytes of a path as they arrive, over as many connections as it takes, and their check at the end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._tag = ""
        self._announced = ""

    @property
    def headers(self) -> dict[str, str]:
        """Of the next request: the rest of the same state, or all of another."""
        return {"Range": f"bytes={self._size_bytes}-", "If-Range": self._tag} if self._size_bytes else {}

    def begin(self, response: httpx.Response) -> None:
        """Raises `DamagedAnswer` where the path has changed since its first bytes arrived."""
        if self._size_bytes and response.status_code != httpx.codes.PARTIAL_CONTENT:
            raise DamagedAnswer(f"{self._path} changed while it was read.")
        self._tag = response.headers["ETag"]
        self._announced = response.headers["Repr-Digest"]

    def take(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self) -> None:
        """Raises `DamagedAnswer` where the bytes are not those that the hub announced."""
        if self._announced != digest_header(self._digest.digest()):
            raise DamagedAnswer(f"The bytes of {self._path} are not those that the hub announced.")


def digest_header(sha256: bytes) -> str:
    """Source: RFC 9530 3."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def index_params(prefix: str, *, tombstones: bool) -> dict[str, str]:
    return ({"prefix": prefix} if prefix else {}) | ({"tombstones": "true"} if tombstones else {})


def _refusal_of(response: httpx.Response, body: bytes) -> Refused:
    """What stands between us and the hub may not speak JSON."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    fields: Mapping[str, Any] = told if isinstance(told, dict) else {}
    after = response.headers.get("Retry-After", "")
    return refusal(response.status_code, dict(fields) | ({"retry_after_s": int(after)} if after.isdigit() else {}))
