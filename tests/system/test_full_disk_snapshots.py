"""Disks that fill up: under a target, and under the hub that restores from one.

The disks are small tmpfs that are mounted for the test, which takes root.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.jobs.actions import enqueue
from apps.snapshots.copies import request_upload, request_verify
from apps.snapshots.models import CopyState, Pack, PackState, RemoteCopy
from apps.workspaces.models import Workspace
from memoryhub.settings import backends
from tests.factories import ACTOR, make_workspace
from tests.files.client import assert_sound
from tests.snapshots.work import (
    directory_target,
    done,
    extracted,
    fill,
    manifests_in,
    place_for,
    random_bytes,
    restore,
    restored,
    sequence,
    tree,
    upload,
    uploaded,
)

pytestmark = [pytest.mark.system, pytest.mark.django_db]

MIB, PAGE_BYTES = 1024 * 1024, 4096
DISK = "24m"
FILES = {f"{number:02}.bin": random_bytes(MIB - 1000, str(number)) for number in range(12)}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that holds twice what the workspace does."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def crowd(disk: Path) -> Callable[[int], None]:
    """Takes up room until so many bytes are left, or gives it back."""
    ballast = disk / "ballast"

    def leave(free_bytes: int) -> None:
        ballast.unlink(missing_ok=True)
        with ballast.open("wb") as file:
            left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            os.posix_fallocate(file.fileno(), 0, left - free_bytes)

    return leave


@pytest.fixture
def workspace(db: None) -> Workspace:
    made = make_workspace()
    fill(made, FILES)
    return made


@pytest.mark.parametrize("room", ["none", "for half a pack", "for the pack alone"])
def test_an_upload_to_a_full_disk_says_so_and_is_no_copy(
    workspace: Workspace, disk: Path, crowd: Callable[[int], None], tmp_path: Path, room: str
) -> None:
    elsewhere = uploaded(workspace, directory_target(tmp_path / "elsewhere", "elsewhere"), "first")
    pages = -(-Pack.objects.get().stored_bytes // PAGE_BYTES)
    target = directory_target(disk / "offsite")
    copy = request_upload(workspace, elsewhere.snapshot, target, actor=ACTOR)
    crowd({"none": 0, "for half a pack": pages // 2, "for the pack alone": pages}[room] * PAGE_BYTES)

    outcome, job = upload(copy)
    full = (outcome, job.error_code, copy.state, manifests_in(place_for(copy)))
    copy.repository.refresh_from_db()
    failure = copy.repository.failure
    (disk / "ballast").unlink()
    enqueue("snapshots.upload", str(copy.public_id), workspace_id=workspace.pk)
    again, _ = upload(copy)

    assert full == ("failed", "target_full", CopyState.UPLOADING, [])
    assert failure == "The target is full"
    assert again == "succeeded"
    assert extracted(place_for(copy), "first", tmp_path / "back") == FILES


@pytest.fixture
def small_hub(disk: Path, settings: Any) -> None:
    """The blobs of this hub, and what it spools, lie on the small disk; it keeps no reserve."""
    settings.STORAGES = settings.STORAGES | {"blobs": backends.storage({"S3_BUCKET": ""}, directory=disk / "blobs")}
    settings.MEMORYHUB_DISK_RESERVE = 0
    settings.MEMORYHUB_DATABASE_DIR = None


@pytest.fixture
def copy(workspace: Workspace, tmp_path: Path) -> RemoteCopy:
    """On another disk, as are the blobs that it was made of."""
    return uploaded(workspace, directory_target(tmp_path / "offsite"))


@pytest.mark.parametrize("free_mib", [0.1, 5, 11])
def test_a_restore_without_room_changes_nothing(
    copy: RemoteCopy, request: pytest.FixtureRequest, crowd: Callable[[int], None], disk: Path, free_mib: float
) -> None:
    request.getfixturevalue("small_hub")
    other = make_workspace()
    crowd(int(free_mib * MIB))

    ended, job = restore(other, copy=copy)
    (disk / "ballast").unlink()

    assert (ended.state, ended.error_code, job.error_code) == ("failed", "storage_full", "storage_full")
    assert (tree(other), sequence(other)) == ({}, 0)
    restored(other, copy=copy)
    assert tree(other) == FILES


def test_a_trial_restore_without_room_says_nothing_of_the_copy(
    copy: RemoteCopy, request: pytest.FixtureRequest, crowd: Callable[[int], None], disk: Path
) -> None:
    request.getfixturevalue("small_hub")
    crowd(8 * MIB)
    job = request_verify(copy, "trial", actor=ACTOR)

    outcome = done(job)

    copy.refresh_from_db()
    assert (outcome, job.error_code) == ("failed", "storage_full")
    assert (copy.damage, copy.verified_at) == ("", None)
    assert set(Pack.objects.values_list("state", flat=True)) == {PackState.STORED}
    assert list((disk / "blobs").rglob("memoryhub-trial-*")) == []


def test_the_rows_of_a_hub_whose_disk_was_full_are_sound(
    copy: RemoteCopy, request: pytest.FixtureRequest, crowd: Callable[[int], None], disk: Path, settings: Any
) -> None:
    before = settings.STORAGES
    request.getfixturevalue("small_hub")
    other = make_workspace()
    crowd(4 * MIB)
    restore(other, copy=copy)
    settings.STORAGES = before

    assert_sound()
