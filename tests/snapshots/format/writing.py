"""Copies made by the hub's own format, for the tests of it: a whole one, and manifests and packs alone."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from apps.snapshots.format.chunking import WHOLE_BYTES, cut
from apps.snapshots.format.manifests import ChunkRef, Details, Entry, Header, ManifestWriter, PackRef
from apps.snapshots.format.names import key_name, manifest_name, pack_name
from apps.snapshots.format.packs import PackDraft, sealed_pack
from apps.snapshots.format.sealing import DataKey, MasterKeys, Seal, Unsealed
from apps.snapshots.places.base import Place
from apps.snapshots.places.opening import directory_place

MASTER_TEXT = f"test-1:{'5c' * 32}"
MASTERS = MasterKeys.parse(MASTER_TEXT)
PLAIN: Seal = Unsealed()
KEY = DataKey(UUID("01900000-0000-7000-8000-000000000001"), bytes(range(32)))
SEALS: dict[str, Seal] = {"plain": PLAIN, "encrypted": KEY}
CHANGED_AT = 1_760_000_000_123


class Content(NamedTuple):
    data: bytes
    content_type: str = "text/markdown"
    changed_at: int = CHANGED_AT


FILES: Mapping[str, Content] = {
    "a.md": Content(b"one"),
    "empty": Content(b"", "application/octet-stream", 0),
    "notes/b.md": Content(b"two" * 500, "text/plain; charset=utf-8", -86_400_000),
    "notes/c.md": Content(b"three"),
}


def header(name: str = "first", **others: object) -> Header:
    known = {
        "id": UUID("01900000-0000-7000-8000-00000000000a"),
        "name": name,
        "workspace": "default",
        "writer": UUID("01900000-0000-7000-8000-00000000000b"),
        "kind": "manual",
        "created_at": datetime(2026, 2, 14, 12, tzinfo=UTC),
        "parent": None,
        "files": 0,
        "size_bytes": 0,
    }
    return Header(**(known | others))  # type: ignore[arg-type]


def manifest_of(
    entries: Iterable[Entry], packs: Iterable[PackRef] = (), seal: Seal = PLAIN, *, name: str = "first"
) -> bytes:
    """A manifest alone."""
    writer, file = ManifestWriter(), io.BytesIO()
    for entry in entries:
        writer.add(entry)
    digest, size = writer.write(file, header(name), Details(7, "epoch", "why", ("one", "two"), "somebody"), packs, seal)
    assert file.getvalue()[-32:] == digest
    assert len(file.getvalue()) == size
    return file.getvalue()


def pack_of(chunks: Iterable[bytes], seal: Seal = PLAIN) -> tuple[bytes, bytes]:
    """A pack alone: its digest and its object."""
    draft = PackDraft(0)
    for chunk in chunks:
        draft.add(hashlib.sha256(chunk).digest(), chunk)
    payload = draft.payload()
    digest = seal.digest(payload)
    return digest, sealed_pack(payload, digest, seal)


def write_copy(
    folder: Path,
    name: str = "first",
    files: Mapping[str, Content] = FILES,
    seal: Seal = PLAIN,
    *,
    masters: MasterKeys = MASTERS,
    files_a_pack: int = 1000,
    scattered: int = 1,
) -> Place:
    """A whole copy in a repository; its place. `scattered` lays neighbours into so many packs in turn."""
    place = directory_place(folder)
    entries, drafts, full = [], {}, []
    for number, (path, content) in enumerate(sorted(files.items(), key=lambda item: item[0].encode())):
        pieces = [content.data] if 0 < len(content.data) <= WHOLE_BYTES else cut([content.data], seal.chunk_seed)
        refs = []
        for piece in pieces:
            turn = number % scattered
            if turn not in drafts:
                drafts[turn] = PackDraft(len(full))
                full.append(drafts[turn])
            sha256 = hashlib.sha256(piece).digest()
            refs.append(ChunkRef(drafts[turn].number, drafts[turn].add(sha256, piece), len(piece), sha256))
            if len(drafts[turn].chunks) == files_a_pack or drafts[turn].is_full:
                del drafts[turn]
        sha256 = hashlib.sha256(content.data).digest()
        entries.append(Entry(path, sha256, len(content.data), content.content_type, content.changed_at, tuple(refs)))
    packs = []
    for draft in full:
        payload = draft.payload()
        digest = seal.digest(payload)
        stored = sealed_pack(payload, digest, seal)
        place.put(pack_name(digest), stored)
        packs.append(PackRef(digest, len(stored)))
    if isinstance(seal, DataKey):
        place.put(key_name(seal.key_id), masters.wrapped(seal))
    place.put(manifest_name(name), manifest_of(entries, packs, seal, name=name))
    return place


def folder_of(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its bytes."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def data_of(files: Mapping[str, Content]) -> dict[str, bytes]:
    return {path: content.data for path, content in files.items()}
