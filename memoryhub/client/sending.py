"""What both clients do alike around the sendings of a call. No network, no clock."""

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from urllib.request import getproxies

import httpx

from memoryhub.client.errors import (
    ConnectionFailed,
    DamagedAnswer,
    HubError,
    Invalid,
    Moved,
    NotFound,
    Refused,
    TryLater,
    Unauthorized,
    refusal,
)
from memoryhub.client.retrying import IN_USE, TRANSIENT, Retries

BROKEN = (httpx.TransportError, httpx.DecodingError)
"""What a connection that breaks off raises."""
TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A workspace of a hub, and the token for it. Raises `Invalid` and `Unauthorized` for what can be none."""

    url: str
    token: str = field(repr=False)
    workspace: str

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            raise Invalid(400, "bad_url", f"{self.url!r} is no hub's address, such as https://hub.example.org.")
        # Files and variables that hold a token often end with a newline.
        object.__setattr__(self, "token", self.token.strip())
        if TOKEN.fullmatch(self.token) is None:
            # Said here, because the error of the connection would show the token.
            raise Unauthorized(401, "unauthorized", "A token is printable ASCII without spaces.")

    @property
    def base(self) -> str:
        return f"{self.url.rstrip('/')}/api/v1/workspaces/{quote(self.workspace, safe='')}"

    def address(self, path: str, params: Mapping[str, str]) -> httpx.URL:
        """Of a call. Raises `Invalid` for what no address can hold."""
        try:
            return httpx.URL(self.base + path, params=params)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Invalid(400, "bad_request", f"No address can hold this: {error}") from error

    def missing(self, what: str) -> str:
        """What a 404 means: that there is no such path or version, or, where `what` is empty, no such workspace."""
        workspace = f"workspace {self.workspace} at {self.url}"
        return f"There is no {what} in {workspace}." if what else f"There is no {workspace} for this token."

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "User-Agent": "memoryhub-client"}

    @property
    def trust(self) -> ssl.SSLContext | bool:
        """For httpx's `verify`: whose certificates to believe. Nobody's where there will be none.

        Reading the system's authorities takes 30 ms, half of what it takes to compare a folder.
        """
        is_plain = self.url.startswith("http://") and not getproxies()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True


def is_answer(response: httpx.Response) -> bool:
    """Whether the hub did what was asked, or says that nothing has changed."""
    return response.is_success or response.status_code == httpx.codes.NOT_MODIFIED


@contextmanager
def reading_answer() -> Iterator[None]:
    """Inside, what cannot be read as an answer raises `DamagedAnswer`: half of one, or something else's than a hub."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedAnswer("The answer cannot be read. Is that a hub?") from error


class Attempts:
    """The sendings of one call that have failed so far. `about` is the path or version that it asks for, if any.

    `may_be_done` tells whether one of them may have been carried out.
    """

    def __init__(self, target: Target, retries: Retries, about: str = "") -> None:
        self._target = target
        self._retries = retries
        self._about = about
        self._failures = 0
        self._last: HubError | None = None
        self.may_be_done = False

    def refused(self, response: httpx.Response, body: bytes) -> Refused | None:
        """The refusal, or None where it may clear by itself and the call is to be sent again. Raises `Moved`."""
        if response.is_redirect:
            there = response.headers.get("Location", "no other")
            raise Moved(f"The hub is not at this address, which points to {there}.")
        error = _refusal_of(response, body)
        if isinstance(error, NotFound):
            # The hub does not tell a stranger which of them it lacks.
            what = self._about or str(error.fields.get("path", ""))
            error = NotFound(error.status, error.code, self._target.missing(what), error.fields)
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
        assert self._last is not None, "nothing has failed yet"
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
        """Of the next request: the rest of the same state, or all of another, and as they are stored."""
        rest = {"Range": f"bytes={self._size_bytes}-", "If-Range": self._tag} if self._size_bytes else {}
        return {"Accept-Encoding": "identity"} | rest

    def begin(self, response: httpx.Response) -> None:
        """Raises `DamagedAnswer` where the path has changed since its first bytes arrived, and for no hub's answer."""
        if self._size_bytes and response.status_code != httpx.codes.PARTIAL_CONTENT:
            raise DamagedAnswer(f"{self._path} changed while it was read.")
        with reading_answer():
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


def digest_from(header: str) -> bytes:
    """The sha256 in what `digest_header` made. Raises ValueError."""
    return base64.b64decode(header.removeprefix("sha-256=:").removesuffix(":"), validate=True)


def index_params(prefix: str, *, tombstones: bool) -> dict[str, str]:
    return ({"prefix": prefix} if prefix else {}) | ({"tombstones": "true"} if tombstones else {})


def _is_address(url: str) -> bool:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return address.scheme in ("http", "https") and bool(address.host) and not address.query


def _refusal_of(response: httpx.Response, body: bytes) -> Refused:
    """What stands between us and the hub may not speak JSON."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    fields: Mapping[str, Any] = told if isinstance(told, dict) else {}
    after = response.headers.get("Retry-After", "")
    return refusal(response.status_code, dict(fields) | ({"retry_after_s": int(after)} if after.isdecimal() else {}))
