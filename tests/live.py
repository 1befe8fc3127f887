"""A whole hub in processes of its own, for tests that enter by HTTP over a socket."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from memoryhub.embedded import accounts
from memoryhub.embedded.processes import Child
from tests import services

STOP_GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class LiveWorkspace:
    """A workspace of a live hub, with a token that opens it. `url` is where its API begins."""

    hub_url: str
    slug: str
    token: str

    @property
    def url(self) -> str:
        return f"{self.hub_url}/api/v1/workspaces/{self.slug}"

    def client(self, **arguments: Any) -> httpx.Client:
        """An HTTP client that sends the token; addresses are relative to the workspace's API."""
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, **arguments)


class LiveHub:
    """`memoryhub up` in its own process, ready when the constructor returns."""

    def __init__(
        self,
        data: Path,
        environment: Mapping[str, str],
        *arguments: str,
        account: accounts.Account | None = None,
        command: Sequence[str] = (sys.executable, "-m", "memoryhub"),
    ) -> None:
        """`environment` is added to this process's, from which everything that concerns a hub is taken out first.

        Without any settings the hub runs its own servers. `account` and `command` say who runs it, and how.
        """
        self.data = data
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ}
        services.remove_foreign_settings(self.environment)
        self.environment |= {"MEMORYHUB_ENV_FILE": "none", "PYTHONPATH": str(services.ROOT), **environment}
        self.output = data.parent / f"{data.name}-output.txt"
        self.output.unlink(missing_ok=True)
        self._operator: subprocess.Popen[str] | None = None
        self.process = Child(
            "memoryhub",
            [*command, "up", "--data", data, "--port", str(self.port), *arguments],
            environment=self.environment,
            account=account or accounts.current(),
            log=self.output,
        )
        try:
            services.wait_for_output(self.output, "Stop       Ctrl-C", self.process, timeout_s=120)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def said(self) -> str:
        """All that the hub has printed, its logs included."""
        return self.output.read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        """The pids of its direct children by what they are: web, worker, postgres, valkey."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {_name_of(int(pid)): int(pid) for pid in children}

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs `memoryhub ...` against this hub, as its operator would."""
        return services.run_hub_command([*arguments, "--data", str(self.data)], self.environment)

    def workspace(self, slug: str | None = None, *, scopes: Sequence[str] | None = None) -> LiveWorkspace:
        """A workspace, made when it is missing, and a fresh token for it. Without `scopes` the token is an editor's."""
        name = slug or f"w{uuid.uuid4().hex[:12]}"
        answer = self._operate({"slug": name, "scopes": list(scopes) if scopes is not None else None})
        return LiveWorkspace(self.url, name, answer["token"])

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stops the hub as its operator would and gives its exit code."""
        if self._operator is not None:
            self._operator.communicate()
            self._operator = None
        if self.process.exit_code is None:
            os.kill(self.process.pid, signal_number)
        self.process.wait(STOP_GRACE_S)
        self.process.stop(grace_s=0)
        code = self.process.exit_code
        assert code is not None
        return code

    def _operate(self, order: dict[str, Any]) -> dict[str, Any]:
        if self._operator is None:
            self._operator = subprocess.Popen(
                [sys.executable, "-m", "tests.operator", str(self.data)],
                env=self.environment,
                cwd=services.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._operator.stdin is not None and self._operator.stdout is not None
        self._operator.stdin.write(json.dumps(order) + "\n")
        self._operator.stdin.flush()
        line = self._operator.stdout.readline()
        assert line, "the operator process ended; its error stands in this test's output"
        answer: dict[str, Any] = json.loads(line)
        return answer


def _name_of(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    if "memoryhub.embedded.web" in command:
        return "coordinator" if "coordinator" in command else "web"
    if "memoryhub.embedded.worker" in command:
        return "worker"
    return {"postgres": "postgres", "valkey-server": "valkey"}.get(Path(command[0].split(" ")[0]).name, command[0])
