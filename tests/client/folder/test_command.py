"""`memoryhub sync` at a terminal, beside other syncs, and with a hub that comes and goes."""

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client.folder.machines import Machine
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.live import LiveWorkspace
from tests.services import ROOT, remove_foreign_settings
from tests.waiting import wait_until


class Command:
    """`memoryhub sync` of a machine's folder, as a process."""

    def __init__(self, machine: Machine, workspace: LiveWorkspace, url: str) -> None:
        self.machine = machine
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "TERM": "xterm"}
        remove_foreign_settings(self.environment)
        self.environment |= {
            "HOME": str(machine.root.parent),
            "MEMORYHUB_URL": url,
            "MEMORYHUB_TOKEN": workspace.token,
            "MEMORYHUB_WORKSPACE": workspace.slug,
        }

    def line(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "memoryhub", "sync", str(self.machine.root), *options]

    def run(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.line(*options), env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def at_terminal(self, *options: str, answer: str = "") -> tuple[int, str]:
        """Its exit code and all that a person would see. The answer is typed when it asks."""
        reader, writer = pty.openpty()
        process = subprocess.Popen(
            self.line(*options), env=self.environment, stdin=writer, stdout=writer, stderr=writer, close_fds=True
        )
        os.close(writer)
        seen = b""
        try:
            while piece := _read(reader):
                seen += piece
                if answer and b"[y/N]" in seen:
                    os.write(reader, f"{answer}\n".encode())
                    answer = ""
        finally:
            os.close(reader)
        return process.wait(60), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())

    @contextmanager
    def watching(self) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], list[dict[str, Any]]], Path]]:
        """The process of a `--watch`, what it has told so far, and the file of its complaints."""
        told, complaints = self.machine.root.parent / "told", self.machine.root.parent / "complaints"
        with told.open("wb") as out, complaints.open("wb") as errors:
            # Whoever runs the tests in the background has it ignored, also in the processes that they start.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            process = subprocess.Popen(self.line("--watch"), env=self.environment, stdout=out, stderr=errors)
        try:
            yield process, lambda: [json.loads(line) for line in told.read_text().splitlines()], complaints
        finally:
            process.terminate()
            process.wait(20)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # So says Linux when the other end is closed.
        return b""


@pytest.fixture
def command(machines: tuple[Machine, Machine], workspace: LiveWorkspace) -> Command:
    return Command(machines[0], workspace, workspace.hub_url)


@pytest.fixture
def shaky(machines: tuple[Machine, Machine], workspace: LiveWorkspace, proxy: FaultyProxy) -> Command:
    """Through a proxy."""
    return Command(machines[0], workspace, proxy.url)


def test_a_person_is_told_what_matters(command: Command) -> None:
    command.machine.write("note [1].md", "x")
    (command.machine.root / "link").symlink_to("nowhere")

    code, seen = command.at_terminal()
    _, planned = command.at_terminal("--dry-run")
    _, status = command.at_terminal("--status")

    lines = [line.strip() for line in seen.splitlines() if line.strip()]
    assert code == 0
    assert "skipped: link (it is a symbolic link)" in lines
    assert lines[-1] == "In step: 1 uploaded, 1 skipped."
    assert "skipped: link (it is a symbolic link)" in planned
    assert re.search(r"^files +1\r?$", status, re.MULTILINE)


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 4, 51), ("y", 0, 0)])
def test_a_person_is_asked_before_many_files_are_deleted(command: Command, answer: str, code: int, left: int) -> None:
    for number in range(51):
        command.machine.write(f"{number}.md", "x")
    command.machine.sync()
    for number in range(51):
        command.machine.remove(f"{number}.md")

    ended, seen = command.at_terminal(answer=answer)

    assert (ended, len(command.machine.client.index().files)) == (code, left)
    assert "Of 51 files delete 0 here and 51 on the hub? [y/N]" in seen


def test_a_trial_tells_what_could_not_be_done(command: Command) -> None:
    (command.machine.root / "link").symlink_to("nowhere")
    command.machine.write("note.md", "x")

    done = command.run("--dry-run")

    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"event": "skipped", "path": "link", "about": "it is a symbolic link"},
        {"event": "planned", "step": "upload", "path": "note.md"},
    ]


def test_what_the_system_has_against_it_is_a_sentence_and_exit_code_2(command: Command) -> None:
    command.machine.sync()
    for file in (command.machine.root / ".memoryhub").glob("state*"):
        file.unlink()
    (command.machine.root / ".memoryhub" / "state.sqlite3").write_text("garbage, and not a little of it")
    damaged = command.run()
    (command.machine.root / ".memoryhubignore").mkdir()
    odd = command.run()

    assert (damaged.returncode, odd.returncode) == (2, 2)
    assert damaged.stderr.startswith("What former syncs knew of the folder was damaged")
    assert odd.stderr.startswith("The folder cannot be synced: [Errno 21] Is a directory")
    assert (damaged.stderr.count("\n"), odd.stderr.count("\n")) == (1, 1)


