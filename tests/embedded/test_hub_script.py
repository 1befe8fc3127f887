"""The script `hub`: makes .venv when it has to, and passes everything on."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from memoryhub.embedded import accounts
from tests import services
from tests.embedded.marks import as_root
from tests.live import LiveHub

pytestmark = pytest.mark.system

# Stands for the product: says what it was given, so that the script is tested alone and without downloads.
ECHO = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.getcwd(), os.environ['PYTHONPATH'], sys.prefix]))\n"
MADE = "hub: making .venv from requirements.lock (once, and again when it changes)\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose locks hold nothing, below a path with a space."""
    directory = tmp_path / "my clone"
    (directory / "memoryhub").mkdir(parents=True)
    shutil.copy(services.ROOT / "hub", directory)
    (directory / "memoryhub" / "__main__.py").write_text(ECHO)
    (directory / "requirements.lock").write_text("# nothing\n")
    (directory / "requirements-dev.lock").write_text("# nothing\n")
    directory.chmod(0o700)
    return directory


def run(script: Path, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "HUB_PYTHON": sys.executable, **environment}
    return subprocess.run(
        [str(script), *arguments], env=given, cwd=cwd or "/", capture_output=True, text=True, check=False, timeout=300
    )


def test_the_script_is_a_program_that_a_plain_shell_reads() -> None:
    script = services.ROOT / "hub"

    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", str(script)], check=True)


def test_the_environment_is_made_once_and_arguments_pass_unchanged(clone: Path, tmp_path: Path) -> None:
    first = run(clone / "hub", "up", "--data", "a b", "", cwd=tmp_path)
    second = run(clone / "hub", "status", cwd=tmp_path)

    assert (first.returncode, MADE in first.stderr) == (0, True), first.stderr
    assert json.loads(first.stdout) == [
        ["up", "--data", "a b", ""],
        str(tmp_path),
        str(clone),
        str(clone / ".venv"),
    ]
    assert (second.returncode, second.stderr) == (0, "")


def test_a_changed_lock_is_installed_and_an_unchanged_environment_kept(clone: Path) -> None:
    run(clone / "hub")
    (clone / ".venv" / "mark").write_text("")
    (clone / "requirements.lock").write_text("# something else\n")

    changed = run(clone / "hub")
    again = run(clone / "hub")

    assert MADE in changed.stderr
    assert again.stderr == ""
    assert (clone / ".venv" / "mark").exists()


def test_a_broken_environment_is_made_anew(clone: Path) -> None:
    run(clone / "hub")
    for python in (clone / ".venv" / "bin").glob("python*"):
        python.unlink()

    repaired = run(clone / "hub", "status")

    assert (repaired.returncode, MADE in repaired.stderr) == (0, True), repaired.stderr


def test_the_tests_environment_serves_everything_else_too(clone: Path) -> None:
    run(clone / "hub", "test")

    plain = run(clone / "hub", "status")

    assert (plain.returncode, plain.stderr) == (0, "")
    assert [line.split()[0] for line in (clone / ".venv" / "made-from").read_text().splitlines()] == [
        "requirements-dev.lock",
        "requirements.lock",
    ]


def test_two_at_once_make_one_environment(clone: Path) -> None:
    command = [str(clone / "hub"), "status"]
    environment = {**os.environ, "HUB_PYTHON": sys.executable}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]

    said = [process.communicate(timeout=300)[1] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert "".join(said).count(MADE) == 1


def test_a_link_to_the_script_finds_its_clone(clone: Path, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "memhub"
    link.parent.mkdir()
    link.symlink_to("../my clone/hub")

    answer = run(link, "status")

    assert json.loads(answer.stdout)[2] == str(clone)


def test_a_moved_clone_still_runs(clone: Path, tmp_path: Path) -> None:
    run(clone / "hub")
    moved = tmp_path / "moved"
    clone.rename(moved)

    answer = run(moved / "hub", "status")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads(answer.stdout)[2] == str(moved)


def test_without_a_python_that_is_new_enough_it_says_so(clone: Path) -> None:
    refused = run(clone / "hub", "up", HUB_PYTHON="/bin/false")

    assert refused.returncode == 2
    assert refused.stderr == (
        "hub: Python 3.11 or newer is needed; none of /bin/false is that. "
        "Install it, or name it with HUB_PYTHON=/path/to/python3.\n"
    )
    assert not (clone / ".venv").exists()


def test_a_failed_installation_is_told_and_tried_again(clone: Path) -> None:
    (clone / "requirements.lock").write_text("no-hash-here==1.0\n")

    first = run(clone / "hub", "up")
    second = run(clone / "hub", "up")

    for refused in (first, second):
        assert refused.returncode == 2
        assert "hub: the packages of requirements.lock could not be installed" in refused.stderr
        assert refused.stdout == ""


@as_root
@pytest.mark.slow
def test_an_ordinary_user_starts_a_hub_from_a_fresh_clone_that_nobody_else_can_enter(open_directory: Path) -> None:
    nobody = accounts.for_postgres()
    home = open_directory / "home"
    clone = home / "clone"
    ignore = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(services.ROOT, clone, ignore=ignore)
    for path in (home, *home.rglob("*")):
        os.chown(path, nobody.uid, nobody.gid)
    home.chmod(0o700)
    clone.chmod(0o700)
    environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    subprocess.run(
        [str(clone / "hub"), "--help"],
        cwd="/",
        env={**{name: value for name, value in os.environ.items() if name.startswith("PIP_")}, **environment},
        check=True,
        timeout=600,
        **nobody.popen_arguments(),
    )

    with LiveHub(home / "hub", environment, "--demo", account=nobody, command=[str(clone / "hub")]) as hub:
        assert "Demo       workspace demo: 13 files written, 0 were there" in hub.said()
        assert {path.stat().st_uid for path in hub.data.rglob("*")} == {nobody.uid}

    assert hub.data.stat().st_mode & 0o777 == 0o700
