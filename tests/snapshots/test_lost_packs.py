"""Packs that a target has lost: made again for the copies that need them, or sent anew."""

from pathlib import Path

import pytest

from apps.snapshots.actions import delete_snapshot
from apps.snapshots.models import Pack, PackState, RemoteTarget
from apps.workspaces.models import Workspace
from tests.factories import ACTOR
from tests.snapshots.offsite import MIB, NOTES, encrypted, target, workspace
from tests.snapshots.work import (
    again,
    asked,
    extracted,
    fill,
    forget_history,
    objects_in,
    packs_in,
    place_for,
    random_bytes,
    tree,
    upload,
    uploaded,
)

__all__ = ["encrypted", "target", "workspace"]
pytestmark = pytest.mark.django_db


def test_what_a_lost_pack_held_is_sent_again_by_the_next_copy(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, NOTES)
    first = uploaded(workspace, target)
    (lost,) = packs_in(place_for(first))
    place_for(first).delete(lost)
    fill(workspace, {"new.md": b"new"})

    second = uploaded(workspace, target)

    assert extracted(place_for(second), second.name, tmp_path / "second") == tree(workspace)


def test_a_lost_pack_is_made_again_under_its_name_for_the_copies_that_need_it(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    files = NOTES | {"big.bin": random_bytes(3 * MIB, "big")}
    fill(workspace, files)
    first = uploaded(workspace, target)
    before = objects_in(target)
    for pack in packs_in(place_for(first)):
        place_for(first).delete(pack)
    fill(workspace, {"notes/001.md": b"another", "big.bin": None})

    second = uploaded(workspace, target)

    first.refresh_from_db()
    assert first.damage == ""
    assert {name: data for name, data in objects_in(target).items() if name in before} == before
    assert (second.new_bytes, second.reused_bytes) == (7, 2290 - 6)
    assert extracted(place_for(first), first.name, tmp_path / "first") == files
    assert {pack.state for pack in Pack.objects.all()} == {PackState.STORED}


def test_an_encrypted_pack_is_made_again_as_well(workspace: Workspace, encrypted: RemoteTarget, tmp_path: Path) -> None:
    fill(workspace, NOTES)
    first = uploaded(workspace, encrypted)
    (lost,) = packs_in(place_for(first))
    place_for(first).delete(lost)

    uploaded(workspace, encrypted)

    assert packs_in(place_for(first)) == [lost]
    assert extracted(place_for(first), first.name, tmp_path / "first") == NOTES


def test_a_lost_pack_whose_content_is_gone_here_leaves_its_copy_damaged_and_the_next_whole(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, {"a.md": b"gone soon", "b.md": b"stays"})
    first = uploaded(workspace, target)
    delete_snapshot(workspace, first.snapshot, actor=ACTOR)
    fill(workspace, {"a.md": b"other"})
    forget_history(workspace)
    (lost,) = packs_in(place_for(first))
    place_for(first).delete(lost)

    second = uploaded(workspace, target)

    first.refresh_from_db()
    assert first.damage == "Packs of it are missing or damaged: 1 of 1."
    assert (second.damage, second.new_bytes) == ("", 10)
    assert extracted(place_for(second), second.name, tmp_path / "second") == tree(workspace)
    assert [pack.state for pack in Pack.objects.order_by("pk")] == [PackState.LOST, PackState.STORED]


def test_packs_of_copies_whose_manifests_are_gone_are_not_made_again(
    workspace: Workspace, target: RemoteTarget
) -> None:
    fill(workspace, {"a.md": b"one", "b.md": b"two"})
    first = uploaded(workspace, target)
    for entry in list(place_for(first).names()):
        place_for(first).delete(entry.name)
    fill(workspace, {"a.md": None})

    second = uploaded(workspace, target)

    first.refresh_from_db()
    assert first.damage == "Its manifest is gone from the target."
    assert (second.damage, second.new_bytes) == ("", 3)
    assert len(packs_in(place_for(second))) == 1


def test_a_directory_that_is_not_mounted_is_not_taken_for_one_that_has_lost_all(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, NOTES)
    first = uploaded(workspace, target)
    home = Path(target.options["directory"])
    home.rename(tmp_path / "the disk")
    home.mkdir()
    fill(workspace, {"b.md": b"two"})
    second = asked(workspace, target, "second")

    outcome, job = upload(second)
    left = (outcome, job.error_code, list(home.iterdir()))
    home.rmdir()
    (tmp_path / "the disk").rename(home)

    assert left == ("retry", "target_unavailable", [])
    assert again(second) == "succeeded"
    first.refresh_from_db()
    assert (first.damage, len(packs_in(place_for(first)))) == ("", 2)


def test_a_pack_that_is_shorter_than_it_was_is_lost(workspace: Workspace, target: RemoteTarget, tmp_path: Path) -> None:
    fill(workspace, NOTES)
    first = uploaded(workspace, target)
    (name,) = packs_in(place_for(first))
    whole = place_for(first).read(name, most_bytes=MIB)
    place_for(first).put(name, whole[:-1])

    uploaded(workspace, target)

    assert place_for(first).read(name, most_bytes=MIB) == whole
