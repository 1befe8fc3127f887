"""Copies are read from wherever they lie, with the keys and nothing else."""

import hashlib
import random
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import pytest

from apps.snapshots.format.errors import CopyDamaged, CopyKeyMissing
from apps.snapshots.format.manifests import ChunkRef, Entry, PackRef
from apps.snapshots.format.names import PACKS, key_name, manifest_name, pack_name
from apps.snapshots.format.packs import PackDraft, sealed_pack
from apps.snapshots.format.reading import HELD_BYTES, CopyReader, Seals, by_packs
from apps.snapshots.format.sealing import DataKey, MasterKeys
from apps.snapshots.places.base import Place
from apps.snapshots.places.directory import DirectoryPlace
from apps.snapshots.places.errors import ObjectMissing, TargetUnavailable
from apps.snapshots.places.opening import directory_place
from tests.snapshots.format.writing import FILES, KEY, MASTERS, PLAIN, SEALS, Content, data_of, manifest_of, write_copy

BOTH = pytest.mark.parametrize("kind", SEALS)
NO_MASTERS = MasterKeys.parse("")


def reader_of(place: Place, masters: MasterKeys = MASTERS, *, name: str = "first") -> CopyReader:
    return CopyReader(place, name, Seals(place, masters))


def contents_of(reader: CopyReader, prefix: str = "") -> dict[str, bytes]:
    return {entry.path: b"".join(chunks) for entry, chunks in reader.contents(reader.entries(prefix))}


class CountingPlace(DirectoryPlace):
    """Knows what was fetched."""

    fetched: Counter[str]

    def fetch(self, name: str, to: BinaryIO, *, most_bytes: int) -> int:
        self.fetched[name] += 1
        return super().fetch(name, to, most_bytes=most_bytes)


@pytest.fixture
def counting(tmp_path: Path) -> CountingPlace:
    place = CountingPlace(directory_place(tmp_path)._storage)  # type: ignore[attr-defined]
    place.fetched = Counter()
    return place


@BOTH
def test_a_copy_is_read_whole(tmp_path: Path, kind: str) -> None:
    large = Content(random.Random(3).randbytes(9_000_000))
    place = write_copy(tmp_path, files={**FILES, "large": large}, seal=SEALS[kind])

    with reader_of(place) as reader:
        assert contents_of(reader) == data_of({**FILES, "large": large})
        assert (reader.header.name, reader.header.files) == ("first", 5)
        assert reader.details.message == "why"
        assert reader.is_encrypted == (kind == "encrypted")
        (found,) = [entry for entry in reader.entries() if entry.path == "large"]
    assert len(found.chunks) > 3


@pytest.mark.parametrize(
    ("prefix", "paths"),
    [
        ("notes/", ["notes/b.md", "notes/c.md"]),
        ("notes", ["notes/b.md", "notes/c.md"]),
        ("notes/b.md", ["notes/b.md"]),
        ("note", []),
        ("a.md", ["a.md"]),
    ],
)
def test_a_part_of_a_copy_is_a_folder_or_a_file(tmp_path: Path, prefix: str, paths: list[str]) -> None:
    with reader_of(write_copy(tmp_path)) as reader:
        assert [entry.path for entry in reader.entries(prefix)] == paths


def many(count: int, size: int = 10) -> dict[str, Content]:
    return {f"{number:05}": Content(f"{number:0{size}}".encode()) for number in range(count)}


def test_each_pack_is_fetched_once_in_the_order_of_the_paths(counting: CountingPlace, tmp_path: Path) -> None:
    files = many(5000)
    write_copy(tmp_path, files=files, files_a_pack=100)

    with reader_of(counting) as reader:
        assert contents_of(reader) == data_of(files)
    assert set(counting.fetched.values()) == {1}
    assert len(counting.fetched) == 51


def test_scattered_packs_are_fetched_once_in_the_order_of_the_packs(counting: CountingPlace, tmp_path: Path) -> None:
    # As when every file came with a snapshot of its own: neighbours lie in twelve packs, of which few can be held.
    large = {f"{number:05}": Content(random.Random(number).randbytes(700_000)) for number in range(120)}
    write_copy(tmp_path, files=large, scattered=12)

    with reader_of(counting) as reader:
        ordered = list(by_packs(reader.entries()))
        assert {entry.path: b"".join(chunks) for entry, chunks in reader.contents(ordered)} == data_of(large)
    assert set(counting.fetched.values()) == {1}
    assert len(counting.fetched) == 13


