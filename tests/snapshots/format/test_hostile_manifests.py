"""Manifests of somebody who knows the format, with every sum right: refused before anything is touched."""

import hashlib
import io
import json
import random
import tempfile
import tracemalloc
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import zstandard

from apps.common.errors import StorageFull
from apps.snapshots.format.errors import CopyDamaged, FormatUnknown
from apps.snapshots.format.manifests import MOST_BODY_BYTES, MOST_CHUNKS, MOST_PACKS, MOST_RATIO, Entry
from apps.snapshots.format.opening import open_manifest
from apps.snapshots.format.packs import MOST_PAYLOAD_BYTES
from apps.snapshots.format.sealing import Seal
from tests.snapshots.format.forging import DETAILS, body_of, compressed, file_columns, manifest, number, pack
from tests.snapshots.format.test_manifests import opened
from tests.snapshots.format.writing import PLAIN

ONE = body_of(**file_columns())
LARGE = 80_000_000


def refused(stored: bytes) -> CopyDamaged:
    with pytest.raises(CopyDamaged) as refusal:
        opened(stored)
    return refusal.value


def test_a_forged_manifest_with_nothing_wrong_is_taken() -> None:
    taken = opened(manifest(ONE, files=1))

    assert [entry.path for entry in taken.entries()] == ["a"]


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/etc/passwd",
        b"..",
        b"../a",
        b"a/../../b",
        b"a/..",
        b"./a",
        b"a//b",
        b"a/",
        b"a\\b",
        b"..\\a",
        b"C:\\a",
        b"a\nb",
        b"a\x7f",
        b"\xff",
        b"\xc0\xae\xc0\xae/a",
        b"\xed\xa0\x80",
        b".memoryhub/state",
        b".MemoryHub/state",
        b"x" * 256,
        b"x/" * 512 + b"x",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path: bytes) -> None:
    refused(manifest(body_of(**file_columns(path)), files=1))


@pytest.mark.parametrize("paths", [b"b\0a\0", b"a\0a\0"])
def test_paths_out_of_order_are_refused(paths: bytes) -> None:
    two = {name: value * 2 for name, value in file_columns().items()}

    refused(manifest(body_of(**two | {"paths": paths}), files=2))


@pytest.mark.parametrize(
    "columns",
    [
        {"sizes": number(1)},
        {"sizes": b""},
        {"sizes": b"\0\0"},
        {"sizes": b"\xff" * 9 + b"\x01"},
        {"times": b""},
        {"times": number(2**61)},
        {"times": number(2**61 - 1)},
        {"types": number(1)},
        {"types": number(2**62)},
        {"texts": b""},
        {"texts": b"a\0b\0"},
        {"texts": b"\xff\0"},
        {"texts": b"x" * 1025 + b"\0"},
        {"digests": b""},
        {"digests": bytes(64)},
        {"digests": bytes(31)},
        {"counts": number(1)},
        {"counts": number(1), "packs": b"\0", "indexes": b"\0"},
        {"packs": b"\0"},
        {"indexes": b"\0"},
        {"piece_sizes": b"\1", "piece_digests": bytes(32)},
        {"object_sizes": b"\1"},
        {"objects": bytes(32)},
        {"objects": bytes(32), "object_sizes": number(2**40)},
        {"paths": b"a"},
        {"paths": b"a\0b"},
        {"paths": b"a\0b\0"},
    ],
)
def test_columns_that_do_not_fit_each_other_are_refused(columns: dict[str, bytes]) -> None:
    refused(manifest(body_of(**file_columns(**columns)), files=1))


def chunked(count: int, sizes: bytes, **columns: bytes) -> dict[str, bytes]:
    """A file of 6 bytes in chunks of these sizes, in the only pack."""
    known = {
        "counts": number(count),
        "packs": bytes(count),
        "indexes": bytes(count),
        "piece_sizes": sizes,
        "piece_digests": bytes(32 * count),
        "objects": bytes(32),
        "object_sizes": b"\1",
    }
    return file_columns(size=6, **known | columns)


def test_chunks_that_fit_are_taken() -> None:
    taken: list[Entry] = list(opened(manifest(body_of(**chunked(2, b"\2\4")), files=1, size_bytes=6)).entries())

    assert [chunk.size_bytes for chunk in taken[0].chunks] == [2, 4]


