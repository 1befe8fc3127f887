"""Copies without their key, that somebody has tampered with or made up: refused before anything is touched."""

from pathlib import Path
from typing import Any

import pytest

from apps.snapshots.copies import refresh
from apps.snapshots.format.manifests import MOST_BODY_BYTES
from apps.snapshots.format.names import manifest_name, pack_name
from apps.snapshots.models import CopyState, RemoteCopy, RemoteTarget
from apps.snapshots.places.base import Place
from apps.snapshots.targets import place_of, repository_for
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.snapshots.format import forging
from tests.snapshots.work import (
    MASTER_KEY,
    again,
    change_object,
    directory_target,
    fill,
    flipped,
    nothing_is_restored,
    packs_in,
    place_for,
    random_bytes,
    restore,
    sent_by_another_hub,
    uploaded,
)

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
FILES = {f"notes/{number:02}.md": f"note {number}".encode() * 50 for number in range(20)} | {
    "big.bin": random_bytes(1_200_000, "big"),
    "empty.md": b"",
}


@pytest.fixture
def workspace(db: None) -> Workspace:
    made = make_workspace()
    fill(made, FILES)
    return made


# --- Keys


@pytest.fixture
def encrypted(tmp_path: Path, settings: Any) -> RemoteTarget:
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    return directory_target(tmp_path / "encrypted", is_encrypted=True)


@pytest.fixture
def copy(workspace: Workspace, encrypted: RemoteTarget) -> RemoteCopy:
    return uploaded(workspace, encrypted, "first")


def refused(copy: RemoteCopy) -> tuple[str, str]:
    """Code and sentence of a restore into another workspace, of which nothing was touched."""
    other = make_workspace()
    with nothing_is_restored():
        done, job = restore(other, copy=copy)
    assert (done.state, job.state, done.put, done.safety) == ("failed", "failed", 0, None)
    assert done.error_code == job.error_code
    return done.error_code, done.error_detail


@pytest.mark.parametrize(
    ("keys", "word"),
    [("", "MEMORYHUB_SNAPSHOT_KEY"), (f"two:{'77' * 32}", "'one'"), (f"one:{'77' * 32}", "not the one")],
    ids=["no key", "another key", "another key of that name"],
)
def test_without_the_right_key_it_is_said_which_one_is_missing(
    copy: RemoteCopy, settings: Any, keys: str, word: str
) -> None:
    settings.MEMORYHUB_SNAPSHOT_KEY = keys

    code, detail = refused(copy)

    assert code == "copy_key_missing"
    assert word in detail


def test_a_key_that_is_gone_from_the_target_is_named(copy: RemoteCopy) -> None:
    (name,) = [entry.name for entry in place_for(copy).names(".memoryhub/keys")]
    place_for(copy).delete(name)

    code, detail = refused(copy)

    assert code == "copy_key_missing"
    assert name in detail


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b"\xff", b"[]", b'{"format": 1}'])
def test_a_key_that_is_none_is_damage(copy: RemoteCopy, content: bytes) -> None:
    (name,) = [entry.name for entry in place_for(copy).names(".memoryhub/keys")]
    place_for(copy).put(name, content)

    assert refused(copy)[0] == "copy_damaged"


def test_another_workspaces_key_opens_nothing(copy: RemoteCopy, encrypted: RemoteTarget) -> None:
    stranger = make_workspace()
    fill(stranger, {"a": b"x"})
    theirs = place_for(uploaded(stranger, encrypted))
    (other,) = [entry.name for entry in theirs.names(".memoryhub/keys")]
    (own,) = [entry.name for entry in place_for(copy).names(".memoryhub/keys")]
    place_for(copy).put(own, theirs.read(other, most_bytes=MIB))

    assert refused(copy)[0] == "copy_damaged"


# --- What somebody has done to a copy


@pytest.mark.parametrize("at", [0.0, 0.02, 0.2, 0.5, 0.9, 1.0])
def test_a_manifest_with_a_bit_turned_is_refused(copy: RemoteCopy, at: float) -> None:
    change_object(place_for(copy), manifest_name("first"), lambda data: flipped(data, at))

    assert refused(copy)[0] in ("copy_damaged", "format_unknown")


@pytest.mark.parametrize("at", [0.0, 0.001, 0.5, 1.0])
def test_a_pack_with_a_bit_turned_is_refused(copy: RemoteCopy, at: float) -> None:
    for name in packs_in(place_for(copy)):
        change_object(place_for(copy), name, lambda data: flipped(data, at))

    assert refused(copy)[0] == "copy_damaged"


def test_a_pack_with_its_sum_put_right_is_refused(copy: RemoteCopy) -> None:
    """Whoever changes an object can change the sum at its end as well, but not the seal."""
    place = place_for(copy)
    for name in packs_in(place):
        data = place.read(name, most_bytes=100 * MIB)[:-32]
        place.put(name, forging.summed(data[:-1] + bytes([data[-1] ^ 1])))

    code, detail = refused(copy)

    assert (code, detail) == ("copy_damaged", "It was changed after it was written, or another key sealed it.")


def test_packs_that_were_swapped_are_refused(copy: RemoteCopy) -> None:
    place = place_for(copy)
    one, other = packs_in(place)
    contents = [place.read(name, most_bytes=100 * MIB) for name in (one, other)]
    place.put(one, contents[1])
    place.put(other, contents[0])

    assert refused(copy)[0] == "copy_damaged"


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_pack_is_refused(copy: RemoteCopy, which: int) -> None:
    place_for(copy).delete(packs_in(place_for(copy))[which])

    assert refused(copy) == ("copy_damaged", "A pack is missing in the target.")


