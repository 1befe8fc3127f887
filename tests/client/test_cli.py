"""The commands that speak to a hub over HTTP, as people type them."""

import inspect
import json
import os
import re
import shlex
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from memoryhub.cli.application import application
from tests import services
from tests.live import LiveHub, LiveWorkspace
from tests.waiting import wait_until

HAS_EXAMPLES = {"sync", "login", "ls", "cat", "put", "rm", "mv", "log", "diff", "revert"}


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
        self.environment |= {
            "MEMORYHUB_URL": workspace.hub_url,
            "MEMORYHUB_TOKEN": workspace.token,
            "MEMORYHUB_WORKSPACE": workspace.slug,
        }

    def run(self, *arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "memoryhub", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """The JSON lines of a sync that must end well."""
        done = self.run("sync", *arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def shell(tmp_path: Path, workspace: LiveWorkspace) -> Shell:
    return Shell(tmp_path, workspace)


def test_single_files_are_handled_as_one_would_expect(shell: Shell) -> None:
    (shell.folder / "today.md").write_text("one\ntwo\n")

    put = shell.run("put", "today.md", "notes/today.md", "-m", "first")
    piped = shell.run("put", "-", "notes/today.md", text="one\n2\n")
    listed = shell.run("ls", "notes")
    read = shell.run("cat", "notes/today.md"), shell.run("cat", "notes/today.md", "--version", "1")
    history = shell.run("log", "notes/today.md")
    difference = shell.run("diff", "notes/today.md")
    reverted = shell.run("revert", "notes/today.md", "1")
    same = shell.run("diff", "notes/today.md", "--local", "today.md")
    moved = shell.run("mv", "notes/today.md", "notes/then.md")
    removed = shell.run("rm", "notes/then.md")
    gone = shell.run("cat", "notes/then.md")

    assert put.stdout == "created: notes/today.md, version 1\n"
    assert piped.stdout == "updated: notes/today.md, version 2\n"
    assert re.fullmatch(r" +6  \d{4}-\d\d-\d\d \d\d:\d\d +2  notes/today.md\n", listed.stdout)
    assert [each.stdout for each in read] == ["one\n2\n", "one\ntwo\n"]
    assert [line.split()[0] for line in history.stdout.splitlines()] == ["2", "1"]
    assert history.stdout.splitlines()[1].endswith("first")
    assert difference.stdout.splitlines()[3:] == [" one", "-two", "+2"]
    assert (difference.returncode, same.returncode, same.stdout) == (1, 0, "")
    assert reverted.stdout == "updated: notes/today.md, version 3\n"
    assert moved.stdout == "created: notes/then.md, version 5\n"
    assert removed.stdout == "deleted: notes/then.md, version 6\n"
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr.endswith("(not_found)\n")


def test_a_folder_is_synced_and_told_in_json_lines(shell: Shell) -> None:
    (shell.folder / "notes").mkdir()
    (shell.folder / "notes" / "a.md").write_text("a")

    planned = shell.events("notes", "--dry-run")
    first = shell.events("notes")
    again = shell.events("notes")
    status = json.loads(shell.run("sync", "notes", "--status").stdout)

    assert planned == [{"event": "planned", "step": "upload", "path": "a.md"}]
    assert first == [
        {"event": "uploaded", "path": "a.md"},
        {"event": "finished", "in_step": True, "counts": {"uploaded": 1}, "problems": {}},
    ]
    assert again == [{"event": "finished", "in_step": True, "counts": {}, "problems": {}}]
    assert (status["url"], status["workspace"], status["files"]) == (shell.workspace.hub_url, shell.workspace.slug, 1)
    assert status["last_in_step"] is not None


def test_every_way_to_fail_has_its_exit_code(shell: Shell, live_hub: LiveHub) -> None:
    notes = shell.folder / "notes"
    notes.mkdir()
    for number in range(60):
        (notes / f"{number}.md").write_text("x")
    shell.events("notes")
    other = live_hub.workspace()

    elsewhere = shell.run("sync", "notes", "--workspace", other.slug, "--token", other.token)
    (notes / "back\\slash").write_text("x")
    partly = shell.run("sync", "notes")
    (notes / "back\\slash").unlink()
    for number in range(51):
        (notes / f"{number}.md").unlink()
    many = shell.run("sync", "notes")
    meant = shell.run("sync", "notes", "--allow-deletes")
    nowhere = shell.run("sync", "nowhere")
    away = shell.run("sync", "notes", "--url", "http://127.0.0.1:9")
    stranger = shell.run("ls", "--token", "mh_nobody")

    assert (elsewhere.returncode, elsewhere.stderr.split(".")[0]) == (
        5,
        "This folder belongs to another workspace, perhaps of another hub",
    )
    assert (partly.returncode, json.loads(partly.stdout.splitlines()[-1])["in_step"]) == (1, False)
    assert (many.returncode, many.stderr.split(";")[0]) == (4, "This would delete 0 files here and 51 on the hub")
    assert meant.returncode == 0
    assert (nowhere.returncode, nowhere.stderr) == (2, "nowhere is not a folder.\n")
    assert away.returncode == 2
    assert (stranger.returncode, stranger.stderr.split(":")[0]) == (2, "The hub does not know the token")


def test_a_profile_stands_in_for_options(shell: Shell) -> None:
    token = shell.environment.pop("MEMORYHUB_TOKEN")
    url, slug = shell.environment.pop("MEMORYHUB_URL"), shell.environment.pop("MEMORYHUB_WORKSPACE")
    before = shell.run("ls")

    wrong = shell.run("login", "--url", url, "--workspace", slug, "--token", "mh_nobody")
    login = shell.run("login", "--url", url, "--workspace", slug, text=f"{token}\n")
    listed = shell.run("ls")

    file = shell.home / ".config" / "memoryhub" / "profiles.json"
    assert (before.returncode, before.stderr.split(":")[0]) == (2, "There is no token")
    assert wrong.returncode == 2
    assert (login.returncode, token in login.stdout + login.stderr) == (0, False)
    assert login.stdout.endswith(f"{url}, workspace {slug}: 0 files. The token is kept in {file}.\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (listed.returncode, listed.stdout) == (0, "")


def test_watching_syncs_what_happens_on_either_side(shell: Shell) -> None:
    notes = shell.folder / "notes"
    notes.mkdir()
    command = [sys.executable, "-m", "memoryhub", "sync", "notes", "--watch"]
    watcher = subprocess.Popen(
        command, cwd=shell.folder, env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    assert watcher.stdout is not None
    threading.Thread(target=lambda: lines.extend(watcher.stdout or ()), daemon=True).start()
    try:
        wait_until(lambda: any('"finished"' in line for line in lines))
        (notes / "here.md").write_text("here")
        with shell.workspace.client() as client:
            wait_until(lambda: client.get("/files/here.md").status_code == 200)
            client.put("/files/there.md", content=b"there", headers={"If-None-Match": "*"})
        wait_until((notes / "there.md").exists)
    finally:
        watcher.terminate()
        watcher.wait(20)

    assert (notes / "there.md").read_text() == "there"


def examples() -> Iterator[tuple[str, str]]:
    """Command and example, of all that the helps show."""
    for command in application.registered_commands:
        assert command.callback is not None
        for line in inspect.getdoc(command.callback).splitlines() if command.callback.__doc__ else ():  # type: ignore[union-attr]
            if line.startswith("memoryhub "):
                yield str(command.name), line


def test_every_client_command_shows_an_example() -> None:
    assert {command for command, _ in examples()} == HAS_EXAMPLES
    assert typer.main.get_command(application).commands.keys() > HAS_EXAMPLES  # type: ignore[attr-defined]


def test_the_examples_work_as_they_are_shown(shell: Shell) -> None:
    """In an order in which each finds what it needs; only the hub's address is another. Versions 3 and 5 differ."""
    (shell.folder / "notes").mkdir()
    (shell.folder / "today.md").write_text("one\n")
    for number in range(5):
        shell.run("put", "-", "notes/today.md", text=f"version {number}\n")
    ended = {}
    for command, example in sorted(examples(), key=lambda pair: (pair[0] == "rm", pair[0] == "mv")):
        if "--watch" in example:
            continue
        if command == "rm":
            shell.run("put", "-", "notes/today.md", text="again\n")
        arguments = list(shlex.split(example)[1:])
        if command == "login":
            arguments = ["login", "--url", shell.workspace.hub_url, "--workspace", shell.workspace.slug]
        ended[example] = shell.run(*arguments).returncode

    assert {example: code for example, code in ended.items() if code} == {"memoryhub diff notes/today.md 3 5": 1}
