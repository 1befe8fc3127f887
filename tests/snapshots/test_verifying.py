"""Looking whether copies are whole: what each mode sees, and in what."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard
from structlog.testing import capture_logs

from apps.blobs.objects import spool_directory
from apps.jobs import leases
from apps.jobs.runs import JobRun
from apps.snapshots.actions import delete_snapshot
from apps.snapshots.copies import refresh, request_verify
from apps.snapshots.format.chunking import WHOLE_BYTES
from apps.snapshots.format.manifests import ManifestWriter
from apps.snapshots.format.names import manifest_name, pack_digest
from apps.snapshots.format.reading import CopyReader
from apps.snapshots.format.sealing import Unsealed
from apps.snapshots.models import Pack, PackState, RemoteCopy, RemoteTarget
from apps.snapshots.targets import place_of, repository_for, seals_of
from apps.snapshots.verifying import verify
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.factories import ACTOR, make_workspace
from tests.fakes.faulty_proxy import FaultyProxy
from tests.snapshots.format.writing import Content, write_copy
from tests.snapshots.sent import FILES, MODES, copy, large_pack, small_pack, states, target, workspace
from tests.snapshots.work import (
    MASTER_KEY,
    bucket_target,
    by_another_hub,
    change_object,
    directory_target,
    flipped,
    place_for,
    random_bytes,
    uploaded,
    verified,
)

__all__ = ["copy", "target", "workspace"]
pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
READING = ["full", "trial"]


def written_by_another_hub(
    workspace: Workspace, target: RemoteTarget, name: str, files: dict[str, bytes], **options: int
) -> RemoteCopy:
    """A copy that this hub finds in the target."""
    home = Path(target.options["directory"])
    home.mkdir(exist_ok=True)
    write_copy(home / workspace.slug, name, {path: Content(data) for path, data in files.items()}, **options)
    refresh(repository_for(workspace, target))
    return RemoteCopy.objects.select_related("repository__target", "repository__workspace").get(name=name)


# --- What is whole


@pytest.mark.parametrize("mode", MODES)
def test_a_whole_copy_is_found_whole(copy: RemoteCopy, mode: str) -> None:
    result = verified(copy, mode)

    assert (copy.damage, copy.verify_mode, result["damage"], result["lost_packs"]) == ("", mode, "", 0)
    assert copy.verified_at is not None
    # A sample takes the pack of some files, here always that of the notes, and one by chance.
    notes, whole = (1, len(FILES) - 1), (2, len(FILES))
    assert (result["packs"], result["files"]) in {"listing": [(0, 0)], "sample": [notes, whole]}.get(mode, [whole])


@pytest.mark.parametrize("mode", MODES)
def test_an_encrypted_copy_of_another_hub_is_found_whole(
    workspace: Workspace, tmp_path: Path, settings: Any, mode: str
) -> None:
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    encrypted = directory_target(tmp_path / "encrypted", is_encrypted=True)
    copy = by_another_hub(uploaded(workspace, encrypted))

    verified(copy, mode)

    assert (copy.damage, copy.verify_mode) == ("", mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_copy_without_content_is_found_whole(target: RemoteTarget, mode: str) -> None:
    empty = uploaded(make_workspace(), target)

    result = verified(empty, mode)

    assert (empty.damage, empty.verify_mode, result["packs"]) == ("", mode, 0)


def test_a_full_look_fetches_each_pack_once(workspace: Workspace, tmp_path: Path, s3_server: Bucket) -> None:
    """However its files are scattered over them."""
    folder = write_copy(
        tmp_path / "there",
        "scattered",
        {f"{number:03}": Content(b"%d" % number) for number in range(400)},
        scattered=10,
    )
    with FaultyProxy(s3_server.endpoint_url) as proxy:
        target = bucket_target(s3_server, endpoint_url=proxy.url)
        place = place_of(target).below(workspace.slug)
        for entry in folder.names():
            place.put(entry.name, folder.read(entry.name, most_bytes=100 * MIB))
        refresh(repository_for(workspace, target))
        copy = RemoteCopy.objects.get(name="scattered")
        proxy.seen.clear()

        result = verified(copy, "full")

    fetched = [line.rpartition("/")[2] for line in proxy.seen if line.startswith("GET") and "/packs/" in line]
    assert (copy.damage, result["packs"], result["files"]) == ("", 10, 400)
    assert len(fetched) == len(set(fetched)) == 10


def test_a_sample_reads_a_part(workspace: Workspace, target: RemoteTarget) -> None:
    files = {f"{number:03}": b"%d" % number for number in range(200)}
    copy = written_by_another_hub(workspace, target, "many", files, files_a_pack=2)

    results = [sampled(copy, seed) for seed in range(3)]

    assert [5 <= result["packs"] <= 10 for result in results] == [True] * 3
    assert [result["files"] for result in results] == [2 * result["packs"] for result in results]


def sampled(copy: RemoteCopy, seed: int) -> dict[str, Any]:
    job = request_verify(copy, "sample", actor=ACTOR)
    claim = leases.claim(job.pk)
    assert claim is not None
    result = verify(JobRun(claim), chance=Random(seed))
    leases.finish(claim, "succeeded", result=result)  # type: ignore[arg-type]
    return result


# --- What is missing or damaged


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_pack_is_damage(copy: RemoteCopy, mode: str) -> None:
    place_for(copy).delete(small_pack(copy))

    with capture_logs() as logs:
        result = verified(copy, mode)

    digest = pack_digest(small_pack(copy))
    assert digest is not None
    assert copy.damage == (
        f"Packs of it are missing or damaged: 1 of 2, and 40 of 42 files with them. "
        f"The first is {digest.hex()}: A pack is missing in the target."
    )
    assert (result["damage"], result["lost_packs"]) == (copy.damage, 1)
    assert (copy.verified_at, copy.verify_mode) == (None, "")
    told = [line for line in logs if line["event"] == "copy_damaged"]
    assert [(line["copy_id"], line["lost_packs"]) for line in told] == [(str(copy.public_id), 1)]
    lost = Pack.objects.get(state=PackState.LOST)
    assert bytes(lost.digest) == digest


@pytest.mark.parametrize("mode", READING)
@pytest.mark.parametrize("which", [small_pack, large_pack])
def test_a_pack_with_a_bit_turned_is_damage(copy: RemoteCopy, mode: str, which: Callable[[RemoteCopy], str]) -> None:
    change_object(place_for(copy), which(copy), flipped)

    result = verified(copy, mode)

    files = 40 if which is small_pack else 1
    assert copy.damage.startswith(f"Packs of it are missing or damaged: 1 of 2, and {files} of 42 files with them.")
    assert copy.damage.endswith("A pack does not have its sha256.")
    assert result["lost_packs"] == 1
    assert states(copy) == {PackState.LOST, PackState.STORED}


def test_a_listing_does_not_see_a_turned_bit_but_another_length(copy: RemoteCopy) -> None:
    change_object(place_for(copy), small_pack(copy), flipped)
    verified(copy, "listing")
    unseen = copy.damage
    change_object(place_for(copy), small_pack(copy), lambda data: data + b"x")

    verified(copy, "listing")

    assert unseen == ""
    assert copy.damage.endswith("A pack does not have its sha256.")


def test_another_length_alone_is_no_damage(copy: RemoteCopy, workspace: Workspace) -> None:
    """A pack that was made again by another release of the compressor is as good as it was."""
    name = small_pack(copy)
    stored = place_for(copy).read(name, most_bytes=MIB)
    payload = zstandard.ZstdDecompressor().decompress(stored[40:-32])
    frame = zstandard.ZstdCompressor(level=1, write_content_size=False, write_checksum=True).compress(payload)
    body = stored[:40] + frame
    place_for(copy).put(name, body + hashlib.sha256(body).digest())
    assert len(body) + 32 != len(stored)

    verified(copy, "listing")

    assert (copy.damage, copy.verify_mode) == ("", "listing")


@pytest.mark.parametrize("mode", READING)
def test_two_packs_that_were_swapped_are_damage(copy: RemoteCopy, mode: str) -> None:
    place = place_for(copy)
    one, other = small_pack(copy), large_pack(copy)
    contents = [place.read(name, most_bytes=10 * MIB) for name in (one, other)]
    place.put(one, contents[1])
    place.put(other, contents[0])

    verified(copy, mode)

    assert copy.damage.startswith("Packs of it are missing or damaged: 2 of 2, and 41 of 42 files with them.")
    assert copy.damage.endswith("A pack does not hold what its name says.")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (flipped, "A manifest does not have its sha256."),
        (lambda data: data[:100], "The header of a manifest cannot be read."),
        (lambda data: b"", "An object is not a manifest."),
    ],
)
def test_a_damaged_manifest_is_damage(copy: RemoteCopy, change: Callable[[bytes], bytes], sentence: str) -> None:
    change_object(place_for(copy), manifest_name("first"), change)

    result = verified(copy, "listing")

    assert (copy.damage, result["lost_packs"]) == (sentence, 0)
    assert states(copy) == {PackState.STORED}


def test_a_missing_manifest_is_damage_until_it_is_back(copy: RemoteCopy) -> None:
    place = place_for(copy)
    manifest = place.read(manifest_name("first"), most_bytes=MIB)
    place.delete(manifest_name("first"))
    verified(copy, "sample")
    missing = copy.damage
    place.put(manifest_name("first"), manifest)

    refresh(copy.repository)

    copy.refresh_from_db()
    assert (missing, copy.damage) == ("Its manifest is gone from the target.", "")


def test_a_whole_manifest_that_is_not_the_one_that_was_written_is_damage(
    copy: RemoteCopy, workspace: Workspace, tmp_path: Path
) -> None:
    """Somebody who has no key can write a whole copy that holds something else, but not this hub's."""
    write_copy(tmp_path / "offsite" / workspace.slug, "first", {"a.md": Content(b"other text")})

    verified(copy, "listing")

    assert copy.damage == "This is not the manifest that was written."


