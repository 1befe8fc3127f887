"""The only way out of the hub: HTTP calls that are guarded, pinned, capped and retried with care.

`httpx` builds the requests; they go straight onto an `httpcore` pool of our own, not through `httpx.Client`,
which would keep cookies between calls, read proxies from the environment and log whole addresses, tokens included.
"""

import json
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpcore
import httpx
import stamina

from apps.common.addresses import AllowList
from apps.common.errors import UrlBlocked
from apps.common.pinning import GuardedBackend, TlsRefused, deadline, remaining_s

# Source: RFC 9110 9.2.2. A call with another method is repeated only when the caller says that it may be.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What follows a redirect to another origin. A list of the harmless: secrets travel in headers of any name.
_PLAIN_HEADERS = frozenset({"accept", "accept-language", "if-modified-since", "if-none-match", "range", "user-agent"})
_PIECE = 65_536


class OutboundError(Exception):
    """A call to another service failed. The text names the origin only: paths and queries can hold secrets.

    `status` is the answer's, None when there was none; `retry_after_s` what the other side asked for.
    """

    def __init__(self, detail: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s


class Transient(OutboundError):
    """May work later: the network, a time-out, 429, a 5xx."""


class Permanent(OutboundError):
    """Fails again until somebody changes something."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one call. `total_s` covers name lookup, all attempts, redirects and the whole body."""

    total_s: float = 30.0
    connect_s: float = 5.0
    max_body_bytes: int = 10 * 1024 * 1024
    max_redirects: int = 0
    attempts: int = 3
    first_wait_s: float = 0.2
    max_retry_after_s: float = 10.0
    max_connections: int = 20

    @property
    def longest_wait_s(self) -> float:
        """The longest pause between two attempts, when the other side asks for none."""
        return self.first_wait_s * (2.0 ** max(0, self.attempts - 2) + 1)


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, of any status, decoded. `url` is the last hop's; `retry_after_s` None when not asked for."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    url: httpx.URL = field(repr=False)
    retry_after_s: float | None = None

    def json(self) -> Any:
        """The body as JSON. Raises Permanent when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Permanent(f"{origin(self.url)} answered {self.status} without JSON", status=self.status) from error

    def checked(self) -> Self:
        """Itself for a 2xx. Raises Transient or Permanent for any other status."""
        if 200 <= self.status < 300:
            return self
        kind = Transient if self.status in _TRANSIENT_STATUS else Permanent
        raise kind(f"{origin(self.url)} answered {self.status}", status=self.status, retry_after_s=self.retry_after_s)


class OutboundClient:
    """Calls other services over kept-alive connections. Thread-safe; make one per purpose and keep it.

    `allow` lists hosts and networks that may be called although they are not on the open internet, in the form of
    `AllowList.parse`. `tls` replaces the default trust (certifi, or SSL_CERT_FILE).
    """

    def __init__(
        self,
        *,
        allow: AllowList | Iterable[str] = (),
        limits: Limits = DEFAULT_LIMITS,
        user_agent: str = "memoryhub",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow if isinstance(allow, AllowList) else AllowList.parse(allow)
        self._limits = limits
        self._user_agent = user_agent
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_connections,
            keepalive_expiry=15.0,
            network_backend=GuardedBackend(self._allow),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the kept connections; a later call opens new ones."""
        self._pool.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        body_json: Any = None,
        idempotent: bool | None = None,
        want_body: bool = True,
        total_s: float | None = None,
    ) -> Answer:
        """The answer, whatever its status; `Answer.checked` turns a bad one into an error.

        Transient failures and statuses are tried again within the limits, if the method is idempotent or
        `idempotent` says so; a server that asks for a longer wait than `max_retry_after_s` is not asked again.
        Redirects are followed for GET and HEAD only. `want_body=False` ignores the body, whatever its size.
        Raises UrlBlocked for an address that may not be called, else Transient or Permanent.
        """
        method = method.upper()
        if params is not None:
            url = str(_parsed(url).copy_merge_params(dict(params)))
        request = self._built(method, _parsed(url), headers, content, body_json)
        limits = self._limits
        repeat = method in _IDEMPOTENT if idempotent is None else idempotent
        with deadline(limits.total_s if total_s is None else total_s):
            try:
                for attempt in stamina.retry_context(
                    on=self._wait_before_repeat,
                    attempts=limits.attempts if repeat else 1,
                    timeout=None,
                    wait_initial=limits.first_wait_s,
                    wait_max=limits.longest_wait_s,
                    wait_jitter=limits.first_wait_s,
                ):
                    with attempt:
                        answer = self._follow(request, want_body=want_body)
                        if answer.status not in _TRANSIENT_STATUS:
                            return answer
                        raise _Unsettled(answer)
            except _Unsettled as last:
                return last.answer
        raise AssertionError("the attempts end with an answer or an error")

    def _wait_before_repeat(self, error: Exception) -> bool | float:
        """stamina's hook: False gives up, True waits as usual, a number waits so many seconds."""
        if not isinstance(error, Transient):
            return False
        wait_s = error.retry_after_s
        if wait_s is None:
            return self._limits.longest_wait_s < remaining_s()
        if wait_s > self._limits.max_retry_after_s or wait_s >= remaining_s():
            return False
        return max(wait_s, 0.001)  # stamina reads zero as "wait as usual"

    def _built(
        self, method: str, url: httpx.URL, headers: Mapping[str, str] | None, content: bytes | None, body_json: Any
    ) -> httpx.Request:
        """The request with our own headers; only gzip is offered, because only that is unpacked with a bound."""
        try:
            sent = httpx.Headers({"Accept": "*/*", "User-Agent": self._user_agent} | dict(headers or {}))
            sent["Accept-Encoding"] = "gzip"
            return httpx.Request(method, url, headers=sent, content=content, json=body_json)
        except UnicodeError:
            raise Permanent("a header holds characters that HTTP does not carry") from None

    def _follow(self, request: httpx.Request, *, want_body: bool) -> Answer:
        """One attempt with its redirects; each hop is judged like the first."""
        limits = self._limits
        for _ in range(limits.max_redirects + 1):
            answer = self._send(request, want_body=want_body)
            target = answer.headers.get("location")
            followed = limits.max_redirects > 0 and request.method in {"GET", "HEAD"}
            if not followed or answer.status not in _REDIRECTS or target is None:
                return answer
            request = _next_hop(request, target)
        raise Permanent(f"{origin(request.url)} redirects more than {limits.max_redirects} times")

    def _send(self, request: httpx.Request, *, want_body: bool) -> Answer:
        """One exchange. The stream is closed unread when the body is refused, so its connection is dropped."""
        left_s = remaining_s()
        wire = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.read(),
            # The reads and writes are bounded by the deadline of the whole call, inside the backend.
            extensions={"timeout": {"pool": left_s, "connect": min(left_s, self._limits.connect_s)}},
        )
        with _failures(request.url):
            response = self._pool.handle_request(wire)
            try:
                headers = httpx.Headers(response.headers)
                if want_body:
                    body = _bounded(response.iter_stream(), headers, self._limits.max_body_bytes, request.url)
                else:
                    body = _skipped(response.iter_stream())
            finally:
                response.close()
        wait_s = retry_after_s(headers.get("retry-after"), now=time.time())
        return Answer(response.status, headers, body, request.url, wait_s)


