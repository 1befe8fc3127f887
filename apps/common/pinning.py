"""Connections for `apps.common.http`: the name is resolved once, judged, and that very address is called.

A second lookup between judging and connecting is what DNS rebinding lives on; here there is none. TLS still checks
the certificate against the name, because only the TCP connection is given the address.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

from apps.common.addresses import Address, AllowList, parse_address
from apps.common.errors import UrlBlocked

# The time-outs of httpcore are per operation, so a peer that sends a byte a second would never meet one. The
# moment at which the whole call ends is kept here; a call runs in one thread from its lookup to its last byte.
_ends_at: ContextVar[float] = ContextVar("ends_at")


@contextmanager
def deadline(total_s: float) -> Iterator[None]:
    """All network work inside ends within `total_s` seconds, or raises httpcore's time-out errors."""
    token = _ends_at.set(time.monotonic() + total_s)
    try:
        yield
    finally:
        _ends_at.reset(token)


def remaining_s() -> float:
    """Seconds left of the current deadline, at least 0."""
    return max(0.0, _ends_at.get() - time.monotonic())


class TlsRefused(httpcore.ConnectError):
    """The certificate does not fit, or the two sides have no protocol in common."""


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to permitted addresses only, and bounds them by the deadline."""

    def __init__(self, allow: AllowList) -> None:
        self._allow = allow
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first of the host's addresses that answers.

        Raises UrlBlocked when one of them is not permitted: an honest name does not point both in and out.
        """
        addresses = self._permitted(host)
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                stream = self._plain.connect_tcp(
                    str(address), port, _bounded(timeout, httpcore.ConnectTimeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream)
        raise failure

    def _permitted(self, host: str) -> list[Address]:
        literal = parse_address(host)
        addresses = [literal] if literal is not None else _resolved(host)
        if not self._allow.has_host(host) and not all(self._allow.permits(address) for address in addresses):
            raise UrlBlocked("the address lies in a network that is not called from here", reason="address")
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A connection each operation of which ends at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Not the inner one's write: that loops over partial sends, each with the full time-out.
        connection: socket.socket = self._inner.get_extra_info("socket")
        rest = memoryview(buffer)
        while rest:
            connection.settimeout(_bounded(timeout, httpcore.WriteTimeout))
            try:
                rest = rest[connection.send(rest) :]
            except TimeoutError as error:
                raise httpcore.WriteTimeout(str(error)) from error
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _bounded(timeout, httpcore.ConnectTimeout)
        try:
            return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))
        except httpcore.ConnectError as error:
            # Told apart here, because the pool cuts the cause off. A peer that hangs up may be there again later.
            cause = error.__cause__
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
                raise TlsRefused(str(cause)) from error
            raise

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _bounded(timeout: float | None, error: type[httpcore.TimeoutException]) -> float:
    """The shorter of `timeout` and what is left of the deadline. Raises `error` when nothing is left."""
    left_s = remaining_s()
    if left_s <= 0:
        raise error("the call took longer than allowed")
    return left_s if timeout is None else min(timeout, left_s)


def _resolved(host: str) -> list[Address]:
    """Addresses of a name, in the system's order.

    The system's lookup takes no time-out, so it runs in a thread that is left behind when it hangs.
    """
    outcome: list[Any] = []

    def look_up() -> None:
        try:
            outcome.append(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    worker = threading.Thread(target=look_up, name="resolve", daemon=True)
    worker.start()
    worker.join(_bounded(None, httpcore.ConnectTimeout))
    if not outcome:
        raise httpcore.ConnectTimeout("the name lookup took too long")
    if isinstance(outcome[0], Exception):
        raise httpcore.ConnectError(f"the name {host} cannot be resolved") from outcome[0]
    addresses = (parse_address(str(entry[4][0])) for entry in outcome[0])
    return list(dict.fromkeys(address for address in addresses if address is not None))