@pytest.mark.parametrize("mode", READING)
def test_a_copy_that_does_not_hold_its_snapshot_is_damaged(copy: RemoteCopy, workspace: Workspace, mode: str) -> None:
    """As if this hub had written something else than it should have."""
    place = place_for(copy)
    with CopyReader(place, "first", seals_of(place)) as reader:
        entries = [entry for entry in reader.entries() if not entry.path.startswith("notes/00")]
        header, details, packs = reader.header, reader.details, list(reader.packs)
    writer, path = ManifestWriter(), Path(spool_directory() or "/tmp") / "memoryhub-spool-other"
    for entry in entries:
        writer.add(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        digest, _ = writer.write(file, header, details, packs, Unsealed())
    place.put(manifest_name("first"), path)
    path.unlink(missing_ok=True)
    RemoteCopy.objects.filter(pk=copy.pk).update(manifest_sha256=digest)
    copy.refresh_from_db()

    verified(copy, mode)

    assert copy.damage == "10 files are not those of the snapshot."
    delete_snapshot(workspace, copy.snapshot, actor=ACTOR)
    copy.refresh_from_db()
    verified(copy, mode)
    assert copy.damage == ""


@pytest.mark.parametrize("mode", ["full", "trial"])
def test_a_file_whose_pieces_are_put_together_wrongly_is_damage(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path, mode: str
) -> None:
    """The packs are whole; only the whole file's sha256 tells."""
    files = {"big.bin": random_bytes(3 * WHOLE_BYTES, "x"), "a.md": b"a"}
    copy = written_by_another_hub(workspace, target, "theirs", files)
    place = place_for(copy)
    with CopyReader(place, "theirs", seals_of(place)) as reader:
        entries, header, details, packs = list(reader.entries()), reader.header, reader.details, list(reader.packs)
    big = entries[1]
    entries[1] = big._replace(chunks=tuple(reversed(big.chunks)))
    writer = ManifestWriter()
    for entry in entries:
        writer.add(entry)
    with (tmp_path / "manifest").open("wb") as file:
        writer.write(file, header, details, packs, Unsealed())
    place.put(manifest_name("theirs"), tmp_path / "manifest")

    result = verified(copy, mode)

    assert copy.damage == "1 of 2 files do not have their sha256."
    assert result["lost_packs"] == 0
