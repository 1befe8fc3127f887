"""Bytes are refused before a disk of this machine is full; all else goes on."""

from pathlib import Path
from typing import Any

import pytest

from apps.blobs.room import check_room
from apps.common.errors import StorageFull
from tests.files.client import Api, body_of, nothing_changes, problem

MORE_THAN_ANY_DISK = 1 << 60
LARGE = 100_000


@pytest.fixture
def full(api: Api, settings: Any, tmp_path: Path) -> Api:
    """A workspace with one file whose database's disk has just come to its reserve."""
    api.put("kept.md", b"kept")
    settings.MEMORYHUB_DATABASE_DIR = tmp_path
    settings.MEMORYHUB_DISK_RESERVE = MORE_THAN_ANY_DISK
    return api


@pytest.mark.parametrize("size_bytes", [0, 10, LARGE])
def test_a_file_is_refused(full: Api, size_bytes: int) -> None:
    with nothing_changes():
        assert problem(full.put("new.md", b"x" * size_bytes)) == (507, "storage_full")


def test_a_large_file_is_refused_where_only_the_disk_of_objects_is_full(full: Api, settings: Any) -> None:
    settings.MEMORYHUB_DATABASE_DIR = None

    with nothing_changes():
        assert problem(full.put("new.bin", b"x" * LARGE)) == (507, "storage_full")


def test_a_batch_with_bytes_is_refused_whole(full: Api) -> None:
    with nothing_changes():
        answer = full.put_many(
            ({"path": "kept.md", "op": "delete", "if_version": 1}, b""),
            ({"path": "new.md", "if_version": 0, "size_bytes": 1}, b"x"),
        )

    assert problem(answer) == (507, "storage_full")


def test_what_is_stored_can_be_read_moved_and_deleted(full: Api) -> None:
    assert body_of(full.get("files/kept.md")) == b"kept"
    moved = full.post("files:move", {"items": [{"source": "kept.md", "target": "there.md", "if_version": 0}]})
    assert moved.status_code == 200, moved.content
    assert full.put_many(({"path": "there.md", "op": "delete", "if_version": 3}, b"")).status_code == 200
    assert full.get("files/there.md").status_code == 404


def test_the_older_wire_is_told_the_same(full: Api) -> None:
    answer = full.client.put(
        f"/w/{full.workspace.slug}/memory-proxy/ns/blob/new.md",
        b"x",
        headers={"Authorization": f"Bearer {full.token}", "If-Match-Version": "0"},
    )

    assert (answer.status_code, answer.json()["error_code"]) == (507, "STORAGE_FULL")


@pytest.mark.parametrize("wish", [{"row_bytes": MORE_THAN_ANY_DISK}, {"object_bytes": MORE_THAN_ANY_DISK}])
def test_what_would_not_fit_is_refused_before_it_is_read(settings: Any, tmp_path: Path, wish: dict[str, int]) -> None:
    settings.MEMORYHUB_DATABASE_DIR = tmp_path
    settings.MEMORYHUB_DISK_RESERVE = 0
    check_room(row_bytes=1, object_bytes=1)

    with pytest.raises(StorageFull):
        check_room(**wish)


def test_disks_of_other_machines_are_not_watched(api: Api, bucket: Any, settings: Any) -> None:
    settings.MEMORYHUB_DISK_RESERVE = MORE_THAN_ANY_DISK

    assert api.put("small.md", b"x").status_code == 201
    assert api.put("large.bin", b"x" * LARGE).status_code == 201