def test_a_missing_manifest_is_refused(copy: RemoteCopy) -> None:
    place_for(copy).delete(manifest_name("first"))

    code, detail = refused(copy)

    assert code == "copy_damaged"
    assert detail.startswith("There is no manifest")


def test_the_manifest_of_another_copy_is_refused(
    copy: RemoteCopy, workspace: Workspace, encrypted: RemoteTarget
) -> None:
    fill(workspace, {"a": b"later"})
    uploaded(workspace, encrypted, "second")
    place = place_for(copy)
    place.put(manifest_name("first"), place.read(manifest_name("second"), most_bytes=MIB))

    assert refused(copy) == ("copy_damaged", "A manifest lies in another copy's place.")


def test_an_older_manifest_of_the_same_copy_is_refused(copy: RemoteCopy, workspace: Workspace) -> None:
    """Whole, sealed with the right key and under the right name, but not what this hub wrote last."""
    place = place_for(copy)
    older = place.read(manifest_name("first"), most_bytes=MIB)
    RemoteCopy.objects.filter(pk=copy.pk).update(state=CopyState.UPLOADING, sealed_at=None)
    again(copy)
    assert place.read(manifest_name("first"), most_bytes=MIB) != older
    place.put(manifest_name("first"), older)
    copy.refresh_from_db()

    assert refused(copy) == ("copy_damaged", "This is not the manifest that was written.")


def test_a_copy_in_clear_among_encrypted_ones_is_refused(workspace: Workspace, encrypted: RemoteTarget) -> None:
    """Who can write into the target but has no key could make one up."""
    uploaded(workspace, encrypted, "first")
    repository = repository_for(workspace, encrypted)
    place = place_of(encrypted).below(workspace.slug)
    sent_by_another_hub(place, "made-up", {"a": b"made up"})
    refresh(repository)

    code, detail = refused(RemoteCopy.objects.get(name="made-up"))

    assert code == "copy_damaged"
    assert "not encrypted" in detail


# --- What somebody has made up


@pytest.fixture
def plain(workspace: Workspace, tmp_path: Path) -> Place:
    """The workspace's folder in a target without encryption, where anybody may have put anything."""
    (tmp_path / "plain").mkdir()
    return place_of(directory_target(tmp_path / "plain", "plain")).below(workspace.slug)


def found(workspace: Workspace) -> RemoteCopy:
    target = RemoteTarget.objects.get(name="plain")
    refresh(repository_for(workspace, target))
    return RemoteCopy.objects.select_related("repository__target", "repository__workspace").get(name="first")


@pytest.mark.parametrize("path", [b"../outside", b"/etc/passwd", b"a/../../b", b"a//b", b".memoryhub/state", b"a\x00"])
def test_paths_that_lead_elsewhere_are_refused(workspace: Workspace, plain: Place, path: bytes) -> None:
    plain.put(manifest_name("first"), forging.manifest(forging.body_of(**forging.file_columns(path)), files=1))

    assert refused(found(workspace))[0] == "copy_damaged"


def test_a_manifest_that_unpacks_to_far_more_is_refused(workspace: Workspace, plain: Place) -> None:
    large = 80_000_000
    bomb = forging.manifest(b"", frame=forging.compressed(bytes(large)), body_bytes=large)
    plain.put(manifest_name("first"), bomb)

    assert len(bomb) < 10_000
    assert refused(found(workspace)) == ("copy_damaged", "A manifest says that it is far longer than it can be.")


@pytest.mark.parametrize("files", [1, 10**9])
def test_a_manifest_that_says_more_than_it_holds_is_refused(workspace: Workspace, plain: Place, files: int) -> None:
    plain.put(manifest_name("first"), forging.manifest(forging.body_of(), files=files, size_bytes=files))

    code, detail = refused(found(workspace))

    assert (code, detail) == ("copy_damaged", "A manifest does not hold as much as its header says.")


def test_a_body_that_is_longer_than_any_is_refused(workspace: Workspace, plain: Place) -> None:
    plain.put(manifest_name("first"), forging.manifest(forging.body_of(), body_bytes=MOST_BODY_BYTES + 1))

    assert refused(found(workspace))[0] == "copy_damaged"


def test_a_pack_that_unpacks_to_far_more_is_refused(workspace: Workspace, plain: Place) -> None:
    digest, stored = forging.pack(b"", said=100, frame=forging.compressed(bytes(80_000_000)))
    plain.put(pack_name(digest), stored)
    columns = forging.file_columns(b"a", 5) | {
        "digests": bytes(32),
        "counts": b"\x01",
        "packs": b"\0",
        "indexes": b"\0",
        "objects": digest,
        "object_sizes": forging.number(len(stored)),
    }
    plain.put(manifest_name("first"), forging.manifest(forging.body_of(**columns), files=1, size_bytes=5))

    code, detail = refused(found(workspace))

    assert (code, detail) == ("copy_damaged", "A pack does not hold what its name says.")


def test_a_newer_format_is_told_from_damage(workspace: Workspace, plain: Place) -> None:
    sent_by_another_hub(plain, "first", {"a": b"text"})
    copy = found(workspace)
    plain.put(manifest_name("first"), forging.manifest(forging.body_of(), format=2))

    assert refused(copy)[0] == "format_unknown"