def test_few_packs_are_held_at_once(tmp_path: Path) -> None:
    large = {f"{number:05}": Content(random.Random(number).randbytes(1_000_000)) for number in range(100)}
    with reader_of(write_copy(tmp_path, files=large, files_a_pack=10)) as reader:
        for _entry, chunks in reader.contents(reader.entries()):
            assert b"".join(chunks)
            held = reader._packs._held.values()
            assert sum(pack.size_bytes for pack in held) <= HELD_BYTES


def test_files_that_nobody_reads_cost_nothing(counting: CountingPlace, tmp_path: Path) -> None:
    write_copy(tmp_path)

    with reader_of(counting) as reader:
        paths = [entry.path for entry, _chunks in reader.contents(reader.entries())]

    assert paths == sorted(FILES)
    assert dict(counting.fetched) == {manifest_name("first"): 1}


def test_a_key_is_asked_for_once(counting: CountingPlace, tmp_path: Path) -> None:
    write_copy(tmp_path, seal=KEY)
    write_copy(tmp_path, "second", seal=KEY)
    seals = Seals(counting, MASTERS)

    for name in ("first", "second"):
        with CopyReader(counting, name, seals) as reader:
            assert contents_of(reader) == data_of(FILES)

    assert counting.fetched[key_name(KEY.key_id)] == 1


# --- What is not there, or not what it should be


def test_a_copy_without_manifest_is_none(tmp_path: Path) -> None:
    place = write_copy(tmp_path)
    place.delete(manifest_name("first"))

    with pytest.raises(CopyDamaged) as refusal:
        reader_of(place)

    assert refusal.value.fields == {"object": "first/manifest.mhs"}


def test_a_manifest_that_cannot_be_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    place = write_copy(tmp_path)
    place.put(manifest_name("second"), place.read(manifest_name("first"), most_bytes=10_000))

    with pytest.raises(CopyDamaged):
        reader_of(place, name="second")


def test_an_encrypted_copy_needs_its_master_key(tmp_path: Path) -> None:
    place = write_copy(tmp_path, seal=KEY)

    with pytest.raises(CopyKeyMissing) as none_given:
        reader_of(place, NO_MASTERS)
    with pytest.raises(CopyKeyMissing) as other_given:
        reader_of(place, MasterKeys.parse(f"other:{'ab' * 32}"))

    assert "MEMORYHUB_SNAPSHOT_KEY" in none_given.value.detail
    assert "'test-1'" in other_given.value.detail


def test_a_key_that_is_gone_from_the_target_is_named(tmp_path: Path) -> None:
    place = write_copy(tmp_path, seal=KEY)
    place.delete(key_name(KEY.key_id))

    with pytest.raises(CopyKeyMissing) as refusal:
        reader_of(place)

    assert key_name(KEY.key_id) in refusal.value.detail


@pytest.mark.parametrize("stored", [b"{}", bytes(100_000), MASTERS.wrapped(DataKey.new())])
def test_what_is_no_key_of_this_copy_is_damaged(tmp_path: Path, stored: bytes) -> None:
    place = write_copy(tmp_path, seal=KEY)
    place.put(key_name(KEY.key_id), stored)

    with pytest.raises(CopyDamaged) as refusal:
        reader_of(place)

    assert refusal.value.fields == {"object": key_name(KEY.key_id)}


def test_a_plain_copy_among_encrypted_ones_can_be_refused(tmp_path: Path) -> None:
    place = write_copy(tmp_path)
    write_copy(tmp_path, "second", seal=KEY)
    seals = Seals(place, MASTERS, only_encrypted=True)

    CopyReader(place, "second", seals).close()
    with pytest.raises(CopyDamaged) as refusal:
        CopyReader(place, "first", seals)

    assert "not encrypted" in refusal.value.detail


def read_with_problems(reader: CopyReader) -> tuple[dict[str, bytes], dict[str, CopyDamaged]]:
    read, problems = {}, {}
    for entry, chunks in reader.contents(reader.entries()):
        try:
            read[entry.path] = b"".join(chunks)
        except CopyDamaged as error:
            problems[entry.path] = error
    return read, problems