class _Unsettled(Transient):
    """A transient status inside the retries; its answer comes back when they end."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"status {answer.status}", status=answer.status, retry_after_s=answer.retry_after_s)
        self.answer = answer


def origin(url: httpx.URL) -> str:
    """`https://host:port`, the part of an address that is safe to write down."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def retry_after_s(value: str | None, *, now: float) -> float | None:
    """Seconds from now that a Retry-After header asks for, never negative; None when unreadable. RFC 9110 10.2.3."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)


def _parsed(url: str) -> httpx.URL:
    """The address, once it is one that can be called at all. Raises UrlBlocked with a `reason`."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UrlBlocked("the address cannot be read", reason="unreadable") from error
    if parsed.scheme not in {"http", "https"}:
        raise UrlBlocked("only http and https are called", reason="scheme")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise UrlBlocked("the address names an impossible port", reason="port")
    if parsed.userinfo:
        raise UrlBlocked("credentials belong in a header, not in the address", reason="credentials")
    if not parsed.host:
        raise UrlBlocked("the address names no host", reason="host")
    return parsed


def _next_hop(request: httpx.Request, target: str) -> httpx.Request:
    """The request that a redirect leads to; another origin gets no headers that could hold a secret."""
    try:
        url = _parsed(str(request.url.join(target)))
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UrlBlocked("the redirect cannot be read", reason="unreadable") from error
    if request.url.scheme == "https" and url.scheme == "http":
        raise Permanent(f"{origin(request.url)} redirects from https to http")
    same_origin = origin(url) == origin(request.url)
    headers = {
        name: value
        for name, value in request.headers.items()
        if name != "host" and (same_origin or name in _PLAIN_HEADERS or name == "accept-encoding")
    }
    return httpx.Request(request.method, url, headers=headers)


def _bounded(parts: Iterable[bytes], headers: httpx.Headers, max_bytes: int, url: httpx.URL) -> bytes:
    """The decoded body. Raises Permanent past `max_bytes`, before more than one piece beyond it is in memory."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"gzip", "x-gzip"}:
        parts = _unzipped(parts, url)
    elif encoding not in {"", "identity"}:
        raise Permanent(f"{origin(url)} answered in an encoding that was not offered")
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > max_bytes:
            raise Permanent(f"{origin(url)} answered with more than {max_bytes} bytes")
    return bytes(body)


def _skipped(parts: Iterable[bytes]) -> bytes:
    """Nothing. Reads a short body to its end, so that the connection can be kept, and leaves a long one."""
    seen = 0
    for part in parts:
        seen += len(part)
        if seen > _PIECE:
            break
    return b""


def _unzipped(parts: Iterable[bytes], url: httpx.URL) -> Iterator[bytes]:
    """Pieces of at most 64 KiB: a small input that unpacks to gigabytes is met piece by piece."""
    unzip = _gunzip()
    started = False
    for part in parts:
        rest = part
        while rest:
            if unzip.eof:
                unzip = _gunzip()
            started = True
            try:
                yield unzip.decompress(rest, _PIECE)
            except zlib.error as error:
                raise Permanent(f"{origin(url)} answered with damaged gzip") from error
            rest = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
    if started and not unzip.eof:
        raise Transient(f"the answer of {origin(url)} broke off")


def _gunzip() -> Any:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


@contextmanager
def _failures(url: httpx.URL) -> Iterator[None]:
    """Turns what the network layer raises into Transient or Permanent, told without the address's secrets."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise Transient(f"{origin(url)} did not answer in time") from error
    except httpcore.LocalProtocolError:
        # Not chained: its text quotes the header, as of a token that was read with its line end.
        raise Permanent(f"the call to {origin(url)} is not valid HTTP") from None
    except TlsRefused as error:
        raise Permanent(f"the TLS certificate or protocol of {origin(url)} was refused") from error
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
        raise Transient(f"the connection to {origin(url)} failed") from error
