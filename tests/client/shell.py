"""A person's terminal on the workspace of a live hub."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from tests import services
from tests.live import LiveWorkspace


class Shell:
    """A person's terminal: a home, a working folder, and the hub in the environment."""

    def __init__(self, place: Path, workspace: LiveWorkspace) -> None:
        self.folder = place / "work"
        self.home = place / "home"
        self.workspace = workspace
        for folder in (self.folder, self.home):
            folder.mkdir()
        self.environment = {**os.environ, "HOME": str(self.home), "PYTHONPATH": str(services.ROOT), "COLUMNS": "200"}
        services.remove_foreign_settings(self.environment)
        # People's output is buffered, whatever that of these tests is.
        self.environment.pop("PYTHONUNBUFFERED", None)
        self.environment |= {
            "MEMORYHUB_URL": workspace.hub_url,
            "MEMORYHUB_TOKEN": workspace.token,
            "MEMORYHUB_WORKSPACE": workspace.slug,
        }

    def run(
        self, *arguments: str, text: str | None = None, stdout: int | IO[str] = subprocess.PIPE
    ) -> "subprocess.CompletedProcess[str]":
        """Types a command, with `text` on its standard input, none without. `stdout` is where its output goes."""
        return subprocess.run(
            [sys.executable, "-m", "memoryhub", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=text or "",
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """The JSON lines of a sync that must end well."""
        done = self.run("sync", *arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return [json.loads(line) for line in done.stdout.splitlines()]

    def forget_environment(self) -> None:
        """From here on nothing but options and profiles says where to."""
        for name in ("MEMORYHUB_URL", "MEMORYHUB_TOKEN", "MEMORYHUB_WORKSPACE"):
            self.environment.pop(name, None)

    def login(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Saves the workspace as a profile."""
        options = ("--url", self.workspace.hub_url, "--workspace", self.workspace.slug, *arguments)
        return self.run("login", *options, text=f"{self.workspace.token}\n")

    def completed(self, *words: str) -> list[str]:
        """What bash offers for the last of the words that follow `memoryhub`."""
        program = self.home / "memoryhub"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m memoryhub "$@"\n')
        program.chmod(0o755)
        self.environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
        script = self.run("--show-completion", "bash").stdout
        typed = f"COMP_WORDS=(memoryhub {' '.join(words)}); COMP_CWORD={len(words)}; _memoryhub_completion memoryhub"
        environment = self.environment | {"PATH": f"{self.home}:{self.environment['PATH']}"}
        command = ["bash", "-c", f"{script}\n{typed}; echo ${{COMPREPLY[@]}}"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    @property
    def profiles(self) -> Path:
        return self.home / ".config" / "memoryhub" / "profiles.json"
