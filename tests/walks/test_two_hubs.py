"""Two machines with one bucket: what one writes, the other starts with."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import services
from tests.conftest import Bucket
from tests.dialects.cloud_sync.memories import Memories
from tests.dialects.cloud_sync.service import SCOPES
from tests.dialects.cloud_sync.test_live import cloud_environment, put, tree
from tests.live import LiveHub, LiveWorkspace

pytestmark = pytest.mark.system
DEADLINE_S = 120.0
PLANTED = {"people/ada.md": b"Ada prefers tea.", "plans/spring.md": b"Plant beans.", "big.bin": b"0123456789" * 100_000}


@pytest.fixture
def new_machine(
    service_addresses: dict[str, str], s3_server: Bucket, tmp_path: Path
) -> Iterator[Callable[[str], LiveHub]]:
    """Starts an empty hub with the settings that all machines share."""
    with ExitStack() as running:

        def start(name: str) -> LiveHub:
            environment = services.hub_settings(service_addresses, redis_database=0)
            del environment["REDIS_URL"], environment["MEMORYHUB_DATA"]
            environment["DATABASE_URL"] = services.create_database(service_addresses, f"{name}_{time.time_ns()}")
            environment |= cloud_environment(s3_server)
            environment |= {"CLOUD_SYNC_QUIET_S": "1", "CLOUD_SYNC_LONGEST_S": "5"}
            environment["MEMORYHUB_SNAPSHOT_KEY"] = f"shared:{'5a' * 32}"
            return running.enter_context(LiveHub(tmp_path / name, environment))

        yield start


def default_of(hub: LiveHub) -> tuple[LiveWorkspace, Memories]:
    """The default workspace, and the stock command line for it."""
    workspace = hub.workspace("default", scopes=["files:read", "files:write", *SCOPES])
    settings = {"MEMORIES_URL": f"{hub.url}/w/default/cloud-sync", "MEMORIES_API_KEY": workspace.token}
    return workspace, Memories(settings)


def until(is_so: Callable[[], bool], what: str, hub: LiveHub) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not happen:\n{hub.said()[-4000:]}"
        time.sleep(0.5)


def test_what_one_machine_writes_an_empty_one_starts_with(new_machine: Callable[[str], LiveHub]) -> None:
    laptop = new_machine("laptop")
    workspace, here = default_of(laptop)
    with workspace.client() as api:
        for path, data in PLANTED.items():
            put(api, path, data)
        # Nobody asks for it: it goes to the bucket by itself when the writing has stopped.
        until(lambda: here.run("sync", "status").data["remote_count"] > 0, "the upload", laptop)
        sent = here.run("sync", "status").data["latest_remote"]
        assert sent.startswith("auto_")

        # The other machine has the same settings, and nothing else.
        desktop = new_machine("desktop")
        elsewhere, there = default_of(desktop)
        with elsewhere.client() as other:
            until(lambda: tree(other) == PLANTED, "the restore at the first start", desktop)
            assert there.run("sync", "status").data["latest_remote"] == sent

            # It goes on from there, and the first machine takes what it has made.
            put(other, "plans/spring.md", b"Plant beans and peas.")
            later = there.run("sync", "upload").data["backup_name"]
            assert here.run("sync", "status").data["latest_remote"] == later
            assert here.run("sync", "restore", later, "--confirm").data["restored"]["total_memories"] == 3
            assert tree(api) == tree(other)

    assert laptop.command("fsck", "--read-data").returncode == 0
    assert desktop.command("fsck", "--read-data").returncode == 0
