import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from apps.workspaces.models import Workspace


@pytest.fixture
def workspace(db: None) -> "Workspace":
    """An empty workspace, inside a transaction that is rolled back."""
    from tests.factories import make_workspace

    return make_workspace()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a mebibyte. Mounting it needs root."""
    mount = tmp_path / "disk"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", mount], check=True)
    yield mount
    subprocess.run(["umount", mount], check=True)
