"""Manifests: what goes in comes out, and a whole one only."""

import hashlib
import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.files.errors import BadPath
from apps.files.paths import checked_path
from apps.snapshots.format.errors import CopyDamaged, FormatUnknown
from apps.snapshots.format.manifests import (
    FIRST_TIME,
    LAST_TIME,
    MOST_PACKS,
    MOST_TYPES,
    ChunkRef,
    Details,
    Entry,
    Header,
    ManifestWriter,
    PackRef,
    read_head,
)
from apps.snapshots.format.opening import Manifest, open_manifest
from apps.snapshots.format.packs import MOST_PAYLOAD_BYTES, MOST_STORED_BYTES
from apps.snapshots.format.sealing import DataKey, Seal
from tests.services import ROOT
from tests.snapshots.format import forging
from tests.snapshots.format.writing import KEY, PLAIN, SEALS, header, manifest_of

BOTH = pytest.mark.parametrize("kind", SEALS)
PACKS = [PackRef(bytes([number]) * 32, 1000 + number) for number in range(5)]
DIGEST = hashlib.sha256(b"x").digest()


def opened(stored: bytes, seal: Seal = PLAIN, *, name: str = "first") -> Manifest:
    def seal_of(key_id: UUID) -> Seal:
        assert key_id == seal.key_id
        return seal

    manifest = open_manifest(io.BytesIO(stored), name, seal_of)
    manifest.check()
    return manifest


def whole(path: str, size: int = 5, *, pack: int = 0, index: int = 0, **others: Any) -> Entry:
    """A file of one chunk."""
    chunks = (ChunkRef(pack, index, size, DIGEST),) if size else ()
    return Entry(path, DIGEST, size, "text/plain", 0, chunks)._replace(**others)


def is_path(path: str) -> bool:
    try:
        checked_path(path)
    except BadPath:
        return False
    return True


SEGMENTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1, max_size=40)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join).filter(is_path)
DIGESTS = st.binary(min_size=32, max_size=32)
SIZES = st.integers(1, MOST_PAYLOAD_BYTES)
CHUNKS = st.builds(ChunkRef, st.integers(0, 4), st.integers(0, 1 << 20), SIZES, DIGESTS)
TYPES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=100)


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    found = []
    for path in sorted(draw(st.sets(PATHS, max_size=20)), key=str.encode):
        chunks, sha256 = tuple(draw(st.lists(CHUNKS, max_size=4))), draw(DIGESTS)
        if len(chunks) == 1:
            chunks = (chunks[0]._replace(sha256=sha256),)
        size = sum(chunk.size_bytes for chunk in chunks)
        found.append(Entry(path, sha256, size, draw(TYPES), draw(st.integers(FIRST_TIME, LAST_TIME)), chunks))
    return found


@given(entries(), st.sampled_from(sorted(SEALS)))
def test_any_files_come_back(files: list[Entry], kind: str) -> None:
    manifest = opened(manifest_of(files, PACKS, SEALS[kind]), SEALS[kind])

    assert list(manifest.entries()) == files
    assert list(manifest.entries()) == files
    assert manifest.packs == PACKS
    assert manifest.header == header(files=len(files), size_bytes=sum(entry.size_bytes for entry in files))
    assert manifest.details == Details(7, "epoch", "why", ("one", "two"), "somebody")
    assert manifest.key_id == SEALS[kind].key_id


def test_two_readings_of_a_manifest_do_not_disturb_each_other() -> None:
    files = [whole(f"{number:05}", index=number) for number in range(20_000)]
    manifest = opened(manifest_of(files, PACKS))

    assert list(zip(manifest.entries(), manifest.entries(), strict=True)) == list(zip(files, files, strict=True))


def test_more_content_types_than_are_remembered_come_back() -> None:
    kinds = [f"a/{number % (MOST_TYPES + 50)}" for number in range(2 * MOST_TYPES + 200)]
    files = [whole(f"{number:05}", content_type=kind) for number, kind in enumerate(kinds)]

    assert [entry.content_type for entry in opened(manifest_of(files, PACKS)).entries()] == kinds


