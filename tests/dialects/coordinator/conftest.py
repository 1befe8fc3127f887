"""A workspace's coordinator. Imports wait until Django has its settings."""

from typing import TYPE_CHECKING

import pytest

from tests.dialects.memory_proxy.conftest import one_connection

if TYPE_CHECKING:
    from tests.dialects.coordinator.service import Coordinator


__all__ = ["one_connection"]


@pytest.fixture
def coordinator(db: None) -> "Coordinator":
    """A new workspace, and a token that may push and pull."""
    from tests.dialects.coordinator.service import Coordinator

    return Coordinator.of_new_workspace()
