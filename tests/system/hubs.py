"""Hubs as operators start them: by any command, in any account, on a port that stays when they are started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from memoryhub.embedded import accounts
from memoryhub.embedded.accounts import Account
from memoryhub.embedded.processes import Child
from tests import services
from tests.live import LiveWorkspace
from tests.system.processes import children_of, command_of, wait_until_gone

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
LEFTOVER_TIMEOUT_S = 5.0
LAST_LINE = "Stop       Ctrl-C"
OUR_PROGRAMS = "memoryhub.embedded."


def clone_environment() -> dict[str, str]:
    """This process's environment without a word about hubs, for a hub of this very clone."""
    environment = dict(os.environ)
    services.remove_foreign_settings(environment)
    return environment | {"MEMORYHUB_ENV_FILE": "none", "PYTHONPATH": str(services.ROOT)}


class Hub:
    """A data directory and how a hub on it is run. `said` is what the latest start has printed."""

    def __init__(
        self,
        data: Path,
        program: Sequence[str] = (sys.executable, "-m", "memoryhub"),
        *,
        environment: Mapping[str, str] | None = None,
        account: Account | None = None,
        directory: Path = Path("/"),
        outputs: Path | None = None,
    ) -> None:
        """`program` is what stands before `up`. Without an environment the hub is one of this clone.

        What it prints goes to files in `outputs`, without one beside the data.
        """
        self.data = data
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = dict(environment if environment is not None else clone_environment())
        self._program = list(program)
        self._account = account or accounts.current()
        self._directory = directory
        self._outputs = outputs or data.parent
        self._starts = 0
        self.output = data
        self.process: Child

    def start(self, *arguments: str) -> float:
        """Runs `up` and returns when it says that it is ready: the seconds that it took."""
        began = time.monotonic()
        self.launch(*arguments)
        try:
            self.wait_until_it_says(LAST_LINE)
        except BaseException:
            self.stop()
            raise
        return time.monotonic() - began

    def launch(self, *arguments: str) -> None:
        """Runs `up` and returns at once."""
        self._starts += 1
        self.output = self._outputs / f"{self.data.name}-output-{self._starts}.txt"
        self.process = Child(
            "memoryhub",
            [*self._program, "up", "--data", self.data, "--port", str(self.port), *arguments],
            environment=self.environment,
            account=self._account,
            log=self.output,
            directory=self._directory,
        )

    def wait_until_it_says(self, text: str) -> None:
        services.wait_for_output(self.output, text, self.process, timeout_s=START_TIMEOUT_S)

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        """The pids of what the supervisor runs, by what they are: web, worker, postgres, valkey."""
        return {_name_of(pid): pid for pid in children_of(self.process.pid)}

    def pid(self, name: str) -> int:
        """The pid of what the supervisor runs under this name; one that has died is waited for."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while name not in (pids := self.pids()):
            assert time.monotonic() < deadline, f"{name} was not started again:\n{self.said()[-3000:]}"
            time.sleep(0.05)
        return pids[name]

    def command(self, *arguments: str, timeout_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Runs `memoryhub ARGUMENTS --data DIR`, as the hub's operator would."""
        return subprocess.run(
            [*self._program, *arguments, "--data", str(self.data)],
            env=self.environment,
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            **self._account.popen_arguments(),
        )

    def workspace(self, slug: str = "default") -> LiveWorkspace:
        """A workspace that exists, with a fresh token of an editor."""
        issued = self.command("token", "issue", slug)
        assert issued.returncode == 0, issued.stderr
        return LiveWorkspace(self.url, slug, issued.stdout.strip())

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the process group of the terminal. The exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        assert self.process.wait(STOP_TIMEOUT_S), f"it did not stop:\n{self.said()[-3000:]}"
        code = self.process.exit_code
        assert code is not None
        return code

    def left_running(self) -> dict[int, str]:
        """The processes that outlive the hub, by pid: there should be none."""
        return wait_until_gone(self.data, timeout_s=LEFTOVER_TIMEOUT_S)

    def stop(self) -> None:
        """Ends it in any case."""
        if self._starts:
            self.process.stop(STOP_TIMEOUT_S)


def _name_of(pid: int) -> str:
    command = command_of(pid)
    for part in command:
        if part.startswith(OUR_PROGRAMS):
            return part.removeprefix(OUR_PROGRAMS)
    # PostgreSQL and Valkey show a title of their own making.
    return {"postgres": "postgres", "valkey-server": "valkey"}.get(Path(command[0].split(" ")[0]).name, command[0])
