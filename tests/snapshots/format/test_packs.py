"""Packs: what goes in comes out; whatever else lies in one's place is refused."""

import hashlib
import io
import os
import struct
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.names import copy_of, key_name, manifest_name, pack_digest, pack_name
from apps.snapshots.format.packs import MOST_PAYLOAD_BYTES, PACK_BYTES, Pack, PackDraft, open_pack, sealed_pack
from apps.snapshots.format.sealing import DataKey, Seal
from tests.snapshots.format import forging
from tests.snapshots.format.writing import KEY, PLAIN, SEALS, pack_of

BOTH = pytest.mark.parametrize("kind", SEALS)


def opened_pack(stored: bytes, digest: bytes, seal: Seal) -> Pack:
    return open_pack(io.BytesIO(stored), digest, seal)


def test_chunks_come_back() -> None:
    @given(st.lists(st.binary(max_size=200)), st.sampled_from(sorted(SEALS)))
    def holds(chunks: list[bytes], kind: str) -> None:
        seal = SEALS[kind]

        digest, stored = pack_of(chunks, seal)
        pack = opened_pack(stored, digest, seal)

        digests = [hashlib.sha256(chunk).digest() for chunk in chunks]
        assert pack.digests == digests
        assert [pack.chunk(index, digests[index]) for index in range(len(chunks))] == chunks

    holds()


def test_equal_chunks_make_different_packs() -> None:
    assert pack_of([b"one"])[0] != pack_of([b"one"])[0]


def test_nothing_of_an_encrypted_pack_can_be_read() -> None:
    digest, stored = pack_of([b"a secret word" * 50], KEY)

    assert b"secret" not in stored
    assert hashlib.sha256(b"a secret word" * 50).digest() not in stored
    with pytest.raises(CopyDamaged):
        opened_pack(stored, digest, DataKey(KEY.key_id, bytes(32)))


@BOTH
def test_a_pack_cut_off_anywhere_is_refused(kind: str) -> None:
    digest, stored = pack_of([b"one", b"two"], SEALS[kind])

    for size in range(len(stored)):
        with pytest.raises(CopyDamaged):
            opened_pack(stored[:size], digest, SEALS[kind])


@BOTH
def test_a_pack_with_any_byte_changed_is_refused(kind: str) -> None:
    digest, stored = pack_of([b"one", b"two"], SEALS[kind])

    for at in range(len(stored)):
        with pytest.raises(CopyDamaged):
            opened_pack(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :], digest, SEALS[kind])


def test_an_encrypted_pack_with_any_byte_changed_and_its_sum_set_right_is_refused() -> None:
    digest, stored = pack_of([b"one", b"two"], KEY)

    for at in range(len(stored) - 32):
        with pytest.raises(CopyDamaged):
            opened_pack(forging.summed(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 : -32]), digest, KEY)


@BOTH
def test_a_pack_in_another_ones_place_is_refused(kind: str) -> None:
    _, stored = pack_of([b"one"], SEALS[kind])
    digest, _ = pack_of([b"one"], SEALS[kind])

    with pytest.raises(CopyDamaged) as refusal:
        opened_pack(stored, digest, SEALS[kind])

    assert refusal.value.fields == {"object": pack_name(digest)}


def test_a_pack_of_another_key_or_of_none_is_refused() -> None:
    plain, encrypted = pack_of([b"one"], PLAIN), pack_of([b"one"], KEY)

    for (digest, stored), seal in [(plain, KEY), (encrypted, PLAIN)]:
        with pytest.raises(CopyDamaged) as refusal:
            opened_pack(stored, digest, seal)
        assert refusal.value.detail == "A pack was sealed with another key than its manifest."


def payload(count: int, *, index: bytes = b"", content: bytes = b"") -> bytes:
    return bytes(16) + struct.pack("!I", count) + index + content