def test_the_head_says_in_clear_what_the_document_promises() -> None:
    stored = manifest_of([whole("secret/path.md")], PACKS, KEY)

    head = read_head(io.BytesIO(stored), "first")

    assert head.header == header(files=1, size_bytes=5)
    assert head.key_id == KEY.key_id
    assert b"default" in stored
    assert b"secret" not in stored
    assert b"why" not in stored


def test_the_time_of_a_copy_is_in_utc() -> None:
    east = datetime(2026, 2, 14, 14, tzinfo=timezone(timedelta(hours=2)))
    writer, file = ManifestWriter(), io.BytesIO()
    writer.write(file, header(created_at=east), Details(1), [], PLAIN)

    assert opened(file.getvalue()).header.created_at == datetime(2026, 2, 14, 12, tzinfo=UTC)


# --- Damage


@BOTH
def test_a_manifest_cut_off_anywhere_is_refused(kind: str) -> None:
    stored = manifest_of([whole("a"), whole("b", 0)], PACKS, SEALS[kind])

    for size in range(len(stored)):
        with pytest.raises(CopyDamaged):
            opened(stored[:size], SEALS[kind])


@BOTH
@pytest.mark.parametrize("bit", [1, 128])
def test_a_manifest_with_any_byte_changed_is_refused(kind: str, bit: int) -> None:
    stored = manifest_of([whole("a"), whole("b", 0)], PACKS, SEALS[kind])

    for at in range(len(stored)):
        assert_refused(stored[:at] + bytes([stored[at] ^ bit]) + stored[at + 1 :], SEALS[kind])


def test_an_encrypted_manifest_with_any_byte_changed_and_its_sum_set_right_is_refused() -> None:
    stored = manifest_of([whole("a"), whole("b", 0)], PACKS, KEY)

    for at in range(len(stored) - 32):
        assert_refused(forging.summed(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 : -32]), KEY)


def assert_refused(stored: bytes, seal: Seal) -> None:
    """As damaged; where the format's number is hit, as of a later one; where the key's id is, for want of the key."""

    def seal_of(key_id: UUID) -> Seal:
        if key_id != seal.key_id:
            raise LookupError
        return seal

    with pytest.raises((CopyDamaged, FormatUnknown, LookupError)):
        open_manifest(io.BytesIO(stored), "first", seal_of).check()


@BOTH
def test_what_follows_a_manifest_is_refused(kind: str) -> None:
    with pytest.raises(CopyDamaged):
        opened(manifest_of([], seal=SEALS[kind]) + b"\0", SEALS[kind])


@BOTH
def test_the_manifest_of_another_copy_is_refused(kind: str) -> None:
    stored = manifest_of([whole("a")], PACKS, SEALS[kind], name="second")

    with pytest.raises(CopyDamaged) as refusal:
        opened(stored, SEALS[kind])

    assert refusal.value.detail == "A manifest lies in another copy's place."
    assert refusal.value.fields == {"object": "first/manifest.mhs"}


def test_the_body_of_another_copy_is_refused() -> None:
    ours, theirs = (manifest_of([whole(path)], PACKS, KEY) for path in "ab")
    head = len(read_head(io.BytesIO(ours), "first").raw)

    with pytest.raises(CopyDamaged):
        opened(forging.summed(ours[:head] + theirs[head:-32]), KEY)


def test_another_key_does_not_open_a_manifest() -> None:
    with pytest.raises(CopyDamaged) as refusal:
        opened(manifest_of([whole("a")], PACKS, KEY), DataKey(KEY.key_id, bytes(32)))

    assert refusal.value.fields == {"object": "first/manifest.mhs"}


# --- What cannot be written


@pytest.mark.parametrize(
    "entry",
    [
        whole("b", sha256=b"short"),
        whole("b", size_bytes=6),
        whole("b", size_bytes=-1),
        whole("b", MOST_PAYLOAD_BYTES + 1),
        whole("b", chunks=(ChunkRef(0, 0, 5, bytes(32)),)),
        whole("b", chunks=(ChunkRef(0, 0, 0, DIGEST), ChunkRef(0, 0, 5, DIGEST))),
        whole("b", chunks=(ChunkRef(0, 0, 2, b"short"), ChunkRef(0, 0, 3, DIGEST))),
        whole("b", changed_at=LAST_TIME + 1),
        whole("b", changed_at=FIRST_TIME - 1),
        whole("b", content_type="a\0b"),
        whole("b", content_type="x" * 1025),
        whole("a"),
        whole("A"),
    ],
)
def test_no_file_is_written_that_no_reader_would_take(entry: Entry) -> None:
    writer = ManifestWriter()
    writer.add(whole("a"))

    with pytest.raises(ValueError):
        writer.add(entry)