def test_watching_outlasts_a_hub_that_fails_and_another_sync(shaky: Command, proxy: FaultyProxy) -> None:
    root = shaky.machine.root
    shaky.machine.sync()
    with proxy.failing(Fault.STATUS_500), shaky.watching() as (process, told, complaints):
        wait_until(lambda: "500" in complaints.read_text())
        with proxy.failing(Fault.RESET):
            shaky.machine.write("cut.md", "x")
            wait_until(lambda: "cannot be reached" in complaints.read_text())
        wait_until(lambda: any(line.get("path") == "cut.md" for line in told()))
        with (root / ".memoryhub" / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shaky.machine.write("busy.md", "x")
            wait_until(lambda: "Another sync" in complaints.read_text())
        wait_until(lambda: any(line.get("path") == "busy.md" for line in told()))

        assert process.poll() is None
    assert {file.path for file in shaky.machine.client.index().files} == {"cut.md", "busy.md"}


def test_watching_sees_what_is_written_while_it_syncs_and_new_rules(command: Command) -> None:
    command.machine.write("large.bin", os.urandom(30_000_000))
    with command.watching() as (_, told, _):
        wait_until((command.machine.root / ".memoryhub").is_dir)
        command.machine.write("meanwhile.md", "x")
        wait_until(lambda: any(line.get("path") == "meanwhile.md" for line in told()))
        command.machine.write(".memoryhubignore", "*.tmp\n")
        wait_until(lambda: any(line.get("path") == ".memoryhubignore" for line in told()))


def test_watching_costs_the_hub_one_small_request_while_nothing_happens(shaky: Command, proxy: FaultyProxy) -> None:
    shaky.machine.write("note.md", "x")
    with shaky.watching() as (_, told, _):
        wait_until(lambda: sum(line["event"] == "finished" for line in told()) == 1)
        time.sleep(2)
        proxy.seen.clear()
        finished = len(told())
        wait_until(lambda: len(proxy.seen) >= 2)

        assert len(told()) == finished
    assert {request.partition("?")[0].rpartition("/")[2] for request in proxy.seen} == {"changes"}


def test_a_trial_says_which_deletions_would_be_held_back(command: Command) -> None:
    for number in range(5):
        command.machine.write(f"{number}.md", "x")
    command.machine.sync()
    for number in range(5):
        command.machine.remove(f"{number}.md")

    done = command.run("--dry-run")
    both = command.run("--dry-run", "--watch")

    assert (done.returncode, len(done.stdout.splitlines())) == (4, 5)
    assert done.stderr.startswith("Of 5 files 0 would be deleted here and 5 on the hub.")
    assert (both.returncode, both.stdout) == (2, "")
    assert both.stderr == "--dry-run ends when it has told its plan: leave out --watch.\n"


def test_watching_deletes_nothing_more_until_somebody_allows_it_and_goes_on(command: Command) -> None:
    for number in range(5):
        command.machine.write(f"{number}.md", "x")
    command.machine.sync()
    for number in range(5):
        command.machine.remove(f"{number}.md")

    with command.watching() as (process, told, complaints):
        wait_until(lambda: any(line["event"] == "finished" for line in told()))
        command.machine.write("new.md", "x")
        wait_until(lambda: any(line.get("path") == "new.md" for line in told()))
        wait_until(lambda: sum(line["event"] == "finished" for line in told()) == 2)
        on_hub = len(command.machine.client.index().files)
        allowed = command.run("--allow-deletes")

        assert (process.poll(), on_hub, allowed.returncode) == (None, 6, 0)
    assert told()[0]["held_back"] == {"here": 0, "there": 5, "of": 5}
    assert complaints.read_text().count("need --allow-deletes") == 2  # of 5 files, and of 6
    assert [file.path for file in command.machine.client.index().files] == ["new.md"]


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--status"]])
def test_output_that_cannot_be_written_is_a_sentence(command: Command, options: list[str]) -> None:
    command.machine.sync()
    command.machine.write("note.md", "x")

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command.line(*options), env=command.environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "No space left on device" in done.stderr


def test_a_workspace_that_there_is_not_is_named_and_nothing_is_left_behind(command: Command) -> None:
    command.machine.write("note.md", "x")
    command.environment["MEMORYHUB_WORKSPACE"] = "nowhere"

    runs = [command.run(), command.run("--dry-run")]

    assert [run.returncode for run in runs] == [2, 2]
    assert {run.stderr for run in runs} == {"The hub has no workspace nowhere that the token may see.\n"}
    assert [path.name for path in command.machine.root.iterdir()] == ["note.md"]


def test_watching_ends_where_only_a_person_can_help(command: Command) -> None:
    command.environment["MEMORYHUB_TOKEN"] = "mh_nobody"

    with command.watching() as (process, _, complaints):
        assert process.wait(30) == 2
    assert complaints.read_text().startswith("The hub does not know the token")


def test_an_interrupt_ends_it_with_its_code(command: Command) -> None:
    with command.watching() as (process, told, _):
        wait_until(lambda: any(line["event"] == "finished" for line in told()))
        process.send_signal(signal.SIGINT)

        assert process.wait(20) == 130
