"""A walk with the stock command line, against a running hub with its worker, and a bucket."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import services
from tests.conftest import Bucket
from tests.dialects.cloud_sync.memories import Memories
from tests.dialects.cloud_sync.service import PREFIX, SCOPES
from tests.live import LiveHub, LiveWorkspace

pytestmark = pytest.mark.slow
BIG = b"0123456789abcdef" * 200_000


@pytest.fixture
def synced_hub(service_addresses: dict[str, str], s3_server: Bucket, tmp_path: Path) -> Iterator[LiveHub]:
    """A hub of its own with CLOUD_SYNC_* for its default workspace."""
    environment = services.hub_settings(service_addresses, redis_database=0)
    del environment["REDIS_URL"], environment["MEMORYHUB_DATA"]
    environment["DATABASE_URL"] = services.create_database(service_addresses, f"synced_{tmp_path.name[-40:]}")
    environment |= cloud_environment(s3_server)
    with LiveHub(tmp_path / "hub", environment) as hub:
        yield hub


def cloud_environment(bucket: Bucket) -> dict[str, str]:
    return {
        "CLOUD_SYNC_ENABLED": "true",
        "CLOUD_SYNC_BUCKET": bucket.name,
        "CLOUD_SYNC_ENDPOINT": bucket.endpoint_url,
        "CLOUD_SYNC_ACCESS_KEY": bucket.access_key,
        "CLOUD_SYNC_SECRET_KEY": bucket.secret_key,
    }


def put(api: httpx.Client, path: str, data: bytes) -> None:
    api.put(f"/files/{path}", params={"overwrite": "true"}, content=data).raise_for_status()


def tree(api: httpx.Client) -> dict[str, bytes]:
    columns, *rows = api.get("/index").raise_for_status().json()["files"]
    paths = [dict(zip(columns, row, strict=True))["path"] for row in rows]
    return {path: api.get(f"/files/{path}").raise_for_status().content for path in paths}


def test_the_stock_command_line_works_from_the_first_status_to_the_last_restore(
    synced_hub: LiveHub, s3_server: Bucket
) -> None:
    workspace: LiveWorkspace = synced_hub.workspace("default", scopes=["files:read", "files:write", *SCOPES])
    url = f"{synced_hub.url}/w/default/cloud-sync"
    cli = Memories({"MEMORIES_URL": url, "MEMORIES_API_KEY": workspace.token})
    with workspace.client() as api:
        # Nothing is there yet.
        assert cli.run("sync", "status").data["remote_count"] == 0
        assert cli.run("sync", "download", "--confirm").error == (2, "NOT_FOUND")

        # Two states are named here; the second goes to the bucket.
        put(api, "people/ada.md", b"Ada prefers tea.")
        nightly = cli.run("backup", "create", "--prefix", "nightly").data["name"]
        put(api, "big.bin", BIG)
        uploaded = cli.run("sync", "upload").data
        name, then = uploaded["backup_name"], tree(api)
        assert (nightly.partition("_")[0], uploaded["success"]) == ("nightly", True)
        assert cli.run("sync", "snapshots").data["snapshots"] == [{"name": name, "s3_prefix": f"{PREFIX}/{name}/"}]
        assert f"{PREFIX}/{name}/manifest.mhs" in s3_server.keys()  # noqa: SIM118 - not a dictionary's

        # A bad day, undone from the bucket in one step.
        put(api, "people/ada.md", b"???")
        api.delete("/files/big.bin", params={"overwrite": "true"}).raise_for_status()
        restored = cli.run("sync", "restore", name, "--confirm").data
        assert restored["restored"] == {"restored_from": name, "total_memories": 2}
        assert tree(api) == then

        # The same in two steps: it is brought here first, then applied.
        put(api, "people/ada.md", b"???")
        downloaded = cli.run("sync", "download", "--confirm", "--backup-name", name).data
        assert (Path(downloaded["local_path"]) / "files/big.bin").read_bytes() == BIG
        assert name in [each["name"] for each in cli.run("backup", "list").data["backups"]]
        assert cli.run("backup", "restore", name, "--yes").data["restored"] == 2
        assert tree(api) == then

        # Back to the first state of the day, which never left this machine.
        assert cli.run("backup", "restore", nightly, "--yes").data["restored"] == 1
        assert tree(api) == {"people/ada.md": b"Ada prefers tea."}

    assert cli.run("sync", "restore", "never", "--confirm").error == (2, "NOT_FOUND")
    assert cli.run("--api-key", "wrong", "sync", "status").error == (4, "AUTH_REQUIRED")
    assert cli.run("--url", "http://127.0.0.1:9", "sync", "status").error == (3, "CONNECTION_ERROR")
    assert synced_hub.command("fsck", "--read-data").returncode == 0
