"""The first minutes of a new user: a fresh clone in a closed directory, an empty home, `./hub`, nothing else."""

import json
import socket
import stat
from pathlib import Path

import httpx
import pytest

from tests.system.hubs import Hub
from tests.system.newcomers import Newcomer

pytestmark = pytest.mark.system

# The design asks for ten on an idle machine; a busy one may take longer, and the time is printed.
SECOND_START_LIMIT_S = 60.0
NOTES = Path("memoryhub/demo/notes")


def demo_files(hub: Hub) -> dict[str, bytes]:
    """All files of the workspace `demo`, through the API."""
    with hub.workspace("demo").client() as client:
        paths = [row[0] for row in client.get("/index").raise_for_status().json()["files"][1:]]
        return {path: client.get(f"/files/{path}").raise_for_status().content for path in paths}


def bundled_notes(newcomer: Newcomer) -> dict[str, bytes]:
    notes = newcomer.clone / NOTES
    return {path.relative_to(notes).as_posix(): path.read_bytes() for path in notes.rglob("*") if path.is_file()}


def modes_of(*directories: Path) -> list[int]:
    return [stat.S_IMODE(directory.stat().st_mode) for directory in directories]


@pytest.fixture(params=["ordinary_user", "root_user"])
def newcomer(request: pytest.FixtureRequest) -> Newcomer:
    """Each kind of user in turn."""
    user: Newcomer = request.getfixturevalue(request.param)
    return user


def test_help_comes_at_once_when_everything_is_installed(newcomer: Newcomer) -> None:
    done = newcomer.run("./hub", "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout


def test_the_demo_is_there_stops_with_ctrl_c_and_is_still_there_next_time(newcomer: Newcomer) -> None:
    closed = [newcomer.home, newcomer.clone]
    notes = bundled_notes(newcomer)
    hub = newcomer.hub("data of the demo")

    first_s = hub.start("--demo")
    said = hub.said()
    files = demo_files(hub)
    first_exit, first_left = hub.interrupt(), hub.left_running()
    second_s = hub.start("--demo")
    said_again = hub.said()
    files_again = demo_files(hub)
    second_exit, second_left = hub.interrupt(), hub.left_running()

    print(f"{newcomer.account.name}: first start {first_s:.1f} s, second {second_s:.1f} s")
    assert files == files_again == notes
    assert said.count("Made the administrator admin with the password ") == 1
    assert f"workspace demo: {len(notes)} files written, 0 were there" in said
    assert "./hub token issue default" in said
    assert "administrator" not in said_again
    assert f"workspace demo: 0 files written, {len(notes)} were there" in said_again
    assert (first_exit, first_left, second_exit, second_left) == (0, {}, 0, {})
    assert modes_of(*closed) == [0o700, 0o700]
    assert second_s < SECOND_START_LIMIT_S


def test_two_hubs_run_side_by_side_and_know_nothing_of_each_other(ordinary_user: Newcomer) -> None:
    one, other = ordinary_user.hub("one"), ordinary_user.hub("other")
    one.start()
    other.start()
    here, there = one.workspace(), other.workspace()

    with here.client() as client, there.client() as other_client:
        written = client.put("/files/a.md", content=b"one", headers={"If-None-Match": "*"})
        unseen = other_client.get("/files/a.md")
        stranger = httpx.get(f"{there.url}/index", headers={"Authorization": f"Bearer {here.token}"}, trust_env=False)
    one_exit, one_left = one.interrupt(), one.left_running()
    status = other.command("status", "--json")
    other_exit, other_left = other.interrupt(), other.left_running()

    assert (written.status_code, unseen.status_code, stranger.status_code) == (201, 404, 401)
    assert json.loads(status.stdout)["ready"] is True
    assert (one_exit, one_left, other_exit, other_left) == (0, {}, 0, {})


def test_a_port_in_use_is_told_and_nothing_is_made(ordinary_user: Newcomer) -> None:
    data = ordinary_user.home / "never made"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        done = ordinary_user.run("./hub", "up", "--data", str(data), "--port", port)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"Port {port} on 127.0.0.1 is in use. Stop what uses it, or choose another with --port.\n")
    assert not data.exists()


def test_a_second_hub_on_the_same_data_is_refused_and_the_first_goes_on(ordinary_user: Newcomer) -> None:
    hub = ordinary_user.hub("taken")
    hub.start()

    done = ordinary_user.run("./hub", "up", "--data", str(hub.data), "--port", "1024")
    status = hub.command("status", "--json")

    exit_code, left = hub.interrupt(), hub.left_running()
    assert done.returncode == 2
    assert done.stderr == (f"A hub is running on {hub.data} already. Stop it, or name another directory with --data.\n")
    assert json.loads(status.stdout)["ready"] is True
    assert (exit_code, left) == (0, {})


@pytest.mark.parametrize("line", ["Making the database", "Applied "])
def test_ctrl_c_during_the_first_start_leaves_nothing_running_and_the_next_start_works(
    ordinary_user: Newcomer, line: str
) -> None:
    hub = ordinary_user.hub(f"interrupted at {line.strip()}")
    hub.launch()
    hub.wait_until_it_says(line)

    exit_code, left = hub.interrupt(), hub.left_running()
    hub.start()
    with hub.workspace().client() as client:
        written = client.put("/files/a.md", content=b"one", headers={"If-None-Match": "*"})
    next_exit, next_left = hub.interrupt(), hub.left_running()

    assert (exit_code, left) == (0, {})
    assert written.status_code == 201
    assert (next_exit, next_left) == (0, {})
