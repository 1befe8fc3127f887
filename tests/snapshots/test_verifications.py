"""What follows from a look at a copy, what says nothing of it, and how trial restores go."""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from apps.blobs.objects import spool_directory
from apps.jobs.models import Job
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import request_upload, request_verify
from apps.snapshots.errors import NotRestorable
from apps.snapshots.format.names import pack_name
from apps.snapshots.format.reading import CopyReader
from apps.snapshots.models import CopyState, Pack, PackState, RemoteCopy, RemoteTarget
from apps.snapshots.queries import latest_copy
from apps.snapshots.targets import seals_of
from apps.snapshots.trials import AREA_PREFIX
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.sent import FILES, MODES, copy, large_pack, small_pack, states, target, workspace
from tests.snapshots.work import (
    MASTER_KEY,
    by_another_hub,
    change_object,
    directory_target,
    done,
    extracted,
    fill,
    flipped,
    place_for,
    tree,
    uploaded,
    verified,
)

__all__ = ["copy", "target", "workspace"]
pytestmark = pytest.mark.django_db

MIB = 1024 * 1024


# --- What follows


def test_all_copies_that_need_a_lost_pack_are_damaged(workspace: Workspace, target: RemoteTarget) -> None:
    first = uploaded(workspace, target, "first")
    second = uploaded(workspace, target, "second")
    fill(workspace, dict.fromkeys(FILES) | {"other.md": b"other"})
    third = uploaded(workspace, target, "third")
    place_for(first).delete(pack_name(bytes(Pack.objects.order_by("pk")[0].digest)))

    verified(first, "listing")

    second.refresh_from_db()
    third.refresh_from_db()
    assert second.damage == "Packs of it are missing or damaged: 1 of 2."
    assert third.damage == ""
    assert latest_copy(first.repository) == third


def test_a_copy_known_to_be_damaged_is_not_whole_because_a_lesser_look_finds_nothing(copy: RemoteCopy) -> None:
    change_object(place_for(copy), small_pack(copy), flipped)
    verified(copy, "full")
    found = copy.damage

    result = verified(copy, "listing")

    assert found != ""
    assert copy.damage == found
    assert result["mode"] == "full"


def test_a_pack_that_is_back_makes_all_copies_whole_again(workspace: Workspace, target: RemoteTarget) -> None:
    first = uploaded(workspace, target, "first")
    second = uploaded(workspace, target, "second")
    place, name = place_for(first), small_pack(first)
    kept = place.read(name, most_bytes=MIB)
    place.delete(name)
    verified(first, "listing")
    place.put(name, kept)

    verified(first, "listing")

    second.refresh_from_db()
    assert (first.damage, first.verify_mode, second.damage) == ("", "full", "")
    assert states(first) == {PackState.STORED}


