"""What an upload does with content: finds what the target has, reads and packs what it lacks."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from apps.blobs.content import StoredBlob
from apps.blobs.errors import BlobCorrupt
from apps.blobs.objects import blob_chunks
from apps.blobs.queries import stored_blobs
from apps.common.http import Transient
from apps.files.as_of_sql import AsOfRow
from apps.jobs.runs import JobRun
from apps.snapshots import sql
from apps.snapshots.format.chunking import WHOLE_BYTES, cut
from apps.snapshots.format.manifests import ChunkRef, PackRef
from apps.snapshots.format.names import pack_name
from apps.snapshots.format.packs import PackDraft, sealed_pack
from apps.snapshots.format.sealing import Seal
from apps.snapshots.models import CutFile, Pack, PackState, RemoteCopy
from apps.snapshots.places.base import Place

READ_AT_ONCE = 256
READ_BYTES_AT_ONCE = 4 * 1024 * 1024
MOST_ON_THE_WAY = 1
"""Packs that are being sent while the next one is filled: one holds some 50 MB."""


@dataclass(slots=True)
class Totals:
    """Bytes of content that had to be sent, and that the target had; and what went over the wire for it."""

    new_bytes: int = 0
    reused_bytes: int = 0
    sent_bytes: int = 0


@dataclass(slots=True)
class _Sent:
    """A pack on its way."""

    row: Pack
    draft_number: int
    digests: list[bytes]
    sizes: list[int]
    done: "Future[int]"


@dataclass(slots=True)
class ContentSender:
    """Brings the content of one copy into its target, pack by pack, in the order of its files.

    Rows are written by the caller's thread: before a pack is sent, and in one transaction after it arrived. Killed
    anywhere, what arrived is found by the next run. Used as a context manager.
    """

    run: JobRun
    copy: RemoteCopy
    place: Place
    seal: Seal
    totals: Totals = field(default_factory=Totals)
    _packs: list[PackRef | None] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)
    _on_board: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    """Chunks of packs that have no rows yet: number of the pack, index, size."""
    _small: PackDraft | None = None
    _large: PackDraft | None = None
    _sent: deque[_Sent] = field(default_factory=deque)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MOST_ON_THE_WAY))

    def __enter__(self) -> "ContentSender":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def packs(self) -> list[PackRef]:
        """All that the copy needs, by their numbers, after `finish`."""
        return [pack for pack in self._packs if pack is not None]

    def refs(self, rows: Sequence[AsOfRow]) -> Iterator[tuple[AsOfRow, tuple[ChunkRef, ...]]]:
        """The files with where their chunks lie, or will; sends what the target lacks. Raises `BlobCorrupt`."""
        cut_before = self._cut_before(rows)
        wanted = {row.sha256 for row in rows if 0 < row.size_bytes <= WHOLE_BYTES}
        wanted.update(sha256 for pieces in cut_before.values() for sha256, _ in pieces)
        known = self._linked(sql.known_chunks(self.copy.repository_id, self.seal.key_id, wanted))
        # Now, not when the file's turn comes: by then its pack may have arrived, and be on board no more.
        known |= {sha256: ref for sha256 in wanted - known.keys() if (ref := self._boarded(sha256)) is not None}
        missing = [row for row in rows if 0 < row.size_bytes <= WHOLE_BYTES and row.sha256 not in known]
        contents = self._contents({row.sha256: row.size_bytes for row in missing})
        for row in rows:
            if not row.size_bytes:
                yield row, ()
            elif row.size_bytes > WHOLE_BYTES:
                yield row, self._large_refs(row, cut_before.get(row.sha256), known)
            else:
                yield row, (self._small_ref(row, known, contents),)

    def finish(self) -> None:
        """Sends what is left, and waits until all of it arrived."""
        for draft in (self._small, self._large):
            if draft is not None:
                self._send(draft)
        self._small = self._large = None
        while self._sent:
            self._arrived(self._sent.popleft())

    # --- Small files

    def _small_ref(
        self, row: AsOfRow, known: dict[bytes, ChunkRef], contents: Iterator[tuple[bytes, bytes]]
    ) -> ChunkRef:
        found = known.get(row.sha256)
        if found is not None:
            self.totals.reused_bytes += row.size_bytes
            return found
        sha256, content = next(contents)
        if sha256 != row.sha256:
            raise AssertionError("contents come in the order of the files that lack them")
        self._small = self._small or self._draft()
        ref = self._packed(self._small, sha256, content)
        known[sha256] = ref
        if self._small.is_full:
            self._send(self._small)
            self._small = None
        return ref

    def _contents(self, wanted: dict[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
        """The bytes of small blobs with their digests, in the order in which they are wanted, a few MiB at once."""
        for batch in _batches(wanted):
            blobs = stored_blobs(self.copy.repository.workspace_id, batch)
            for sha256 in batch:
                yield sha256, _proven(blobs.get(sha256), sha256)

    # --- Large files

    def _cut_before(self, rows: Sequence[AsOfRow]) -> dict[bytes, list[tuple[bytes, int]]]:
        large = {row.sha256 for row in rows if row.size_bytes > WHOLE_BYTES}
        found = sql.cut_files(self.copy.repository_id, large)
        return {sha256: list(sql.CUT_PIECE.iter_unpack(pieces)) for sha256, pieces in found.items()}

    def _large_refs(
        self, row: AsOfRow, pieces: list[tuple[bytes, int]] | None, known: dict[bytes, ChunkRef]
    ) -> tuple[ChunkRef, ...]:
        if pieces is not None and all(sha256 in known for sha256, _ in pieces):
            self.totals.reused_bytes += row.size_bytes
            return tuple(known[sha256] for sha256, _ in pieces)
        blob = stored_blobs(self.copy.repository.workspace_id, [row.sha256]).get(row.sha256)
        if blob is None:
            raise BlobCorrupt("The bytes of a file are gone.")
        refs = []
        for chunk in cut(blob_chunks(blob, 0, blob.size_bytes), self.seal.chunk_seed):
            self.run.check()
            refs.append(self._large_ref(chunk))
        described = b"".join(sql.CUT_PIECE.pack(ref.sha256, ref.size_bytes) for ref in refs)
        CutFile.objects.update_or_create(
            repository_id=self.copy.repository_id, sha256=row.sha256, defaults={"chunks": described}
        )
        return tuple(refs)

    def _large_ref(self, chunk: bytes) -> ChunkRef:
        sha256 = hashlib.sha256(chunk).digest()
        found = self._boarded(sha256)
        if found is None:
            found = self._linked(sql.known_chunks(self.copy.repository_id, self.seal.key_id, [sha256])).get(sha256)
        if found is not None:
            self.totals.reused_bytes += len(chunk)
            return found
        self._large = self._large or self._draft()
        ref = self._packed(self._large, sha256, chunk)
        if self._large.is_full:
            self._send(self._large)
            self._large = None
        return ref

    # --- Packs

    def _boarded(self, sha256: bytes) -> ChunkRef | None:
        place = self._on_board.get(sha256)
        return None if place is None else ChunkRef(place[0], place[1], place[2], sha256)

    def _linked(self, chunks: dict[bytes, sql.KnownChunk]) -> dict[bytes, ChunkRef]:
        """Where known chunks lie in the manifest's numbers, their packs needed by this copy from now on."""
        fresh = sorted({chunk.pack_id for chunk in chunks.values()} - self._numbers.keys())
        if fresh:
            if not sql.link_packs(self.copy.pk, fresh):
                raise Transient("A pack that was to be used again is on its way out.")
            for pack_id, digest, stored_bytes in Pack.objects.filter(pk__in=fresh).values_list(
                "pk", "digest", "stored_bytes"
            ):
                self._numbers[pack_id] = len(self._packs)
                self._packs.append(PackRef(bytes(digest), stored_bytes))
        return {
            sha256: ChunkRef(self._numbers[chunk.pack_id], chunk.position, chunk.size_bytes, sha256)
            for sha256, chunk in chunks.items()
        }

    def _draft(self) -> PackDraft:
        self._packs.append(None)
        return PackDraft(len(self._packs) - 1)

    def _packed(self, draft: PackDraft, sha256: bytes, chunk: bytes) -> ChunkRef:
        index = draft.add(sha256, chunk)
        self._on_board[sha256] = (draft.number, index, len(chunk))
        self.totals.new_bytes += len(chunk)
        return ChunkRef(draft.number, index, len(chunk), sha256)

    def _send(self, draft: PackDraft) -> None:
        while len(self._sent) >= MOST_ON_THE_WAY:
            self._arrived(self._sent.popleft())
        self.run.check()
        payload = draft.payload()
        sizes = [len(chunk) for chunk in draft.chunks]
        draft.chunks.clear()
        digest = self.seal.digest(payload)
        row = Pack.objects.create(
            repository_id=self.copy.repository_id,
            digest=digest,
            salt=draft.salt,
            key_id=self.seal.key_id,
            state=PackState.UPLOADING,
            content_bytes=draft.content_bytes,
            created_at=timezone.now(),
        )
        done = self._pool.submit(_put, self.place, [payload], digest, self.seal)
        self._sent.append(_Sent(row, draft.number, draft.digests, sizes, done))

    def _arrived(self, sent: _Sent) -> None:
        stored_bytes = sent.done.result()
        digest = bytes(sent.row.digest)
        with transaction.atomic(durable=True):
            self.run.hold_fence()
            Pack.objects.filter(pk=sent.row.pk).update(state=PackState.STORED, stored_bytes=stored_bytes)
            sql.add_chunks(self.copy.repository_id, sent.row.pk, sent.digests, sent.sizes)
            sql.link_packs(self.copy.pk, [sent.row.pk])
        self._numbers[sent.row.pk] = sent.draft_number
        self._packs[sent.draft_number] = PackRef(digest, stored_bytes)
        for sha256 in sent.digests:
            # A small file may be a piece of a large one, and have been packed twice.
            self._on_board.pop(sha256, None)
        self.totals.sent_bytes += stored_bytes


def _put(place: Place, payloads: list[bytes], digest: bytes, seal: Seal) -> int:
    """Runs in a thread of its own, without a database. How many bytes were stored.

    Takes the only payload out of the list, so that nobody holds it while the pack travels.
    """
    stored = sealed_pack(payloads.pop(), digest, seal)
    place.put(pack_name(digest), stored)
    return len(stored)


def _batches(wanted: dict[bytes, int]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for sha256, size_bytes in wanted.items():
        if batch and (len(batch) == READ_AT_ONCE or size + size_bytes > READ_BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(sha256)
        size += size_bytes
    if batch:
        yield batch


def _proven(blob: StoredBlob | None, sha256: bytes) -> bytes:
    """The bytes of a small blob. Raises `BlobCorrupt` where they are gone, or others."""
    if blob is None:
        raise BlobCorrupt("The bytes of a file are gone.")
    content = b"".join(blob_chunks(blob, 0, blob.size_bytes))
    if hashlib.sha256(content).digest() != sha256:
        raise BlobCorrupt("The stored bytes do not have their sha256.")
    return content
