"""Children that end with their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from memoryhub.embedded import accounts
from memoryhub.embedded.processes import LARGEST_LOG_BYTES, Child
from tests.embedded.marks import as_root


def start(*command: str, **options: object) -> Child:
    arguments = {"environment": {**os.environ}, "account": accounts.current(), **options}
    return Child("child", command, **arguments)  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.02)


def test_a_child_that_was_asked_to_end_reports_the_signal() -> None:
    child = start("sleep", "60")

    child.stop(grace_s=5)

    assert child.exit_code == -signal.SIGTERM


def test_a_child_that_ignores_the_request_is_killed() -> None:
    child = start("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    time.sleep(0.2)

    child.stop(grace_s=0.2)

    assert child.exit_code == -signal.SIGKILL


def test_what_a_killed_child_started_goes_with_its_session(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = start("sh", "-c", "sleep 60 & echo $!; wait", log=log)
    while not log.exists() or not log.read_text().strip():
        time.sleep(0.02)
    grandchild = int(log.read_text())
    os.kill(child.pid, signal.SIGKILL)
    child.wait(5)
    assert is_alive(grandchild)

    child.kill_session()

    wait_for_end(grandchild)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "from memoryhub.embedded import accounts\n"
        "from memoryhub.embedded.processes import Child\n"
        "child = Child('c', ['sleep', '60'], environment=dict(os.environ), account=accounts.for_postgres())\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout:
        grandchild = int(parent.stdout.readline())
        assert is_alive(grandchild)

        parent.kill()

        wait_for_end(grandchild)


def test_a_child_waits_until_it_is_told_to_go() -> None:
    child = start("sh", "-c", "read word && echo got $word", waits_for_go=True, answers=True)

    assert not child.wait(0.2)
    child.go()

    assert (child.answer(), child.exit_code) == (b"got go\n", 0)


def test_telling_a_dead_child_to_go_is_no_error() -> None:
    child = start("true", waits_for_go=True)
    child.wait(5)

    child.go()

    assert child.exit_code == 0


def test_a_log_that_has_grown_large_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stream:
        stream.truncate(LARGEST_LOG_BYTES + 1)

    start("echo", "new", log=log).wait(5)

    assert log.read_text() == "new\n"
    assert (tmp_path / "log.1").stat().st_size == LARGEST_LOG_BYTES + 1


@as_root
def test_another_account_keeps_no_group_of_root() -> None:
    child = start("id", account=accounts.for_postgres(), answers=True)

    nobody = accounts.for_postgres()

    assert child.answer().decode().split() == [
        f"uid={nobody.uid}(nobody)",
        f"gid={nobody.gid}(nogroup)",
        f"groups={nobody.gid}(nogroup)",
    ]