@pytest.mark.parametrize(
    "columns",
    [
        chunked(2, b"\2\2"),
        chunked(2, b"\2\5"),
        chunked(2, b"\0\6"),
        chunked(3, b"\2\4"),
        chunked(2, b"\2\4\1"),
        chunked(2, number(2**62) + b"\4"),
        chunked(2, b"\2\4", packs=b"\0\2"),
        chunked(2, b"\2\4", packs=b"\1\0"),
        chunked(2, b"\2\4", indexes=b"\1\0"),
        chunked(2, b"\2\4", piece_digests=bytes(32)),
        chunked(2, b"\2\4", objects=b"", object_sizes=b""),
    ],
)
def test_chunks_that_do_not_fit_are_refused(columns: dict[str, bytes]) -> None:
    refused(manifest(body_of(**columns), files=1, size_bytes=6))


@pytest.mark.parametrize("sums", [{}, {"files": 2}, {"files": 1, "size_bytes": 1}])
def test_sums_that_do_not_agree_are_refused(sums: dict[str, int]) -> None:
    assert refused(manifest(ONE, **sums)).detail == "A manifest does not hold as much as its header says."


@pytest.mark.parametrize(
    "header",
    [
        {"id": "x"},
        {"id": 5},
        {"id": None},
        {"name": 5},
        {"name": "other"},
        {"workspace": None},
        {"workspace": "x" * 64},
        {"kind": "a\0b"},
        {"kind": "\ud800"},
        {"writer": []},
        {"created_at": "yesterday"},
        {"created_at": "2026-02-14T12:00:00"},
        {"created_at": "0001-01-01T00:00:00+14:00"},
        {"created_at": 7},
        {"parent": 5},
        {"parent": ""},
        {"vector": []},
        {"vector": {"one": "two"}},
        {"vector": {"01900000-0000-7000-8000-00000000000b": 5}},
        {"vector": {str(UUID(int=number)): str(UUID(int=number)) for number in range(65)}},
        {"files": -1},
        {"files": 1.5},
        {"files": True},
        {"files": 2**62},
        {"size_bytes": "1"},
        {"body_bytes": -1},
        {"encryption": "aes-256-gcm"},
        {"encryption": "aes-256-gcm", "key_id": "00000000-0000-0000-0000-000000000000", "nonce": "00" * 12},
        {"encryption": "aes-256-gcm", "key_id": "01900000-0000-7000-8000-000000000001", "nonce": "00" * 11},
        {"encryption": "aes-256-gcm", "key_id": "01900000-0000-7000-8000-000000000001", "nonce": 5},
        {"more": "x" * 65_536},
    ],
)
def test_headers_that_cannot_be_are_refused(header: dict[str, Any]) -> None:
    refused(manifest(ONE, **{"files": 1} | header))


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"[" * 60_000, b"\xff", b'{"format": 1' + b"0" * 5000 + b"}"])
def test_headers_that_are_no_object_are_refused(text: bytes) -> None:
    stored = b"MHSNAP1\n" + len(text).to_bytes(4, "big") + text
    with pytest.raises((CopyDamaged, FormatUnknown)):
        opened(stored + hashlib.sha256(stored).digest())


@pytest.mark.parametrize(
    "details",
    [
        [],
        None,
        {},
        {"sequence": -1},
        {"sequence": 2**63},
        {"sequence": True},
        {"tags": "text"},
        {"tags": [5]},
        {"tags": ["x" * 65]},
        {"tags": [""] * 1001},
        {"message": "x" * 1001},
        {"message": "a\0b"},
        {"message": "\ud800"},
        {"actor": 5},
        {"epoch": None},
    ],
)
def test_details_that_cannot_be_are_refused(details: Any) -> None:
    known = {"sequence": 7, "epoch": "", "message": "", "tags": [], "actor": "", "is_pinned": False}
    told = known | details if details else details
    text = json.dumps(told).encode()

    refused(manifest(len(text).to_bytes(4, "big") + text + ONE[-ONE_COLUMNS:], files=1))


ONE_COLUMNS = len(ONE) - 4 - int.from_bytes(ONE[:4], "big")


def test_fields_of_later_releases_are_passed_over() -> None:
    details = {"sequence": 7, "epoch": "", "message": "m", "tags": [], "actor": "", "is_pinned": True, "later": {}}

    taken = opened(manifest(body_of(details, **file_columns()), files=1, later=[1]))

    assert (taken.details.message, taken.details.is_pinned) == ("m", True)


@pytest.mark.parametrize(
    "stored",
    [
        manifest(ONE, files=1, format=2),
        manifest(ONE, files=1, format="1"),
        manifest(ONE, files=1, magic=b"MHSNAP2\n"),
        manifest(ONE, files=1, encryption="chacha20"),
        manifest(b"whatever it may be", frame=b"another compression", format=2, columns="others"),
    ],
)
def test_a_later_format_says_so(stored: bytes) -> None:
    with pytest.raises(FormatUnknown) as refusal:
        opened(stored)

    assert refusal.value.fields == {"object": "first/manifest.mhs"}


