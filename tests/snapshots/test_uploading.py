"""Copies of snapshots in a target: what travels, what is written down, and where it lies."""

from pathlib import Path

import pytest

from apps.accounts.actors import Actor
from apps.common.times import rfc3339
from apps.files.models import Hold
from apps.jobs.actions import enqueue
from apps.snapshots.actions import create_snapshot, delete_snapshot
from apps.snapshots.copies import refresh, request_upload
from apps.snapshots.errors import NotRestorable
from apps.snapshots.format.names import manifest_name
from apps.snapshots.format.reading import CopyReader
from apps.snapshots.lineage import vector_of
from apps.snapshots.models import CopyPack, CopyState, Pack, PackedChunk, RemoteCopy, RemoteTarget, Snapshot
from apps.snapshots.targets import place_of, repository_for, seals_of
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.offsite import MIB, NOTES, target, workspace
from tests.snapshots.work import (
    OTHER_HUB,
    directory_target,
    extracted,
    fill,
    forget_history,
    manifests_in,
    objects_in,
    packs_in,
    place_for,
    random_bytes,
    restored,
    run,
    sent_by_another_hub,
    tree,
    upload,
    uploaded,
)

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db


# --- What travels


def test_the_manifest_and_one_pack_hold_many_small_files(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, NOTES)

    copy = uploaded(workspace, target)

    names = [entry.name for entry in place_for(copy).names()]
    assert [name.split("/")[:2] for name in names] == [[".memoryhub", "packs"], [copy.name, "manifest.mhs"]]
    assert (copy.state, copy.files, copy.new_bytes, copy.reused_bytes) == (CopyState.SEALED, 300, 2290, 0)


def test_what_was_sent_is_what_the_workspace_held(workspace: Workspace, target: RemoteTarget, tmp_path: Path) -> None:
    fill(workspace, NOTES | {"big.bin": random_bytes(3 * MIB, "big"), "empty.md": b"", "ünï/cödé.md": b"text"})

    copy = uploaded(workspace, target)

    assert extracted(place_for(copy), copy.name, tmp_path / "back") == tree(workspace)


def test_a_second_copy_sends_only_what_has_changed(workspace: Workspace, target: RemoteTarget, tmp_path: Path) -> None:
    fill(workspace, NOTES)
    first = uploaded(workspace, target)
    fill(workspace, {"notes/007.md": b"another", "notes/008.md": None, "new.md": b"new"})

    second = uploaded(workspace, target)

    assert (second.new_bytes, second.reused_bytes) == (len(b"another" + b"new"), 2290 - len(b"note 7" + b"note 8"))
    assert len(packs_in(place_for(second))) == 2
    assert extracted(place_for(second), second.name, tmp_path / "second") == tree(workspace)
    assert extracted(place_for(first), first.name, tmp_path / "first") == NOTES


