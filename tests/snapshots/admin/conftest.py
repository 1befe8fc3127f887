"""What the pages show, and who looks at them. Imports wait until Django has its settings."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from apps.snapshots.models import RemoteTarget
    from tests.console import Console
    from tests.snapshots.admin.kept import Kept


@pytest.fixture
def target(db: None, tmp_path: Path) -> "RemoteTarget":
    """A directory."""
    from tests.snapshots.work import directory_target

    return directory_target(tmp_path / "offsite")


@pytest.fixture
def kept(target: "RemoteTarget") -> "Kept":
    """The workspace `mine`."""
    from tests.snapshots.admin.kept import make_kept

    return make_kept(target)


@pytest.fixture
def root(db: None) -> "Console":
    """The operator."""
    from tests.console import Console
    from tests.factories import make_user

    return Console(make_user("root", is_staff=True, is_superuser=True))
