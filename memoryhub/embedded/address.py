"""The address that the web server listens at."""

import errno
import socket
from dataclasses import dataclass

from memoryhub.embedded.errors import HubError


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where this machine reaches it: an address that means "every interface" is asked on loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def check_free(self) -> None:
        """Raises HubError when nobody can listen there. The web server itself shares ports, so it would not notice."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise HubError(f"{self.host!r} is not an address of this machine: {error.strerror}.") from error
        family, kind, protocol, _name, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            # As a server would: the remains of closed connections do not keep a port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                raise HubError(self._refusal(error)) from error

    def _refusal(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"Port {self.port} on {self.host} is in use. Stop what uses it, or choose another with --port."
        if error.errno == errno.EACCES:
            return f"Port {self.port} is kept for root. Choose one above 1023 with --port."
        return f"Nothing can listen on {self.host} port {self.port}: {error.strerror}."
