"""The address that the hub listens at."""

import os
import socket
from collections.abc import Iterator

import pytest

from memoryhub.embedded.address import Address, check_free
from memoryhub.embedded.errors import HubError
from tests.services import free_port


@pytest.mark.parametrize(
    "host, url",
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("hub.example.org", "http://hub.example.org:8000"),
    ],
)
def test_the_hub_is_asked_where_this_machine_reaches_it(host: str, url: str) -> None:
    assert Address(host, 8000).url == url


def test_a_free_port_passes() -> None:
    check_free([Address("127.0.0.1", free_port())])


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_in_use_is_refused_also_where_its_user_would_share_it(shares: bool) -> None:
    with socket.socket() as other:
        if shares:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]

        with pytest.raises(HubError, match=rf"^Port {port} on 127\.0\.0\.1 is in use\. Stop what uses it"):
            check_free([Address("127.0.0.1", port)])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_two_servers_of_one_hub_cannot_have_the_same_port(host: str) -> None:
    port = free_port()
    both = [Address("127.0.0.1", port), Address(host, port, chosen_by="AGMEM_COORDINATOR_PORT")]

    with pytest.raises(HubError, match=rf"^Port {port} on {host} is in use\..* choose another with AGMEM_COORDINATOR"):
        check_free(both)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(HubError, match="Nothing can listen on 192.0.2.1 port"):
        check_free([Address("192.0.2.1", free_port())])


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(HubError, match="'no such host' is not an address of this machine"):
        check_free([Address("no such host", free_port())])


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """This process, when root runs it, as a user who may not listen at low ports."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    yield
    os.seteuid(was)


@pytest.mark.system
def test_a_port_that_is_kept_for_root_is_refused(ordinary_user: None) -> None:
    with pytest.raises(HubError, match="Port 80 is kept for root"):
        check_free([Address("127.0.0.1", 80)])
