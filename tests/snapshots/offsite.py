"""A workspace without files, and a directory that its copies go to: fixtures."""

from pathlib import Path
from typing import Any

import pytest

from apps.snapshots.models import RemoteTarget
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.snapshots.work import MASTER_KEY, directory_target

MIB = 1024 * 1024
NOTES = {f"notes/{number:03}.md": f"note {number}".encode() for number in range(300)}


@pytest.fixture
def target(tmp_path: Path) -> RemoteTarget:
    return directory_target(tmp_path / "offsite")


@pytest.fixture
def workspace(db: None) -> Workspace:
    return make_workspace()


@pytest.fixture
def encrypted(tmp_path: Path, settings: Any) -> RemoteTarget:
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    return directory_target(tmp_path / "offsite", is_encrypted=True)
