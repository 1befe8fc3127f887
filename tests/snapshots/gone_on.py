"""A workspace that has gone on since its copy was made: fixtures."""

from pathlib import Path

import pytest

from apps.snapshots.models import RemoteCopy, RemoteTarget
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.snapshots.work import directory_target, fill, random_bytes, uploaded

THEN = {
    "changed": b"then",
    "deleted": b"then too",
    "same": b"same",
    "notes/changed": b"note",
    "big": random_bytes(2_000_000, "big"),
    "empty": b"",
}
NOW: dict[str, bytes | None] = {
    "changed": b"now",
    "deleted": None,
    "notes/changed": b"other",
    "big": b"small",
    "added": b"new",
}


@pytest.fixture
def target(tmp_path: Path) -> RemoteTarget:
    (tmp_path / "mounted").mkdir()
    return directory_target(tmp_path / "mounted/offsite")


@pytest.fixture
def workspace(db: None) -> Workspace:
    return make_workspace()


@pytest.fixture
def copy(workspace: Workspace, target: RemoteTarget) -> RemoteCopy:
    """Of the state THEN; the workspace has gone on since."""
    fill(workspace, THEN)
    made = uploaded(workspace, target, "first")
    fill(workspace, NOW)
    return made


def now_tree() -> dict[str, bytes]:
    return {path: data for path, data in (THEN | NOW).items() if data is not None}