@pytest.mark.parametrize("path", ["", "/a", "a/../b", "a//b", ".memoryhub/x", "a\nb", "x" * 256])
def test_no_bad_path_is_written(path: str) -> None:
    with pytest.raises((BadPath, ValueError)):
        ManifestWriter().add(whole(path))


@pytest.mark.parametrize(
    "pack", [PackRef(b"short", 1), PackRef(bytes(32), MOST_STORED_BYTES + 1), PackRef(bytes(32), -1)]
)
def test_no_pack_is_written_that_no_reader_would_take(pack: PackRef) -> None:
    with pytest.raises(ValueError):
        manifest_of([], [pack])


def test_no_more_packs_are_written_than_a_reader_takes() -> None:
    writer = ManifestWriter()

    with pytest.raises(ValueError):
        writer.write(io.BytesIO(), header(), Details(1), (PACKS[0] for _ in range(MOST_PACKS + 1)), PLAIN)


@pytest.mark.parametrize(
    ("head", "details"),
    [
        ({"workspace": "x" * 64}, {}),
        ({"kind": "x" * 17}, {}),
        ({}, {"message": "x" * 1001}),
        ({}, {"tags": ("tag",) * 1001}),
        ({}, {"actor": "a\0b"}),
    ],
)
def test_nothing_is_written_beside_the_files_that_no_reader_would_take(
    head: dict[str, Any], details: dict[str, Any]
) -> None:
    file = io.BytesIO()

    with pytest.raises(ValueError):
        ManifestWriter().write(file, header(**head), Details(1, **details), [], PLAIN)

    assert file.getvalue() == b""


@pytest.mark.parametrize("parent", [None, UUID("01900000-0000-7000-8000-00000000000c")])
def test_headers_come_back(parent: UUID | None) -> None:
    vector = {UUID(int=number): UUID(int=100 - number) for number in range(64)}
    given_header: Header = header(parent=parent, kind="scheduled", workspace="x" * 63, vector=vector)
    writer, file = ManifestWriter(), io.BytesIO()
    writer.write(file, given_header, Details(1), [], PLAIN)

    assert opened(file.getvalue()).header == given_header


def test_of_many_writers_the_newest_copies_are_told() -> None:
    vector = {UUID(int=number): UUID(int=1000 - number) for number in range(100)}
    writer, file = ManifestWriter(), io.BytesIO()
    writer.write(file, header(vector=vector), Details(1), [], PLAIN)

    assert opened(file.getvalue()).header.vector == {UUID(int=number): UUID(int=1000 - number) for number in range(64)}


def test_the_sums_of_what_was_written_are_exact() -> None:
    files = [whole(f"{number:03}", number) for number in range(1, 100)]

    manifest = opened(manifest_of(files, PACKS))

    assert (manifest.header.files, manifest.header.size_bytes) == (99, list(accumulate(range(100)))[-1])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], cwd=ROOT, capture_output=True, text=True, check=True)

    grown_bytes, bytes_a_file = map(float, done.stdout.split())
    assert grown_bytes < 40_000_000
    assert bytes_a_file < 34


MEASURED = """
import hashlib, resource, tempfile
from tests.snapshots.format.test_manifests import *
def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def files(count):
    for number in range(count):
        digest = hashlib.sha256(b"%d" % number).digest()
        chunk = ChunkRef(number // 8000, number % 8000, 2048, digest)
        yield Entry(f"notes/{number // 1000:05}/{number:07}.md", digest, 2048, "text/markdown", number * 977, (chunk,))
before = used()
writer = ManifestWriter()
for entry in files(150_000):
    writer.add(entry)
with tempfile.TemporaryFile() as file:
    _digest, size = writer.write(file, header(), Details(1), PACKS * 4, KEY)
    manifest = open_manifest(file, "first", lambda key_id: KEY)
manifest.check()
assert sum(1 for _ in manifest.entries()) == 150_000
print(used() - before, size / 150_000)
"""
