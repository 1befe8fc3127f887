from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.addresses import AllowList, is_public, parse_address, real_address

CLOSED = [
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "5f00::1",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1.1.1.1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::",
]  # fmt: skip
OPEN = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.1", "223.255.255.255", "168.63.129.17",
    "2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("text", CLOSED)
def test_addresses_outside_the_open_internet_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", OPEN)
def test_addresses_of_the_open_internet_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_in_every_disguise(address: IPv4Address) -> None:
    number = int(address)
    disguises = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64_FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
    ]

    assert [real_address(disguise) for disguise in disguises] == [address] * 3
    assert {is_public(disguise) for disguise in disguises} == {is_public(address)}


@given(st.ip_addresses())
def test_what_python_calls_private_or_multicast_is_never_public(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_loopback or address.is_link_local:
        assert is_public(address) == (real_address(address) != address and is_public(real_address(address)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", IPv4Address("127.0.0.1")),
        ("[::1]", IPv6Address("::1")),
        # Spellings that only the C library reads as an address are names here: they are judged once resolved.
        ("127.1", None),
        ("0x7f000001", None),
        ("2130706433", None),
        ("0177.0.0.1", None),
        ("localhost", None),
    ],
)
def test_only_the_usual_spelling_is_an_address(text: str, expected: object) -> None:
    assert parse_address(text) == expected


def test_allow_list_permits_what_it_lists_and_nothing_beside_it() -> None:
    allow = AllowList.parse(["10.1.0.0/16", " ::1 ", "192.168.7.7", "Api.Internal.", "*.lan", ""])

    assert [allow.permits(ip_address(text)) for text in ("10.1.2.3", "::1", "192.168.7.7", "8.8.8.8")] == [True] * 4
    assert [allow.permits(ip_address(text)) for text in ("10.2.0.1", "127.0.0.1", "192.168.7.8")] == [False] * 3
    assert [allow.has_host(name) for name in ("api.internal", "API.internal.", "nas.lan", "a.b.lan")] == [True] * 4
    assert [allow.has_host(name) for name in ("x.api.internal", "lan", "evillan", "internal")] == [False] * 4


def test_a_listed_ipv4_network_also_covers_its_disguises() -> None:
    allow = AllowList.parse(["127.0.0.0/8"])

    assert allow.permits(ip_address("::ffff:127.0.0.1"))
    assert not allow.permits(ip_address("::ffff:10.0.0.1"))


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.1/8", "10.0.0.0/33", "http://a", "a:80", "*", "*.", "a*b", "a b", "bücher.example", "@a", "a..b", "/8"],
)
def test_an_unreadable_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError) as caught:
        AllowList.parse(["ok.example", entry])

    assert repr(entry) in str(caught.value)
