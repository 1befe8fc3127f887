from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.dialects.memory_proxy.proxy import Proxy


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Requests leave the test's own database connection open, as they do with Django's test client."""
    from django.core.signals import request_finished, request_started
    from django.db import close_old_connections

    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def proxy(db: None) -> "Iterator[Proxy]":
    """The memory proxy of a new workspace. Imports wait until Django has its settings."""
    from tests.dialects.memory_proxy.proxy import Proxy

    with Proxy.of_new_workspace() as proxy:
        yield proxy
