"""The same of the older wires: nothing of a workspace with the token of another.

Their operations are in no description. Each needs a row in `WIRES`; without one the suite fails.
"""

import pytest

from apps.accounts.scopes import VIEWER_SCOPES
from apps.snapshots.api.schemas import NAME_EXAMPLE as SNAPSHOT
from apps.workspaces.views import WorkspaceView
from tests.contracts.house import House, nothing_changes, steady
from tests.contracts.openapi import Exchange, operation, routes
from tests.factories import make_token

API = "/api/v1/workspaces"
WIRES: dict[tuple[str, str], str] = {
    ("SeedSyncView", "GET"): "memory-proxy/sync",
    ("SyncView", "GET"): "memory-proxy/sync/notes",
    ("SeedBlobView", "GET"): "memory-proxy/blob/notes/hello.md",
    ("SeedBlobView", "PUT"): "memory-proxy/blob/notes/hello.md",
    ("SeedBlobView", "DELETE"): "memory-proxy/blob/notes/hello.md",
    ("BlobView", "GET"): "memory-proxy/notes/blob/hello.md",
    ("BlobView", "PUT"): "memory-proxy/notes/blob/hello.md",
    ("BlobView", "DELETE"): "memory-proxy/notes/blob/hello.md",
    ("StatusView", "GET"): "cloud-sync/sync/status",
    ("UploadView", "POST"): "cloud-sync/sync/upload",
    ("CopiesView", "GET"): "cloud-sync/sync/snapshots",
    ("DownloadView", "POST"): "cloud-sync/sync/download?confirm=true",
    ("CopyRestoreView", "POST"): f"cloud-sync/sync/restore/{SNAPSHOT}?confirm=true",
    ("BackupView", "POST"): "cloud-sync/backup",
    ("BackupsView", "GET"): "cloud-sync/backups",
    ("RestoreView", "POST"): f"cloud-sync/restore?backup_name={SNAPSHOT}",
    ("SnapshotsView", "GET"): "cloud-sync/snapshots",
    ("SnapshotsView", "POST"): "cloud-sync/snapshots",
    ("SnapshotRestoreView", "POST"): f"cloud-sync/snapshots/{SNAPSHOT}/restore",
    ("PushView", "POST"): "coordinator/push",
    ("PullView", "GET"): "coordinator/pull",
    ("ResetView", "DELETE"): "coordinator/admin/reset?confirm=true",
}
"""An address below /w/{slug}/ for each operation of the older wires, by its view and method."""
OPEN_WIRES = (
    "memory-proxy/health",
    "memory-proxy/anything/else",
    "cloud-sync/health",
    "cloud-sync/health/ready",
    "cloud-sync/export",
    "cloud-sync/import",
    "coordinator/anything",
)
"""Addresses that ask for no token, and say the same of every slug."""
READS_BY_POST = frozenset({"DownloadView"})
"""They write on the hub's own disk, and nothing in the workspace."""


@pytest.fixture
def stranger(db: None) -> House:
    """A workspace with every scope, whose token has been used a moment ago."""
    house = House.new("stranger")
    assert house.send(Exchange("GET", f"{API}/stranger")).status_code == 200
    return house


def test_every_operation_of_the_older_wires_has_a_row():
    routed = {
        (route.view.__name__, method)
        for route in routes("w/")
        if route.view is not None and issubclass(route.view, WorkspaceView)
        for method in route.methods()
    }

    assert set(WIRES) == routed


@pytest.mark.parametrize(("view", "method"), WIRES)
def test_anothers_workspace_is_missing_on_the_older_wires_too(view: str, method: str, stranger: House):
    House.prepared(operation("restores_create"))
    body = b"changed" if method == "PUT" else None

    with nothing_changes():
        existing, missing = (
            stranger.send(Exchange(method, f"/w/{slug}/{WIRES[view, method]}", {"If-Match-Version": "1"}, body))
            for slug in ("default", "missing")
        )

    assert existing.status_code == 404
    assert steady(existing) == steady(missing)


@pytest.mark.parametrize("address", OPEN_WIRES)
def test_open_addresses_say_the_same_of_every_slug(address: str, stranger: House):
    House.prepared(operation("files_read"))

    answers = [stranger.send(Exchange("GET", f"/w/{slug}/{address}")) for slug in ("default", "missing", "stranger")]

    assert steady(answers[0]) == steady(answers[1]) == steady(answers[2])


@pytest.mark.parametrize(
    ("view", "method"), [wire for wire in WIRES if wire[1] != "GET" and wire[0] not in READS_BY_POST]
)
def test_a_viewer_changes_nothing_on_the_older_wires(view: str, method: str, db: None):
    house = House.prepared(operation("restores_create"))
    viewer = make_token(house.workspace, *VIEWER_SCOPES)
    house.send(Exchange("GET", f"{API}/default"), token=viewer)
    body = b"changed" if method == "PUT" else None

    with nothing_changes():
        answer = house.send(Exchange(method, f"/w/default/{WIRES[view, method]}", {}, body), token=viewer)

    assert answer.status_code == 403
