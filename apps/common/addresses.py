"""Which network addresses the hub may call: the rules of the SSRF guard. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Written out and not taken from `ipaddress.is_global`, whose answer changes with Python's patch releases.
# Source: IANA IPv4 Special-Purpose Address Registry.
_CLOSED_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space; holds one cloud's metadata service
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; holds the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # a public number that one cloud gives to its host agent
    )
]
# Global unicast is 2000::/3. All else (loopback, unique local, link-local, multicast, ::/96, local NAT64) is closed.
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "3fff::/20",
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")


def parse_address(text: str) -> Address | None:
    """The address that `text` is in its usual spelling, brackets allowed; None for a name."""
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def real_address(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether the address belongs to the open internet, also behind its IPv6 disguises."""
    real = real_address(address)
    if isinstance(real, IPv4Address):
        return not any(real in network for network in _CLOSED_V4)
    return real in _OPEN_V6 and not any(real in network for network in _CLOSED_V6)


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts and networks that may be called although they are not public.

    A host entry vouches for whatever the name resolves to.
    """

    hosts: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """From `10.1.0.0/16`, `::1`, `api.internal`, `*.internal`. Raises ValueError naming the entry."""
        hosts: set[str] = set()
        suffixes: list[str] = []
        networks: list[Network] = []
        for entry in (entry.strip() for entry in entries):
            if not entry:
                continue
            if "/" in entry or parse_address(entry) is not None:
                networks.append(_network(entry))
                continue
            name = plain_host(entry.removeprefix("*"))
            if not re.fullmatch(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
                raise ValueError(f"not a host, *.domain, address or network (no port, no scheme): {entry!r}")
            if name.startswith("."):
                suffixes.append(name)
            else:
                hosts.add(name)
        return cls(frozenset(hosts), tuple(suffixes), tuple(networks))

    def has_host(self, host: str) -> bool:
        """Whether the name itself is vouched for."""
        name = plain_host(host)
        return name in self.hosts or any(name.endswith(suffix) for suffix in self.suffixes)

    def permits(self, address: Address) -> bool:
        """Whether the address is public or listed."""
        if is_public(address):
            return True
        forms = {address, real_address(address)}
        return any(form in network for network in self.networks for form in forms)


def plain_host(host: str) -> str:
    """Lower case, without the dot that ends a fully qualified name."""
    return host.lower().removesuffix(".")


def _network(entry: str) -> Network:
    try:
        return ip_network(entry.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise ValueError(f"not a network: {entry!r} ({error})") from error
