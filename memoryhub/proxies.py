"""Who really called, when proxies stand between. Pure: no Django, no network."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

SOCKET = "unix"
FORWARDING_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
    "HTTP_VIA",
)


class TrustedProxies:
    """The peers whose X-Forwarded-* are believed. False when there are none."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(text) for text in networks if text != SOCKET]
        self._trusts_socket = SOCKET in networks
        self._known = lru_cache(maxsize=4096)(self._lies_inside)

    def __bool__(self) -> bool:
        return bool(self._networks) or self._trusts_socket

    def __contains__(self, peer: str) -> bool:
        """Whether `peer`, an address or the empty text of a unix socket's peer, is trusted."""
        return self._known(peer)

    def _lies_inside(self, peer: str) -> bool:
        address = parsed_address(peer)
        if address is None:
            return not peer and self._trusts_socket
        return any(address.version == network.version and address in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The nearest address in the chain that is not a trusted proxy's.

        Read from the right, since each proxy appends whom it saw and anything further left is a claim. Where the
        chain cannot be read on, the last trusted address stands.
        """
        current = peer
        for hop in reversed(forwarded_for.split(",")):
            address = parsed_address(_bare(hop.strip()))
            if address is None:
                return current
            current = str(address)
            if current not in self:
                return current
        return current


def parsed_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one also where it is written in IPv6 (`::ffff:10.0.0.1`); None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def last_of(header: str) -> str:
    """The value that the nearest proxy wrote, where a header holds a list."""
    return header.rpartition(",")[2].strip()


def _bare(hop: str) -> str:
    """Without port: `1.2.3.4:567`, `[2001:db8::1]:567`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
