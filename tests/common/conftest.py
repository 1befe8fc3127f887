from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from apps.common.http import OutboundClient


@pytest.fixture
def client() -> "Iterator[OutboundClient]":
    """A client that may call this machine, and waits little. Imports wait until Django has its settings."""
    from apps.common.http import OutboundClient
    from tests.common.outbound import LOOPBACK, QUICK

    with OutboundClient(allow=LOOPBACK, limits=QUICK) as made:
        yield made
