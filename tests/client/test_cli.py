"""The commands that speak to a hub over HTTP, as people type them."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from memoryhub.cli.application import COMMANDS, program
from tests.client.shell import Shell
from tests.live import LiveHub
from tests.waiting import wait_until

HAS_EXAMPLES = {"sync", "login", "ls", "cat", "put", "rm", "mv", "log", "diff", "revert"}


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


def test_diff_tells_a_difference_from_what_it_cannot_compare(shell: Shell) -> None:
    for text in ("one\n", "two\n"):
        shell.run("put", "-", "a.md", text=text)
    shell.run("put", "-", "once.md", text="one\n")
    shell.run("rm", "a.md")

    between = shell.run("diff", "a.md")
    same = shell.run("diff", "a.md", "1", "1")
    deleted = shell.run("diff", "a.md", "1")
    once = shell.run("diff", "once.md")
    never = shell.run("diff", "never.md")
    three = shell.run("diff", "a.md", "1", "2", "3")
    nowhere = shell.run("diff", "a.md", "--local", "nowhere.md")

    assert (between.returncode, between.stdout.splitlines()[3:]) == (1, ["-one", "+two"])
    assert (same.returncode, same.stdout) == (0, "")
    assert [each.returncode for each in (deleted, once, never, three, nowhere)] == [2] * 5
    assert once.stderr == "There are no two versions of once.md to compare.\n"
    assert "Traceback" not in three.stderr + nowhere.stderr


def test_what_is_no_file_is_not_put(shell: Shell) -> None:
    (shell.folder / "folder").mkdir()

    missing, folder = shell.run("put", "nowhere.md", "a.md"), shell.run("put", "folder", "a.md")

    assert (missing.returncode, missing.stderr) == (2, "nowhere.md is no file that can be read.\n")
    assert (folder.returncode, folder.stderr) == (2, "folder is no file that can be read.\n")
    assert shell.run("ls").stdout == ""


def test_standard_input_is_sent_without_being_held_in_memory(shell: Shell) -> None:
    size_bytes = 64 << 20
    program = (
        "import atexit, pathlib, memoryhub.cli\n"
        "atexit.register(lambda: print(pathlib.Path('/proc/self/status').read_text()))\n"
        "memoryhub.cli.main()"
    )
    with (shell.folder / "large").open("w+b") as large:
        large.truncate(size_bytes)
        put = subprocess.run(
            [sys.executable, "-c", program, "put", "-", "large.bin"],
            env=shell.environment,
            stdin=large,
            capture_output=True,
            text=True,
            check=True,
        )

    peak = re.search(r"VmHWM:\s+(\d+) kB", put.stdout)
    assert peak is not None
    assert int(peak[1]) << 10 < size_bytes
    assert shell.run("ls").stdout.split()[0] == str(size_bytes)


def test_diff_shows_no_bytes_that_are_no_text(shell: Shell) -> None:
    for name, content in (("nul", b"a\0b"), ("latin", b"\xff\n"), ("spelled", b"\\xff\n"), ("cr", b"a\r\n")):
        (shell.folder / name).write_bytes(content)
    shell.run("put", "nul", "a")
    shell.run("put", "latin", "b")
    shell.run("put", "-", "c", text="a\n")

    nul = shell.run("diff", "a", "--local", "spelled")
    same = shell.run("diff", "a", "--local", "nul")
    latin = shell.run("diff", "b", "--local", "spelled")
    ends = shell.run("diff", "c", "--local", "cr")

    assert (nul.returncode, nul.stdout) == (1, "Binary files a and spelled differ\n")
    assert (same.returncode, same.stdout) == (0, "")
    assert (latin.returncode, latin.stdout) == (1, "Binary files b and spelled differ\n")
    assert (ends.returncode, len(ends.stdout.splitlines())) == (1, 5)


def test_diff_compares_with_what_a_deleted_file_was_before(shell: Shell) -> None:
    shell.run("put", "-", "a.md", text="one\n")
    shell.run("rm", "a.md")
    shell.run("put", "-", "a.md", text="two\n")

    between = shell.run("diff", "a.md")

    assert (between.returncode, between.stdout.splitlines()[3:]) == (1, ["-one", "+two"])


def test_a_path_may_begin_with_a_slash(shell: Shell) -> None:
    put = shell.run("put", "-", "/s/f", text="one\n")
    read, history = shell.run("cat", "/s/f"), shell.run("log", "/s/f")
    listed = shell.run("ls", "/s/")
    moved = shell.run("mv", "/s/f", "/s/g")

    assert put.stdout == "created: s/f, version 1\n"
    assert (read.stdout, history.returncode) == ("one\n", 0)
    assert listed.stdout.endswith("  s/f\n")
    assert moved.stdout == "created: s/g, version 3\n"


def test_a_file_is_not_moved_to_where_it_is(shell: Shell) -> None:
    shell.run("put", "-", "a", text="one\n")

    moved = shell.run("mv", "a", "/a", "--force")

    assert (moved.returncode, moved.stderr) == (2, "a cannot be moved to where it is.\n")
    assert len(shell.run("log", "a").stdout.splitlines()) == 1


def test_what_is_missing_is_named(shell: Shell) -> None:
    where = f"workspace {shell.workspace.slug} at {shell.workspace.hub_url}"
    shell.run("put", "-", "a", text="one\n")

    for command, missing in (
        (("cat", "b"), "b"),
        (("cat", "a", "--version", "7"), "version 7 of a"),
        (("log", "b"), "b"),
        (("rm", "b"), "b"),
        (("mv", "b", "c"), "b"),
        (("revert", "a", "7"), "version 7 of a"),
    ):
        told = shell.run(*command)

        assert (told.returncode, told.stderr) == (1, f"There is no {missing} in {where}. (not_found)\n")
    nowhere = f"There is no workspace nowhere at {shell.workspace.hub_url} for this token. (not_found)\n"
    for command in (("ls",), ("cat", "a"), ("put", "-", "a")):
        assert shell.run(*command, "--workspace", "nowhere").stderr == nowhere


def test_a_message_takes_one_line_of_the_log(shell: Shell) -> None:
    shell.run("put", "-", "a", "-m", "one\ntwo\033[2J", text="one\n")

    history = shell.run("log", "a")

    assert history.stdout.endswith("  one two [2J\n")


@pytest.mark.parametrize("command", [("ls",), ("cat", "a"), ("log", "a", "--json"), ("diff", "a")])
def test_a_reader_who_leaves_ends_a_command_without_a_word(shell: Shell, command: tuple[str, ...]) -> None:
    for text in ("one\n", "two\n"):
        shell.run("put", "-", "a", text=text)
    reading, writing = os.pipe()
    os.close(reading)

    ended = shell.run(*command, stdout=writing)
    os.close(writing)

    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize("command", [("ls",), ("cat", "a"), ("diff", "a")])
def test_output_that_cannot_be_written_is_told(shell: Shell, command: tuple[str, ...]) -> None:
    for text in ("one\n", "two\n"):
        shell.run("put", "-", "a", text=text)

    with Path("/dev/full").open("w") as full:
        ended = shell.run(*command, stdout=full)

    assert (ended.returncode, ended.stderr) == (2, "[Errno 28] No space left on device\n")


def test_a_command_does_not_import_httpxs_own_one(shell: Shell) -> None:
    shell.environment["PYTHONPROFILEIMPORTTIME"] = "1"

    imported = {line.rpartition("|")[2].strip() for line in shell.run("ls").stderr.splitlines()}

    assert "httpx" in imported
    assert imported.isdisjoint({"click", "rich"})


def test_the_shell_completes_commands_and_profiles(shell: Shell) -> None:
    shell.login("--profile", "work")
    shell.login("--profile", "home")

    assert shell.completed("lo") == ["login", "log"]
    assert shell.completed("ls", "--profile", "") == ["home", "work"]
    assert shell.completed("sync", "--profile", "w") == ["work"]


def test_profiles_that_cannot_be_read_do_not_disturb_who_types(shell: Shell) -> None:
    shell.profiles.parent.mkdir(parents=True)
    shell.profiles.write_text("{")

    assert shell.completed("ls", "--profile", "") == []


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
    (notes / "59.md").unlink()
    (notes / "59.md").symlink_to("58.md")
    partly = shell.run("sync", "notes")
    (notes / "59.md").unlink()
    (notes / "59.md").write_text("x")
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
    assert (many.returncode, many.stderr.split(".")[0]) == (
        4,
        "Of 60 files 0 would be deleted here and 51 on the hub",
    )
    assert meant.returncode == 0
    assert (nowhere.returncode, nowhere.stderr) == (2, "nowhere is not a folder.\n")
    assert away.returncode == 2
    assert (stranger.returncode, stranger.stderr.split(":")[0]) == (2, "The hub does not know the token")


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
    for command in program(None).registered_commands:
        assert command.callback is not None
        for line in inspect.getdoc(command.callback).splitlines() if command.callback.__doc__ else ():  # type: ignore[union-attr]
            if line.startswith("memoryhub "):
                yield str(command.name), line


def test_every_client_command_shows_an_example() -> None:
    assert {command for command, _ in examples()} == HAS_EXAMPLES
    assert COMMANDS.keys() > HAS_EXAMPLES


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
