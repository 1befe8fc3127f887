"""Every contract test begins with a gate that remembers nobody. Imports wait until Django has its settings."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def fresh_gate(settings: Any) -> Iterator[None]:
    from apps.workspaces.access import forget_cached

    settings.MEMORYHUB_RATE_LIMIT_ADDRESS = "off"
    forget_cached()
    yield
    forget_cached()
