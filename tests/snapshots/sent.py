"""A workspace with small files and a large one, and its copy: fixtures."""

from pathlib import Path

import pytest

from apps.snapshots.format.names import pack_name
from apps.snapshots.models import Pack, RemoteCopy, RemoteTarget
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.snapshots.work import directory_target, fill, random_bytes, uploaded

MODES = ["listing", "sample", "full", "trial"]
FILES = {f"notes/{number:03}.md": f"note {number}".encode() for number in range(40)} | {
    "big.bin": random_bytes(1_500_000, "big"),
    "empty.md": b"",
}


@pytest.fixture
def target(tmp_path: Path) -> RemoteTarget:
    return directory_target(tmp_path / "offsite")


@pytest.fixture
def workspace(db: None) -> Workspace:
    made = make_workspace()
    fill(made, FILES)
    return made


@pytest.fixture
def copy(workspace: Workspace, target: RemoteTarget) -> RemoteCopy:
    return uploaded(workspace, target, "first")


def small_pack(copy: RemoteCopy) -> str:
    """The name of the pack that holds the notes."""
    return pack_name(bytes(Pack.objects.order_by("content_bytes")[0].digest))


def large_pack(copy: RemoteCopy) -> str:
    return pack_name(bytes(Pack.objects.order_by("-content_bytes")[0].digest))


def states(copy: RemoteCopy) -> set[str]:
    return set(Pack.objects.filter(repository=copy.repository).values_list("state", flat=True))