@pytest.mark.parametrize("stored", [b"", b"x", pack(bytes(20))[1], b"<html>Sign in to the network</html>" * 20])
def test_what_is_no_manifest_is_refused(stored: bytes) -> None:
    assert refused(stored).detail == "An object is not a manifest."


# --- Bombs


def without_memory(act: Callable[[], object], *, most: int = 32 * 1024 * 1024) -> None:
    tracemalloc.start()
    try:
        act()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


def test_a_body_that_shrinks_more_than_any_is_refused_before_it_is_unpacked() -> None:
    stored = manifest(b"", frame=compressed(bytes(LARGE)), body_bytes=LARGE)

    without_memory(lambda: refused(stored))

    assert refused(stored).detail == "A manifest says that it is far longer than it can be."


def test_a_body_that_is_longer_than_it_says_is_given_up() -> None:
    stored = manifest(ONE, frame=compressed(ONE + bytes(LARGE)), files=1)

    without_memory(lambda: refused(stored))


def test_a_body_that_is_shorter_than_it_says_is_refused() -> None:
    refused(manifest(ONE, body_bytes=len(ONE) + 1, files=1))
    refused(manifest(ONE, frame=compressed(ONE)[:-1], files=1))
    refused(manifest(ONE, frame=b"", files=1))


def test_a_window_that_is_larger_than_any_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(1, window_log=27, enable_ldm=True)
    frame = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    data = body_of(**file_columns())

    refused(manifest(data, frame=frame.compress(data) + frame.flush(), files=1))


def test_a_manifest_that_has_no_room_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    # It is long enough to have as many bytes as it says, and the temporary files lie where there is less.
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    stored = manifest(ONE, frame=bytes(MOST_BODY_BYTES // MOST_RATIO), body_bytes=MOST_BODY_BYTES, files=1)

    with pytest.raises(StorageFull):
        opened(stored)


@pytest.mark.parametrize(
    "columns",
    [
        {"paths": b"a" * LARGE},
        {"texts": b"a" * LARGE},
        {"sizes": b"\x80" * LARGE},
        {"paths": b"a" * LARGE + b"\0"},
    ],
)
def test_columns_without_end_take_no_memory(columns: dict[str, bytes]) -> None:
    stored = possible(**columns)

    without_memory(lambda: refused(stored))


def possible(*, size: int = 0, **columns: bytes) -> bytes:
    """A manifest with one file, and so much noise in its details that it could be as long as it is."""
    details = DETAILS | {"noise": random.Random(1).randbytes(400_000).hex()}
    return manifest(body_of(details, **file_columns(size=size, **columns)), files=1, size_bytes=size)


def test_more_chunks_than_a_file_can_have_are_refused() -> None:
    count = MOST_CHUNKS + 1
    columns = {
        "counts": number(count),
        "packs": bytes(count),
        "indexes": bytes(count),
        "piece_sizes": b"\1" * count,
        "piece_digests": bytes(32 * count),
        "objects": bytes(32),
        "object_sizes": b"\1",
    }

    assert refused(possible(size=count, **columns)).detail == "A file of a manifest has more chunks than any."


def test_more_packs_than_a_copy_can_have_are_refused() -> None:
    count = MOST_PACKS + 1
    columns = {"objects": bytes(32 * count), "object_sizes": b"\1" * count}

    assert refused(possible(**columns)).detail == "A manifest lists more packs than any."


def test_a_chunk_that_no_pack_can_hold_is_refused() -> None:
    size = MOST_PAYLOAD_BYTES + 1
    columns = {"counts": b"\1", "packs": b"\0", "indexes": b"\0", "objects": bytes(32), "object_sizes": b"\1"}

    refused(manifest(body_of(**file_columns(size=size, **columns)), files=1, size_bytes=size))


def test_a_column_that_is_longer_than_the_body_is_refused() -> None:
    for at in (ONE_COLUMNS, 8):
        body = ONE[:-at] + (1 << 62).to_bytes(8, "big") + ONE[len(ONE) - at + 8 :]
        refused(manifest(body, files=1))


def test_no_key_is_asked_for_before_the_sum_is_right() -> None:
    asked: list[UUID] = []
    stored = bytearray(manifest(ONE, files=1))
    stored[-1] ^= 1

    def seal_of(key_id: UUID) -> Seal:
        asked.append(key_id)
        return PLAIN

    with pytest.raises(CopyDamaged):
        open_manifest(io.BytesIO(bytes(stored)), "first", seal_of)

    assert asked == []
