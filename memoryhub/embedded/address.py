"""The addresses that the web servers listen at."""

import errno
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from memoryhub.embedded.errors import HubError


@dataclass(frozen=True, slots=True)
class Address:
    """`chosen_by` is the option or setting that moves its port."""

    host: str
    port: int
    chosen_by: str = "--port"

    @property
    def url(self) -> str:
        """Where this machine reaches it: an address that means "every interface" is asked on loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def probe(self) -> socket.socket:
        """Something that listens there. Raises HubError when nobody can."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise HubError(f"{self.host!r} is not an address of this machine: {error.strerror}.") from error
        family, kind, protocol, _name, address = found[0]
        probe = socket.socket(family, kind, protocol)
        # As a server would: the remains of closed connections do not keep a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            probe.close()
            raise HubError(self._refusal(error)) from error
        return probe

    def _refusal(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            taken = f"Port {self.port} on {self.host} is in use."
            return f"{taken} Stop what uses it, or choose another with {self.chosen_by}."
        if error.errno == errno.EACCES:
            return f"Port {self.port} is kept for root. Choose one above 1023 with {self.chosen_by}."
        return f"Nothing can listen on {self.host} port {self.port}: {error.strerror}."


def check_free(addresses: Iterable[Address]) -> None:
    """Raises HubError unless all can be listened at, side by side. Web servers share ports, so none would notice."""
    with ExitStack() as probes:
        for address in addresses:
            probes.enter_context(address.probe())