def test_what_was_sent_over_the_wire_is_told(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a.bin": random_bytes(100_000, "a")})

    copy = uploaded(workspace, target)

    stored = sum(entry.size_bytes for entry in place_for(copy).names())
    assert copy.sent_bytes == stored
    assert copy.manifest_bytes == len(place_for(copy).read(manifest_name(copy.name), most_bytes=MIB))


def test_the_same_content_under_two_names_is_sent_once(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a.md": b"same text", "b.md": b"same text", "c/d.md": b"same text"})

    copy = uploaded(workspace, target)

    assert (copy.files, copy.new_bytes, copy.reused_bytes) == (3, 9, 18)
    assert [chunk.size_bytes for chunk in PackedChunk.objects.all()] == [9]


def test_a_renamed_file_sends_no_content(workspace: Workspace, target: RemoteTarget) -> None:
    big = random_bytes(3 * MIB, "big")
    fill(workspace, {"a.md": b"text", "big.bin": big})
    uploaded(workspace, target)
    fill(workspace, {"a.md": None, "moved/a.md": b"text", "big.bin": None, "moved/big.bin": big})

    second = uploaded(workspace, target)

    assert (second.new_bytes, second.reused_bytes) == (0, 4 + len(big))
    assert second.sent_bytes == second.manifest_bytes


def test_of_a_large_file_that_grew_in_front_only_the_first_pieces_are_sent(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    big = random_bytes(8 * MIB, "big")
    fill(workspace, {"big.bin": big})
    uploaded(workspace, target)
    fill(workspace, {"big.bin": b"one line in front\n" + big})

    second = uploaded(workspace, target)

    assert second.new_bytes + second.reused_bytes == 8 * MIB + 18
    assert 18 < second.new_bytes <= 4 * MIB + 18
    assert extracted(place_for(second), second.name, tmp_path / "back") == tree(workspace)


def test_a_small_file_that_equals_a_piece_of_a_large_one_breaks_nothing(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    # Zeros are cut at the longest piece, so that half a MiB is left.
    fill(workspace, {"a-large": bytes(4 * MIB + MIB // 2), "b-small": bytes(MIB // 2), "c-other": b"x"})

    copy = uploaded(workspace, target)

    assert extracted(place_for(copy), copy.name, tmp_path / "back") == tree(workspace)


def test_a_large_file_whose_piece_is_a_small_one_of_before_breaks_nothing(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, {"a-small": bytes(MIB // 2), "b-large": bytes(4 * MIB + MIB // 2)})

    copy = uploaded(workspace, target)

    assert copy.reused_bytes == MIB // 2
    assert extracted(place_for(copy), copy.name, tmp_path / "back") == tree(workspace)


def test_an_empty_workspace_and_empty_files_need_no_pack(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    nothing = uploaded(workspace, target)
    fill(workspace, {"a.md": b"", "b/c.md": b""})
    empty = uploaded(workspace, target)

    assert packs_in(place_for(empty)) == []
    assert (nothing.files, empty.files, empty.new_bytes) == (0, 2, 0)
    assert extracted(place_for(nothing), nothing.name, tmp_path / "nothing") == {}
    assert extracted(place_for(empty), empty.name, tmp_path / "empty") == {"a.md": b"", "b/c.md": b""}


def test_files_go_into_packs_of_some_16_mib(workspace: Workspace, target: RemoteTarget, tmp_path: Path) -> None:
    fill(workspace, {f"{number:02}.bin": random_bytes(MIB, str(number)) for number in range(20)})

    copy = uploaded(workspace, target)

    sizes = sorted(pack.content_bytes for pack in Pack.objects.all())
    assert sizes == [4 * MIB, 16 * MIB]
    assert extracted(place_for(copy), copy.name, tmp_path / "back") == tree(workspace)


def test_the_copy_is_of_its_snapshot_and_not_of_what_came_after(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, {"a.md": b"then", "b.md": b"gone"})
    copy = request_upload(workspace, create_snapshot(workspace, name="then", actor=ACTOR), target, actor=ACTOR)
    fill(workspace, {"a.md": b"now", "b.md": None, "c.md": b"new"})

    upload(copy)

    assert extracted(place_for(copy), copy.name, tmp_path / "back") == {"a.md": b"then", "b.md": b"gone"}


# --- Where it lies


def test_each_workspace_of_a_target_has_a_folder_and_shares_nothing(target: RemoteTarget) -> None:
    one, other = make_workspace("one-folder"), make_workspace("other-folder")
    fill(one, {"a.md": b"same text"})
    fill(other, {"a.md": b"same text"})

    first, second = uploaded(one, target, "first"), uploaded(other, target, "first")

    assert (first.new_bytes, second.new_bytes) == (9, 9)
    assert {name.split("/")[0] for name in objects_in(target)} == {"one-folder", "other-folder"}
    assert first.repository.writer != second.repository.writer
    assert set(packs_in(place_for(first))).isdisjoint(packs_in(place_for(second)))


def test_copies_lie_at_the_prefix_of_a_target_that_belongs_to_the_workspace(
    workspace: Workspace, tmp_path: Path
) -> None:
    own = directory_target(tmp_path / "own", workspace=workspace)
    fill(workspace, {"a.md": b"text"})

    uploaded(workspace, own, "first")

    assert [name.split("/")[0] for name in objects_in(own)] == [".memoryhub", "first"]


def test_a_name_that_another_hub_has_taken_gets_a_number(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a.md": b"text"})
    first = uploaded(workspace, target, "first")
    theirs = place_for(first).read(manifest_name("first"), most_bytes=MIB)
    # What another hub would see: the copy lies there, and none of its rows.
    RemoteCopy.objects.all().delete()
    Snapshot.objects.all().delete()

    second = uploaded(workspace, target, "first")

    assert second.name == "first_2"
    assert manifests_in(place_for(second)) == ["first", "first_2"]
    assert place_for(second).read(manifest_name("first"), most_bytes=MIB) == theirs


def test_whatever_lies_under_the_name_of_a_copy_is_not_overwritten(workspace: Workspace, target: RemoteTarget) -> None:
    place_of(target).below(workspace.slug).put(manifest_name("first"), b"not one of ours")

    copy = uploaded(workspace, target, "first")

    assert copy.name == "first_2"
    assert place_for(copy).read(manifest_name("first"), most_bytes=MIB) == b"not one of ours"


# --- What is written down


def test_each_copy_names_the_one_before_as_its_parent(workspace: Workspace, target: RemoteTarget) -> None:
    first, second = uploaded(workspace, target), uploaded(workspace, target)

    place = place_for(second)
    parents = []
    for copy in (first, second):
        with CopyReader(place, copy.name, seals_of(place)) as reader:
            parents.append(reader.header.parent)
    assert parents == [None, first.public_id]
    assert [first.parent, second.parent] == parents
    second.repository.refresh_from_db()
    assert second.repository.head == second.public_id


def test_each_copy_tells_the_newest_of_each_hub_that_it_grew_from(workspace: Workspace, target: RemoteTarget) -> None:
    first = uploaded(workspace, target)
    theirs = sent_by_another_hub(place_for(first), "theirs", {"a.md": b"theirs"}, parent=first.public_id)
    refresh(first.repository)
    restored(workspace, copy=RemoteCopy.objects.get(public_id=theirs), delete=True)

    second = uploaded(workspace, target)

    with CopyReader(place_for(second), second.name, seals_of(place_for(second))) as reader:
        told = (reader.header.parent, reader.header.vector)
    # As one of theirs says nothing of what it grew from, this one knows no more.
    assert told == (theirs, {OTHER_HUB: theirs})
    assert second.vector == {str(OTHER_HUB): str(theirs)}
    merged = repository_for(workspace, target)
    assert vector_of(merged.vector) == {OTHER_HUB: theirs, second.writer: second.public_id}


def test_an_older_state_that_is_sent_late_leaves_the_workspace_where_it_is(
    workspace: Workspace, target: RemoteTarget
) -> None:
    old = create_snapshot(workspace, name="old", actor=ACTOR)
    fill(workspace, {"a.md": b"text"})
    newest = uploaded(workspace, target, "newest")

    late = request_upload(workspace, old, target, actor=ACTOR)
    upload(late)

    repository = repository_for(workspace, target)
    assert (late.state, repository.head, repository.head_sequence) == ("sealed", newest.public_id, newest.sequence)


def test_a_copy_whose_manifest_is_gone_is_sent_again_when_it_is_asked_for(
    workspace: Workspace, target: RemoteTarget
) -> None:
    fill(workspace, {"a.md": b"text"})
    copy = uploaded(workspace, target, "first")
    assert copy.snapshot is not None
    place_for(copy).delete(manifest_name("first"))
    refresh(copy.repository)

    again = request_upload(workspace, copy.snapshot, target, actor=ACTOR)
    upload(again)

    assert (again.pk, again.state, again.damage) == (copy.pk, "sealed", "")
    assert manifests_in(place_for(copy)) == ["first"]
    assert not Hold.objects.filter(holder__startswith="copy:").exists()


def test_the_manifest_says_what_the_snapshot_was(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a.md": b"text"})
    made = create_snapshot(workspace, name="first", message="why", tags=["one", "two"], actor=Actor("user:somebody"))
    copy = request_upload(workspace, made, target, actor=ACTOR)
    upload(copy)

    with CopyReader(place_for(copy), "first", seals_of(place_for(copy))) as reader:
        header, details, digest = reader.header, reader.details, reader.digest

    assert (header.id, header.workspace, header.kind) == (copy.public_id, workspace.slug, "manual")
    assert rfc3339(header.created_at) == rfc3339(made.created_at)
    assert (details.sequence, details.message, details.tags) == (1, "why", ("one", "two"))
    assert details.actor == "user:somebody"
    assert bytes(copy.manifest_sha256 or b"") == digest


def test_a_copy_needs_the_packs_that_its_manifest_names_and_no_others(
    workspace: Workspace, target: RemoteTarget
) -> None:
    fill(workspace, {"a.md": b"one", "b.md": b"two"})
    first = uploaded(workspace, target)
    fill(workspace, {"a.md": b"changed"})
    second = uploaded(workspace, target)
    fill(workspace, {"b.md": b"changed too"})
    third = uploaded(workspace, target)

    def linked(copy: RemoteCopy) -> set[bytes]:
        return {bytes(link.pack.digest) for link in CopyPack.objects.filter(copy=copy).select_related("pack")}

    for copy, count in ((first, 1), (second, 2), (third, 2)):
        with CopyReader(place_for(copy), copy.name, seals_of(place_for(copy))) as reader:
            assert {pack.digest for pack in reader.packs} == linked(copy)
        assert len(linked(copy)) == count


def test_a_sealed_copy_is_not_uploaded_again(workspace: Workspace, target: RemoteTarget) -> None:
    fill(workspace, {"a.md": b"text"})
    copy = uploaded(workspace, target)
    before = objects_in(target)

    same = request_upload(workspace, copy.snapshot, target, actor=ACTOR)
    enqueue("snapshots.upload", str(copy.public_id), workspace_id=workspace.pk)
    outcome, job = upload(copy)

    assert same.pk == copy.pk
    assert (outcome, job.result) == ("succeeded", {"copy": copy.name, "new_bytes": 0})
    assert objects_in(target) == before


def test_asking_twice_makes_one_copy(workspace: Workspace, target: RemoteTarget) -> None:
    snapshot = create_snapshot(workspace, actor=ACTOR)

    first = request_upload(workspace, snapshot, target, actor=ACTOR)
    again = request_upload(workspace, snapshot, target, actor=ACTOR)

    assert first.pk == again.pk
    assert RemoteCopy.objects.count() == 1


def test_a_snapshot_that_retention_has_let_go_is_not_sent(workspace: Workspace, target: RemoteTarget) -> None:
    snapshot = create_snapshot(workspace, actor=ACTOR)
    Snapshot.objects.update(doomed_at=snapshot.created_at)
    snapshot.refresh_from_db()

    with pytest.raises(NotRestorable):
        request_upload(workspace, snapshot, target, actor=ACTOR)

    assert not RemoteCopy.objects.exists()


# --- History


def test_the_history_of_a_waiting_upload_stays_when_its_snapshot_is_deleted(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, {"a.md": b"then"})
    snapshot = create_snapshot(workspace, name="then", actor=ACTOR)
    copy = request_upload(workspace, snapshot, target, actor=ACTOR)
    delete_snapshot(workspace, snapshot, actor=ACTOR)
    for number in range(5):
        fill(workspace, {"a.md": f"now {number}".encode()})
    forget_history(workspace)
    copy.refresh_from_db()
    assert copy.snapshot is None

    outcome, _ = upload(copy)

    assert outcome == "succeeded"
    assert extracted(place_for(copy), "then", tmp_path / "back") == {"a.md": b"then"}
    assert not Hold.objects.filter(workspace=workspace).exists()


def test_a_copy_that_was_deleted_before_its_upload_is_none(workspace: Workspace, target: RemoteTarget) -> None:
    copy = request_upload(workspace, create_snapshot(workspace, actor=ACTOR), target, actor=ACTOR)
    RemoteCopy.objects.filter(pk=copy.pk).delete()

    outcome, job = run("snapshots.upload", str(copy.public_id))

    assert (outcome, job.error_code) == ("failed", "not_found")
    assert objects_in(target) == {}
