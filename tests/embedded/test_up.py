"""`memoryhub up` with its own servers: starts, crashes, restarts, ends."""

import os
import signal
import socket
from functools import partial
from pathlib import Path

import httpx
import pytest

from memoryhub.embedded.demo import sample_files
from tests import services
from tests.conftest import Bucket
from tests.embedded.marks import as_root
from tests.live import LiveHub, LiveWorkspace
from tests.waiting import wait_until

pytestmark = pytest.mark.system


def put(workspace: LiveWorkspace, path: str, content: bytes) -> int:
    with workspace.client() as client:
        return client.put(f"/files/{path}", content=content, headers={"If-None-Match": "*"}).status_code


def get(workspace: LiveWorkspace, path: str) -> bytes:
    with workspace.client() as client:
        answer = client.get(f"/files/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


def read(workspace: LiveWorkspace, path: str) -> bytes:
    """As `get`; nothing where a service is away for the moment."""
    with workspace.client() as client:
        answer = client.get(f"/files/{path}")
    assert answer.status_code in (200, 503), answer.text
    return answer.content if answer.status_code == 200 else b""


def is_ready(hub: LiveHub) -> bool:
    try:
        return httpx.get(f"{hub.url}/readyz", timeout=10, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def processes_that_name(text: str) -> list[str]:
    """The command lines, on the whole machine, in which `text` stands; but for the tests' own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command and "tests.operator" not in command:
            found.append(command)
    return found


def test_a_hub_starts_stops_and_starts_again_with_all_it_had(open_directory: Path) -> None:
    data = open_directory / "hub"
    with LiveHub(data, {}) as hub:
        workspace = hub.workspace("notes")
        assert put(workspace, "a.txt", b"one") == 201
        first = hub.said()
        code = hub.stop()
    assert code == 0
    assert "Made the workspace default." in first
    assert first.count("Made the administrator admin with the password ") == 1
    assert "\nStopping.\n" in hub.said()
    assert processes_that_name(str(data)) == []

    with LiveHub(data, {}) as again:
        again_workspace = LiveWorkspace(again.url, "notes", workspace.token)
        assert get(again_workspace, "a.txt") == b"one"
        assert "Made the" not in again.said()
        check = again.command("fsck", "--read-data")
        assert (check.returncode, check.stderr) == (0, "")


def test_interrupting_from_the_keyboard_stops_everything(open_directory: Path) -> None:
    with LiveHub(open_directory / "hub", {}) as hub:
        code = hub.stop(signal.SIGINT)

    assert code == 0
    assert processes_that_name(str(open_directory)) == []
    assert not (open_directory / "hub" / "run" / "hub.json").exists()
    assert not (open_directory / "hub" / "pg18" / "postmaster.pid").exists()


def test_a_second_hub_on_the_same_data_is_refused_and_the_first_goes_on(open_directory: Path) -> None:
    with LiveHub(open_directory / "hub", {}) as hub:
        second = services.run_hub_command(
            ["up", "--data", str(hub.data), "--port", str(services.free_port())], hub.environment
        )

        assert second.returncode == 2
        assert second.stderr == (
            f"A hub is running on {hub.data} already. Stop it, or name another directory with --data.\n"
        )
        assert is_ready(hub)


def test_a_port_in_use_is_refused_before_anything_is_made(open_directory: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        environment = {**os.environ, "MEMORYHUB_ENV_FILE": "none"}
        services.remove_foreign_settings(environment)

        command = ["up", "--data", str(open_directory / "hub"), "--port"]
        refused = services.run_hub_command([*command, str(port)], environment)
        own = services.run_hub_command(
            [*command, str(services.free_port())], {**environment, "AGMEM_COORDINATOR_PORT": str(port)}
        )

    start = f"Port {port} on 127.0.0.1 is in use. Stop what uses it, or choose another with"
    assert (refused.returncode, refused.stderr) == (2, f"{start} --port.\n")
    assert (own.returncode, own.stderr) == (2, f"{start} AGMEM_COORDINATOR_PORT.\n")
    assert not (open_directory / "hub").exists()


def test_two_hubs_run_side_by_side_and_share_nothing(open_directory: Path) -> None:
    with LiveHub(open_directory / "one", {}) as one, LiveHub(open_directory / "two", {}) as two:
        here, there = one.workspace("notes"), two.workspace("notes")
        assert put(here, "a.txt", b"one") == 201
        assert put(there, "a.txt", b"two") == 201

        assert (get(here, "a.txt"), get(there, "a.txt")) == (b"one", b"two")
        stranger = LiveWorkspace(two.url, "notes", here.token)
        with stranger.client() as client:
            assert client.get("/files/a.txt").status_code == 401


def test_a_killed_supervisor_leaves_nothing_running_and_the_next_start_has_every_file(open_directory: Path) -> None:
    data = open_directory / "hub"
    with LiveHub(data, {}) as hub:
        workspace = hub.workspace("notes")
        for number in range(20):
            assert put(workspace, f"{number}.txt", b"%d" % number) == 201

        os.kill(hub.process.pid, signal.SIGKILL)

        wait_until(lambda: processes_that_name(str(data)) == [])

    with LiveHub(data, {}) as again:
        kept = LiveWorkspace(again.url, "notes", workspace.token)
        assert [get(kept, f"{number}.txt") for number in range(20)] == [b"%d" % number for number in range(20)]
        assert again.command("fsck", "--read-data").returncode == 0


@pytest.mark.parametrize("name", ["postgres", "valkey", "web", "worker"])
def test_a_killed_part_is_started_again_and_nothing_is_lost(open_directory: Path, name: str) -> None:
    with LiveHub(open_directory / "hub", {}) as hub:
        workspace = hub.workspace("notes")
        assert put(workspace, "before.txt", b"before") == 201
        before = hub.pids()

        os.kill(before[name], signal.SIGKILL)

        wait_until(lambda: f"{name} ended (by SIGKILL); starting it again." in hub.said())
        wait_until(lambda: is_ready(hub))
        wait_until(lambda: name in hub.pids())
        after = hub.pids()
        assert after[name] != before[name]
        assert {part: pid for part, pid in after.items() if part != name} == {
            part: pid for part, pid in before.items() if part != name
        }
        # A thread's lost database connection costs one 503; its next request has a new one.
        wait_until(lambda: put(workspace, "after.txt", b"after") in (201, 412))
        found = [wait_until(partial(read, workspace, path)) for path in ("before.txt", "after.txt")]
        assert found == [b"before", b"after"]
        assert hub.command("fsck", "--read-data").returncode == 0


def test_everything_killed_at_once_leaves_no_process_and_loses_nothing(open_directory: Path) -> None:
    data = open_directory / "hub"
    with LiveHub(data, {}) as hub:
        workspace = hub.workspace("notes")
        assert put(workspace, "a.txt", b"one") == 201

        for pid in (hub.process.pid, *hub.pids().values()):
            os.kill(pid, signal.SIGKILL)

        wait_until(lambda: processes_that_name(str(data)) == [])
        wait_until(lambda: processes_that_name(f"memoryhub.embedded.web 127.0.0.1 {hub.port}") == [])

    with LiveHub(data, {}) as again:
        assert get(LiveWorkspace(again.url, "notes", workspace.token), "a.txt") == b"one"


def test_the_demo_is_loaded_through_the_api_and_later_starts_leave_it_alone(open_directory: Path) -> None:
    data = open_directory / "hub"
    notes = dict(sample_files())
    with LiveHub(data, {}, "--demo") as hub:
        assert f"Demo       workspace demo: {len(notes)} files written, 0 were there" in hub.said()
        demo = hub.workspace("demo")
        assert {path: get(demo, path) for path in notes} == notes
        with demo.client() as client:
            assert client.put("/files/README.md?overwrite=true", content=b"mine").status_code == 200

    with LiveHub(data, {}, "--demo") as again:
        assert f"Demo       workspace demo: 0 files written, {len(notes)} were there" in again.said()
        assert get(again.workspace("demo"), "README.md") == b"mine"


def test_the_operators_services_are_used_one_by_one(
    open_directory: Path, service_addresses: dict[str, str], s3_server: Bucket
) -> None:
    settings = {
        "DATABASE_URL": services.create_database(service_addresses, f"up_{os.getpid()}"),
        "S3_BUCKET": s3_server.name,
        "S3_ENDPOINT_URL": s3_server.endpoint_url,
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    with LiveHub(open_directory / "hub", settings) as hub:
        said = hub.said()
        assert set(hub.pids()) == {"valkey", "web", "worker"}
        assert "Database   the one that DATABASE_URL names" in said
        assert f"Files      the bucket {s3_server.name} that S3_BUCKET names" in said
        assert service_addresses["database_url"] not in said
        workspace = hub.workspace("notes")
        large = os.urandom(200_000)
        assert put(workspace, "large.bin", large) == 201
        assert get(workspace, "large.bin") == large

    assert len(s3_server.keys()) == 1
    assert sorted(path.name for path in (open_directory / "hub").glob("pg*")) == []


def test_secrets_are_kept_from_others_and_out_of_what_is_printed(open_directory: Path) -> None:
    with LiveHub(open_directory / "hub", {}) as hub:
        secrets = {path.name: path.read_text().strip() for path in (hub.data / "secrets").iterdir()}
        assert sorted(secrets) == [
            "memoryhub_secret_key",
            "memoryhub_secrets_key",
            "memoryhub_token_key",
            "postgres_password",
        ]
        assert {path.stat().st_mode & 0o777 for path in (hub.data / "secrets").iterdir()} == {0o600}
        assert (hub.data / "run" / "hub.json").stat().st_mode & 0o777 == 0o600
        said = hub.said() + "".join(path.read_text() for path in (hub.data / "logs").iterdir())
        assert [name for name, secret in secrets.items() if secret in said] == []


@as_root
def test_below_a_closed_directory_root_keeps_the_cluster_elsewhere(open_directory: Path) -> None:
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    with LiveHub(closed / "hub", {}) as hub:
        place = Path((hub.data / "pg.location").read_text().strip())
        assert place.parent == Path("/var/lib/memoryhub")
        assert (place / "pg18" / "PG_VERSION").read_text() == "18\n"
        assert put(hub.workspace("notes"), "a.txt", b"one") == 201

    assert closed.stat().st_mode & 0o777 == 0o700
    assert place.stat().st_mode & 0o777 == 0o700
    services.remove_tree(place)


@as_root
def test_a_copied_data_directory_does_not_start_the_originals_cluster(open_directory: Path) -> None:
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    with LiveHub(closed / "hub", {}) as hub:
        place = Path((hub.data / "pg.location").read_text().strip())
        services.copy_tree(hub.data, closed / "copy")

        refused = services.run_hub_command(
            ["up", "--data", str(closed / "copy"), "--port", str(services.free_port())], hub.environment
        )

        assert refused.returncode == 2
        assert f"{closed / 'copy'} is a copy of that one" in refused.stderr
        assert is_ready(hub)
    services.remove_tree(place)
