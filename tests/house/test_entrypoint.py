"""The image's program `docker-entrypoint.sh`: what it starts for each word. The programs here only tell that they ran.

What they really do in a container's surroundings is in `tests/system/test_image.py`.
"""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.house.tree import ROOT

SCRIPT = ROOT / "docker-entrypoint.sh"
PROGRAMS = ("granian", "memoryhub", "celery", "python", "anything")
ECHO = f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]))\n"
DATABASE = "postgres://hub@db/hub"


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A directory for temporary files, beside the programs that the script may start."""
    for name in PROGRAMS:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(ECHO)
        program.chmod(0o755)
    return tmp_path


def run(container: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    given = {"PATH": f"{container / 'bin'}:/usr/bin:/bin", "HOME": "/", "TMPDIR": str(container / "tmp"), **environment}
    return subprocess.run([SCRIPT, *words], env=given, cwd="/", capture_output=True, text=True, check=False, timeout=60)


def started(container: Path, *words: str, **environment: str) -> list[list[str]]:
    """Each program that was run, with its arguments."""
    done = run(container, *words, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_script_is_a_program_that_a_plain_shell_reads() -> None:
    assert SCRIPT.stat().st_mode & stat.S_IXUSR
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["/bin/sh", "-n", SCRIPT], check=True)


@pytest.mark.parametrize("words", [(), ("web",)])
def test_without_a_database_it_runs_a_whole_hub_for_every_interface(container: Path, words: tuple[str, ...]) -> None:
    assert started(container, *words) == [["memoryhub", "up", "--host", "0.0.0.0", "--port", "8000"]]
    assert started(container, *words, DATABASE_URL="") == [["memoryhub", "up", "--host", "0.0.0.0", "--port", "8000"]]


def test_arguments_and_the_port_are_passed_on(container: Path) -> None:
    (up,) = started(container, "web", "--demo", PORT="80")

    assert up == ["memoryhub", "up", "--host", "0.0.0.0", "--port", "80", "--demo"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_URL_FILE"])
def test_with_a_database_it_runs_the_web_server_alone(container: Path, name: str) -> None:
    (web,) = started(container, **{name: DATABASE})

    assert (web[0], web[-1]) == ("granian", "memoryhub.wsgi:application")
    assert "--no-access-log" in web
    assert web[web.index("--http") + 1] == "1"
    assert web[web.index("--host") + 1 : web.index("--host") + 4] == ["0.0.0.0", "--port", "8000"]


def test_the_coordinator_is_a_web_server_too(container: Path) -> None:
    (web,), (coordinator,) = (
        started(container, word, "--backlog", "64", DATABASE_URL=DATABASE) for word in ("web", "coordinator")
    )

    workers = web.index("--workers") + 1
    assert (web[workers], coordinator[workers]) == ("2", "1")
    assert (web[-1], coordinator[-1]) == ("memoryhub.wsgi:application", "memoryhub.wsgi:coordinator")
    assert web[:workers] + web[workers + 1 : -1] == coordinator[:workers] + coordinator[workers + 1 : -1]


@pytest.mark.parametrize(("given", "host"), [({}, "0.0.0.0"), ({"AGMEM_COORDINATOR_HOST": "::"}, "::")])
def test_a_whole_hub_s_coordinator_is_reached_from_outside_the_container(
    container: Path, given: dict[str, str], host: str
) -> None:
    (container / "bin" / "memoryhub").write_text('#!/bin/sh\necho "[\\"$AGMEM_COORDINATOR_HOST\\"]"\n')

    assert started(container, **given) == [[host]]


def test_worker_and_beat_are_celery(container: Path) -> None:
    (worker,), (beat,) = started(container, "worker", "--loglevel=debug"), started(container, "beat")

    assert worker[:6] == ["celery", "--app", "memoryhub", "worker", "--pool", "threads"]
    assert worker[-1] == "--loglevel=debug"
    assert beat == ["celery", "--app", "memoryhub", "beat", "--schedule", f"{container / 'tmp'}/beat-schedule"]


def test_migrations_come_after_a_look_at_the_settings(container: Path) -> None:
    assert started(container, "migrate") == [
        ["python", "-m", "memoryhub.settings.start"],
        ["python", "-m", "django", "migrate", "--no-input"],
    ]


def test_settings_that_do_not_suffice_stop_the_migrations(container: Path) -> None:
    (container / "bin" / "python").write_text("#!/bin/sh\necho refused >&2; exit 1\n")

    done = run(container, "migrate")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "refused\n")


def test_any_other_command_is_run_as_it_stands(container: Path) -> None:
    assert started(container, "anything", "a b", "") == [["anything", "a b", ""]]


@pytest.mark.parametrize("word", ["web", "worker", "beat"])
def test_what_a_killed_process_left_is_gone_and_other_files_stay(container: Path, word: str) -> None:
    (container / "tmp").mkdir()
    spooled, pulse, other = (container / "tmp" / name for name in ("memoryhub-spool-abc", "pulse", "other"))
    for path in (spooled, pulse, other):
        path.touch()

    started(container, word, DATABASE_URL=DATABASE, MEMORYHUB_PULSE_FILE=str(pulse))

    assert [path.exists() for path in (spooled, pulse, other)] == [False, False, True]


def test_a_pulse_is_a_sign_of_life_for_a_minute(container: Path) -> None:
    pulse = container / "pulse"
    missing = run(container, "healthy", MEMORYHUB_PULSE_FILE=str(pulse))
    pulse.touch()
    fresh = run(container, "healthy", MEMORYHUB_PULSE_FILE=str(pulse))
    os.utime(pulse, times=(time.time() - 50, time.time() - 50))
    recent = run(container, "healthy", MEMORYHUB_PULSE_FILE=str(pulse))
    os.utime(pulse, times=(time.time() - 70, time.time() - 70))
    old = run(container, "healthy", MEMORYHUB_PULSE_FILE=str(pulse))

    assert [done.returncode for done in (missing, fresh, recent, old)] == [1, 0, 0, 1]
    assert missing.stdout == old.stdout == "No sign of life for 60 seconds.\n"


def test_a_web_server_that_does_not_answer_is_not_healthy(container: Path) -> None:
    (container / "bin" / "python").unlink()
    (container / "bin" / "python").symlink_to(sys.executable)

    done = run(container, "healthy", PORT="1")

    assert done.returncode == 1
    assert done.stderr == "The web server does not answer: [Errno 111] Connection refused\n"
