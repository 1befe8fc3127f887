from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.folder.machines import Machine
from tests.live import LiveWorkspace


@pytest.fixture
def machines(tmp_path: Path, workspace: LiveWorkspace) -> Iterator[tuple[Machine, Machine]]:
    """Two machines with an empty folder each."""
    both = Machine(tmp_path / "a", workspace, "anna"), Machine(tmp_path / "b", workspace, "bert")
    yield both
    for machine in both:
        machine.client.close()
