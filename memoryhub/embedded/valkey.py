"""A Valkey of our own on a unix socket. It holds counters and bells, nothing that must last."""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memoryhub.embedded.accounts import Account
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.postgres import clean_environment, tail
from memoryhub.embedded.processes import Child

SOCKET_NAME = "valkey.sock"
START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Valkey:
    program: Path
    account: Account
    socket_directory: Path

    @property
    def socket_path(self) -> Path:
        return self.socket_directory / SOCKET_NAME

    def url(self, database: int = 0) -> str:
        """A `unix://` address, as redis-py reads it."""
        return f"unix://{self.socket_path}?db={database}"

    def start(self, environment: Mapping[str, str], log_path: Path) -> Child:
        """Starts the server and returns at once; `wait_ready` waits."""
        self.socket_path.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "databases": "64",
            "maxmemory": "128mb",
            # A counter that goes early is harmless; a refused write is not.
            "maxmemory-policy": "allkeys-lru",
            "dir": str(self.socket_directory),
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return Child(
            "valkey",
            [self.program, *arguments],
            environment=clean_environment(environment),
            account=self.account,
            log=log_path,
        )

    def wait_ready(self, child: Child, log_path: Path) -> None:
        """Returns when the server answers. Raises HubError when it ended or took too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._answers():
                return
            if child.exit_code is not None:
                raise HubError(f"Valkey ended while it started; its log is {log_path}:\n{tail(log_path)}")
            time.sleep(0.02)
        raise HubError(f"Valkey was not ready after {START_TIMEOUT_S:.0f} s; its log is {log_path}.")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            try:
                connection.connect(str(self.socket_path))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
