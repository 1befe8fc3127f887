import pytest

from memoryhub.proxies import TrustedProxies, last_of

PROXIES = TrustedProxies(("10.0.0.0/8", "2001:db8::/32", "192.0.2.1"))


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.1.2.3", True),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::5", True),
        ("::ffff:10.0.0.9", True),
        ("", False),
        ("nonsense", False),
    ],
)
def test_who_is_trusted(peer: str, trusted: bool) -> None:
    assert (peer in PROXIES) is trusted


def test_the_peer_of_a_unix_socket_is_trusted_on_request() -> None:
    assert "" in TrustedProxies(("unix",))
    assert "10.0.0.1" not in TrustedProxies(("unix",))
    assert not TrustedProxies(())


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("203.0.113.9,198.51.100.7,10.9.9.9,10.8.8.8", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db9::1]:80", "2001:db9::1"),
        ("2001:db9::1", "2001:db9::1"),
        ("unknown", "10.0.0.1"),
        ("198.51.100.7, unknown, 10.9.9.9", "10.9.9.9"),
        ("", "10.0.0.1"),
        ("10.9.9.9, 10.8.8.8", "10.9.9.9"),
    ],
)
def test_the_client_is_the_nearest_address_that_no_trusted_proxy_has(chain: str, client: str) -> None:
    assert PROXIES.client("10.0.0.1", chain) == client


def test_of_a_list_the_nearest_proxy_s_value_counts() -> None:
    assert last_of("http, https") == "https"
    assert last_of("") == ""