def test_the_next_upload_makes_a_damaged_pack_again(
    copy: RemoteCopy, workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    change_object(place_for(copy), small_pack(copy), flipped)
    change_object(place_for(copy), large_pack(copy), flipped)
    verified(copy, "full")

    second = uploaded(workspace, target, "second")

    copy.refresh_from_db()
    assert (copy.damage, second.damage, second.new_bytes) == ("", "", 0)
    verified(copy, "full")
    assert copy.damage == ""
    assert extracted(place_for(copy), "first", tmp_path / "back") == FILES


def test_what_others_wrote_is_told_and_nothing_else_happens(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    theirs = by_another_hub(uploaded(workspace, target, "theirs"))
    ours = uploaded(workspace, target, "ours")
    with CopyReader(place_for(theirs), "theirs", seals_of(place_for(theirs))) as reader:
        names = [pack_name(pack.digest) for pack in reader.packs]
    for name in names:
        change_object(place_for(theirs), name, flipped)

    verified(theirs, "full")

    ours.refresh_from_db()
    assert theirs.damage.startswith("Packs of it are missing or damaged: 2 of 2")
    assert ours.damage == ""
    assert states(ours) == {PackState.STORED}


def test_a_key_that_is_gone_from_the_target_is_damage(workspace: Workspace, tmp_path: Path, settings: Any) -> None:
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    encrypted = directory_target(tmp_path / "encrypted", is_encrypted=True)
    copy = uploaded(workspace, encrypted)
    (key,) = [entry.name for entry in place_for(copy).names(".memoryhub/keys")]
    place_for(copy).delete(key)

    verified(copy, "listing")

    assert copy.damage == "The key that opens it is gone from the target."
    uploaded(workspace, encrypted)
    verified(copy, "listing")
    assert copy.damage == ""


@pytest.mark.parametrize("keys", ["", f"two:{'77' * 32}", f"one:{'77' * 32}"])
def test_without_the_right_master_key_nothing_is_said_of_the_copy(
    workspace: Workspace, tmp_path: Path, settings: Any, keys: str
) -> None:
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    copy = uploaded(workspace, directory_target(tmp_path / "encrypted", is_encrypted=True))
    settings.MEMORYHUB_SNAPSHOT_KEY = keys

    job = request_verify(copy, "full", actor=ACTOR)
    outcome = done(job)

    copy.refresh_from_db()
    assert (outcome, job.error_code) == ("failed", "copy_key_missing")
    assert (copy.damage, copy.verified_at) == ("", None)


def test_a_target_that_cannot_be_read_is_no_damage(copy: RemoteCopy, tmp_path: Path) -> None:
    (tmp_path / "offsite").rename(tmp_path / "elsewhere")
    (tmp_path / "offsite").write_bytes(b"")
    job = request_verify(copy, "full", actor=ACTOR)

    outcome = done(job)

    copy.refresh_from_db()
    assert outcome in ("retry", "failed")
    assert (copy.damage, copy.verified_at, states(copy)) == ("", None, {PackState.STORED})


def test_only_sealed_copies_are_verified(workspace: Workspace, target: RemoteTarget) -> None:
    copy = request_upload(workspace, create_snapshot(workspace, actor=ACTOR), target, actor=ACTOR)

    with pytest.raises(NotRestorable):
        request_verify(copy, "listing", actor=ACTOR)

    assert not Job.objects.filter(kind="snapshots.verify").exists()


def test_a_copy_whose_deletion_has_begun_is_not_verified(copy: RemoteCopy) -> None:
    RemoteCopy.objects.filter(pk=copy.pk).update(state=CopyState.DELETING)

    with pytest.raises(NotRestorable):
        request_verify(copy, "listing", actor=ACTOR)

    assert not Job.objects.filter(kind="snapshots.verify").exists()


def test_a_copy_that_is_deleted_meanwhile_is_none(copy: RemoteCopy) -> None:
    job = request_verify(copy, "listing", actor=ACTOR)
    RemoteCopy.objects.filter(pk=copy.pk).delete()

    assert done(job) == "failed"

    assert job.error_code == "not_found"


# --- Trial restores


def areas() -> list[Path]:
    return list((spool_directory() or Path("/tmp")).glob(f"{AREA_PREFIX}*"))


def test_a_trial_restore_leaves_nothing_behind_and_nothing_changed(copy: RemoteCopy, workspace: Workspace) -> None:
    before = tree(workspace)

    verified(copy, "trial")
    place_for(copy).delete(small_pack(copy))
    verified(copy, "trial")

    assert areas() == []
    assert tree(workspace) == before


def test_what_a_killed_trial_has_left_is_removed_by_the_next(copy: RemoteCopy) -> None:
    home = spool_directory() or Path("/tmp")
    left, held = home / f"{AREA_PREFIX}left", home / f"{AREA_PREFIX}held"
    for area in (left, held):
        (area / "files/notes").mkdir(parents=True)
        (area / "files/notes/a.md").write_bytes(b"text")
    lock = os.open(held, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)

    verified(copy, "trial")

    try:
        assert areas() == [held]
    finally:
        os.close(lock)
    verified(copy, "trial")
    assert areas() == []


def test_a_trial_restore_needs_room(copy: RemoteCopy, settings: Any) -> None:
    settings.MEMORYHUB_DISK_RESERVE = 1 << 60

    job = request_verify(copy, "trial", actor=ACTOR)
    outcome = done(job)

    copy.refresh_from_db()
    assert (outcome, job.error_code) == ("failed", "storage_full")
    assert (copy.damage, copy.verified_at, areas()) == ("", None, [])


def test_names_that_no_directory_can_hold_together_are_no_damage(target: RemoteTarget) -> None:
    workspace = make_workspace()
    fill(workspace, {"a": b"one", "a/b": b"two", "c": b"three"})
    copy = uploaded(workspace, target)

    result = verified(copy, "trial")

    assert (copy.damage, copy.verify_mode) == ("", "trial")
    assert result["files"] == 2


def test_the_blobs_of_the_hub_are_not_asked(copy: RemoteCopy, workspace: Workspace) -> None:
    """A verification is about what lies in the target."""
    root = Path(storages["blobs"].path("")) / workspace.public_id.hex
    for path in [path for path in root.rglob("*") if path.is_file()]:
        path.unlink()

    for mode in MODES:
        verified(copy, mode)
        assert (copy.damage, copy.verify_mode) == ("", mode)
