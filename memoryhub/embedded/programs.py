"""The hub's own Python programs, as children of the supervisor: web server, worker, and the steps of a start."""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memoryhub.embedded import accounts
from memoryhub.embedded.address import Address
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.processes import Child

WEB_WORKERS = 2


def _python(name: str, module: str, arguments: list[str], environment: Mapping[str, str], **options: Any) -> Child:
    # In the directory that the operator is in, since a `.env` file there counts for the children too; and with -P,
    # since no module in that directory does.
    return Child(
        name,
        [sys.executable, "-P", "-m", module, *arguments],
        environment=environment,
        account=accounts.current(),
        directory=Path.cwd(),
        **options,
    )


def start_web(address: Address, environment: Mapping[str, str]) -> Child:
    """The web server; it loads at once and serves after `go()`."""
    return _server("web", address, "application", WEB_WORKERS, environment)


def start_coordinator(address: Address, environment: Mapping[str, str]) -> Child:
    """As `start_web`, for agents alone: few and short requests."""
    return _server("coordinator", address, "coordinator", 1, environment)


def _server(name: str, address: Address, application: str, workers: int, environment: Mapping[str, str]) -> Child:
    arguments = [address.host, str(address.port), str(workers), application]
    return _python(name, "memoryhub.embedded.web", arguments, environment, waits_for_go=True)


def start_worker(run: Path, level: str, environment: Mapping[str, str]) -> Child:
    """Celery with the scheduler inside. `run` is a directory for its notes."""
    return _python("worker", "memoryhub.embedded.worker", [str(run / "beat-schedule"), level], environment)


class Step:
    """A program that runs to its end and answers with a JSON object."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str], waits: bool = False) -> None:
        """With `waits` the program loads, then waits for `result` to be asked."""
        self._child = _python(module, module, list(arguments), environment, waits_for_go=waits, answers=True)

    def result(self) -> dict[str, Any]:
        """Lets it go on, waits for its end and gives its answer.

        Raises HubError with the sentence of an `error` that it answers, or when it ends without an answer.
        """
        self._child.go()
        text = self._child.answer()
        code = self._child.exit_code
        if code != 0:
            raise HubError(f"{self._child.name} ended ({ending(code or 0)}); what it said stands above.")
        result: dict[str, Any] = json.loads(text)
        if "error" in result:
            raise HubError(str(result["error"]))
        return result

    def stop(self) -> None:
        """Kills it where it still runs."""
        self._child.stop(grace_s=1.0)


def ending(code: int) -> str:
    """An exit code, for people."""
    return f"exit {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