ENTRY = struct.pack("!32sI", hashlib.sha256(b"one").digest(), 3)


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        bytes(19),
        payload(1),
        payload(2**32 - 1),
        payload(1, index=ENTRY),
        payload(1, index=ENTRY, content=b"on"),
        payload(1, index=ENTRY, content=b"ones"),
        payload(2, index=ENTRY * 2, content=b"one"),
        payload(1, index=struct.pack("!32sI", bytes(32), 2**32 - 1), content=b"one"),
        payload(0, content=b"x"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(forged: bytes) -> None:
    digest, stored = forging.pack(forged)

    with pytest.raises(CopyDamaged):
        opened_pack(stored, digest, PLAIN)


@pytest.mark.parametrize(
    ("said", "frame"),
    [
        (2**32 - 1, None),
        (MOST_PAYLOAD_BYTES + 1, None),
        (20, zstandard.ZstdCompressor(level=1).compress(bytes(500_000_000))),
        (MOST_PAYLOAD_BYTES, b"not zstd"),
        (20, b""),
        # Says of itself, in four bytes, that it has 256 MiB; and one whose window has 2 GiB.
        (20, bytes.fromhex("28b52ffd a0 00000010 010000")),
        (20, bytes.fromhex("28b52ffd 00 a8 010000")),
    ],
)
def test_a_bomb_is_refused_before_it_takes_memory(said: int, frame: bytes | None) -> None:
    digest, stored = forging.pack(payload(0), said=said, frame=frame)
    tracemalloc.start()
    try:
        with pytest.raises(CopyDamaged):
            opened_pack(stored, digest, PLAIN)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < MOST_PAYLOAD_BYTES + 8 * 1024 * 1024


def test_a_pack_of_a_million_empty_chunks_opens_in_little_memory() -> None:
    count = 400_000
    digest, stored = forging.pack(payload(count, index=bytes(36 * count)))
    tracemalloc.start()
    try:
        pack = opened_pack(stored, digest, PLAIN)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert pack.chunk(count - 1, bytes(32)) == b""
    assert peak < 50_000_000


def test_a_chunk_is_given_only_by_its_place_and_its_digest() -> None:
    digest, stored = pack_of([b"one", b"two"])
    pack = opened_pack(stored, digest, PLAIN)
    first = hashlib.sha256(b"one").digest()

    assert pack.chunk(0, first) == b"one"
    for index in (-2, -1, 1, 2, 1 << 62):
        with pytest.raises(CopyDamaged):
            pack.chunk(index, first)


def test_a_pack_is_full_when_content_and_index_are() -> None:
    large, tiny = PackDraft(0), PackDraft(1)

    large.add(bytes(32), bytes(PACK_BYTES))
    while not tiny.is_full:
        tiny.add(bytes(32), b"12345678")

    assert large.is_full
    assert PACK_BYTES <= len(tiny.payload()) < PACK_BYTES + 100
    assert isinstance(
        opened_pack(
            sealed_pack(tiny.payload(), PLAIN.digest(tiny.payload()), PLAIN), PLAIN.digest(tiny.payload()), PLAIN
        ),
        Pack,
    )


def test_no_pack_is_written_that_could_not_be_read() -> None:
    with pytest.raises(ValueError):
        sealed_pack(bytes(MOST_PAYLOAD_BYTES + 1), bytes(32), PLAIN)


def test_names_lead_back() -> None:
    digest = os.urandom(32)

    assert pack_digest(pack_name(digest)) == digest
    assert copy_of(manifest_name("manual_20260214_120000")) == "manual_20260214_120000"
    assert key_name(KEY.key_id) == f".memoryhub/keys/{KEY.key_id}.json"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        pack_name(bytes(32))[:-1],
        pack_name(bytes(32)) + "0",
        pack_name(b"\xab" * 32).upper(),
        pack_name(b"\xab" * 32).replace("ab" * 32, "AB" * 32),
        ".memoryhub/packs/  /" + " " * 64,
        ".memoryhub/packs/01/" + "00" * 32,
        "x/" + pack_name(bytes(32)),
    ],
)
def test_other_names_are_not_taken_for_packs(name: str) -> None:
    assert pack_digest(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "manifest.mhs",
        "/manifest.mhs",
        "../manifest.mhs",
        "./manifest.mhs",
        ".memoryhub/manifest.mhs",
        "a..b/manifest.mhs",
        "a/b/manifest.mhs",
        "a/manifest.json",
        "a b/manifest.mhs",
        "a\n/manifest.mhs",
        f"{'a' * 101}/manifest.mhs",
    ],
)
def test_other_names_are_not_taken_for_manifests(name: str) -> None:
    assert copy_of(name) is None
