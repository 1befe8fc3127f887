"""Workspaces with and without a bucket. Imports wait until Django has its settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Bucket
from tests.dialects.memory_proxy.conftest import one_connection

if TYPE_CHECKING:
    from tests.dialects.cloud_sync.service import Service

__all__ = ["one_connection"]


@pytest.fixture(autouse=True)
def own_data(settings: Any, tmp_path: Path) -> Path:
    """A data directory for this test: downloads lie there."""
    settings.MEMORYHUB_DATA = tmp_path / "data"
    return tmp_path / "data"


@pytest.fixture
def service(db: None) -> "Service":
    """A new workspace whose snapshots go nowhere."""
    from tests.dialects.cloud_sync.service import Service

    return Service.of_new_workspace()


@pytest.fixture
def disk(service: "Service", tmp_path: Path) -> "Service":
    """The same with a directory as the target of its policy: the cheapest cloud."""
    from apps.snapshots.policies import set_policy
    from apps.snapshots.targets import add_target
    from tests.factories import ACTOR

    add_target("disk", kind="directory", options={"directory": str(tmp_path / "copies")}, actor=ACTOR)
    set_policy(service.workspace, {"target": "disk"}, actor=ACTOR)
    return service


@pytest.fixture
def cloud(service: "Service", s3_server: Bucket, settings: Any) -> "Service":
    """The same with CLOUD_SYNC_* about it, and an empty bucket."""
    from tests.dialects.cloud_sync.service import switch_on

    switch_on(settings, s3_server, service.workspace.slug)
    return service


@pytest.fixture
def committed(transactional_db: None, s3_server: Bucket, settings: Any) -> "Service":
    """The same for tests in which a job runs beside the request that waits for it."""
    from tests.dialects.cloud_sync.service import Service, switch_on

    service = Service.of_new_workspace()
    switch_on(settings, s3_server, service.workspace.slug)
    return service