def pack_of(place: Place, entry: Entry, reader: CopyReader) -> str:
    return f"{PACKS}/{(digest := reader.packs[entry.chunks[0].pack].digest.hex())[:2]}/{digest}"


@BOTH
@pytest.mark.parametrize("damage", ["gone", "changed", "cut off", "another", "too large"])
def test_a_damaged_pack_takes_its_files_and_no_others(
    counting: CountingPlace, tmp_path: Path, kind: str, damage: str
) -> None:
    write_copy(tmp_path, files=many(30), seal=SEALS[kind], files_a_pack=10)
    with reader_of(counting) as reader:
        entries = list(reader.entries())
        name = pack_of(counting, entries[10], reader)
        stored = counting.read(name, most_bytes=100_000)
        match damage:
            case "gone":
                counting.delete(name)
            case "changed":
                counting.put(name, stored[:60] + bytes([stored[60] ^ 4]) + stored[61:])
            case "cut off":
                counting.put(name, stored[:-1])
            case "another":
                counting.put(name, counting.read(pack_of(counting, entries[0], reader), most_bytes=100_000))
            case "too large":
                with (tmp_path / name).open("r+b") as file:
                    file.truncate(70 * 1024 * 1024)
        counting.fetched.clear()

        read, problems = read_with_problems(reader)

    assert [*problems] == [f"{number:05}" for number in range(10, 20)]
    assert read == {path: data for path, data in data_of(many(30)).items() if path not in problems}
    assert {error.fields["object"] for error in problems.values()} == {name}
    assert counting.fetched[name] <= 1


def test_a_file_whose_sha256_is_another_is_refused_at_its_end(tmp_path: Path) -> None:
    halves = [b"first half", b"second half"]
    draft = PackDraft(0)
    refs = [
        ChunkRef(0, draft.add(digest, half), len(half), digest)
        for half in halves
        for digest in [hashlib.sha256(half).digest()]
    ]
    payload = draft.payload()
    digest = PLAIN.digest(payload)
    place = directory_place(tmp_path)
    place.put(pack_name(digest), sealed_pack(payload, digest, PLAIN))
    wrong = Entry("wrong", bytes(32), 21, "text/plain", 0, tuple(refs))
    right = wrong._replace(path="right", sha256=hashlib.sha256(b"".join(halves)).digest())
    place.put(manifest_name("first"), manifest_of([right, wrong], [PackRef(digest, 1)]))

    with reader_of(place) as reader:
        read, problems = read_with_problems(reader)

    assert read == {"right": b"first halfsecond half"}
    assert [*problems] == ["wrong"]


def test_bytes_that_their_packer_had_wrong_are_never_seen(tmp_path: Path) -> None:
    claimed = hashlib.sha256(b"what it says").digest()
    draft = PackDraft(0)
    draft.add(claimed, b"what it is..")
    payload = draft.payload()
    digest = PLAIN.digest(payload)
    place = directory_place(tmp_path)
    place.put(pack_name(digest), sealed_pack(payload, digest, PLAIN))
    entry = Entry("a", claimed, 12, "text/plain", 0, (ChunkRef(0, 0, 12, claimed),))
    place.put(manifest_name("first"), manifest_of([entry], [PackRef(digest, 1)]))
    seen: list[bytes] = []

    with reader_of(place) as reader, pytest.raises(CopyDamaged):
        for _entry, chunks in reader.contents(reader.entries()):
            seen.extend(chunks)

    assert seen == []


class FailingPlace(CountingPlace):
    """Is away when it is asked for the second pack."""

    def fetch(self, name: str, to: BinaryIO, *, most_bytes: int) -> int:
        if name.startswith(PACKS) and sum(self.fetched.values()) == 2:
            self.fetched["failed"] = 0
            raise TargetUnavailable
        return super().fetch(name, to, most_bytes=most_bytes)


def test_a_target_that_is_away_is_no_damage(tmp_path: Path) -> None:
    write_copy(tmp_path, files=many(30), files_a_pack=10)
    place = FailingPlace(directory_place(tmp_path)._storage)  # type: ignore[attr-defined]
    place.fetched = Counter()

    with reader_of(place) as reader, pytest.raises(TargetUnavailable):
        contents_of(reader)


def test_what_the_target_refuses_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        directory_place(tmp_path).read("nothing", most_bytes=1)
