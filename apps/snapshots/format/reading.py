"""Reads copies of whatever hub. Needs the place where they lie and the master keys: no models, no database."""

import errno
import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from typing import Self
from uuid import UUID

from apps.common.errors import StorageFull
from apps.snapshots.format.columns import scratch
from apps.snapshots.format.errors import CopyDamaged, CopyKeyMissing
from apps.snapshots.format.manifests import (
    MOST_HEAD_BYTES,
    MOST_MANIFEST_BYTES,
    ChunkRef,
    Details,
    Entry,
    Header,
    PackRef,
    read_head,
)
from apps.snapshots.format.names import PACKS, key_name, manifest_name, pack_digest, pack_name
from apps.snapshots.format.opening import Manifest, open_manifest
from apps.snapshots.format.packs import MOST_STORED_BYTES, Pack, open_pack
from apps.snapshots.format.sealing import MOST_KEY_BYTES, NO_KEY, MasterKeys, Seal, Unsealed
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import ObjectMissing, ObjectTooLarge

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
HELD_BYTES = 40 * 1024 * 1024
"""Opened packs that are kept; the one that comes next is beside them. Together some 64 MiB for packs of 16 MiB."""
MOST_AHEAD, MOST_CHUNKS_AHEAD = 4096, 65_536
"""Files, and chunks of them, that are looked at to see which pack comes next."""
MOST_SORTED, MOST_CHUNKS_SORTED = 16_384, 131_072
"""And that are put into the order of their packs."""


def header_at(place: Place, name: str) -> Header:
    """What the manifest of a copy says in clear, none of it proven: one small request.

    Raises `ObjectMissing`, `CopyDamaged`, `FormatUnknown`, and what the place raises.
    """
    return read_head(BytesIO(place.beginning(manifest_name(name), MOST_HEAD_BYTES)), name).header


def unlisted(place: Place, expected: Mapping[bytes, int]) -> set[bytes]:
    """Those of the packs, by digest, that the place does not list with their size. Raises what the place raises."""
    missing = dict(expected)
    for entry in place.names(PACKS) if missing else ():
        digest = pack_digest(entry.name)
        if digest is not None and missing.get(digest) == entry.size_bytes:
            del missing[digest]
    return set(missing)


class Seals:
    """The seals of one repository, by the ids of their keys, each asked for once.

    `only_encrypted` refuses copies that are not: whoever can write into the target could have put them there.
    """

    def __init__(self, place: Place, masters: MasterKeys, *, only_encrypted: bool = False) -> None:
        self._place = place
        self._masters = masters
        self._only_encrypted = only_encrypted
        self._known: dict[UUID, Seal] = {}

    def of(self, key_id: UUID) -> Seal:
        """Raises `CopyKeyMissing`, `CopyDamaged`, `FormatUnknown`, and what the place raises."""
        if key_id not in self._known:
            self._known[key_id] = self._found(key_id)
        return self._known[key_id]

    def _found(self, key_id: UUID) -> Seal:
        if key_id == NO_KEY:
            if self._only_encrypted:
                raise CopyDamaged(
                    "The copy is not encrypted, as all of this target are to be: it is older than the key, or somebody "
                    "else has put it there. `memoryhub snapshot extract` reads it."
                )
            return Unsealed()
        name = key_name(key_id)
        if not self._masters:
            raise CopyKeyMissing(
                "The copy is encrypted: set MEMORYHUB_SNAPSHOT_KEY to the master key of the hub that wrote it.",
                key_id=str(key_id),
            )
        try:
            key = self._masters.unwrapped(self._place.read(name, most_bytes=MOST_KEY_BYTES))
        except ObjectMissing as error:
            raise CopyKeyMissing(
                f"The key of the copy, {name}, is gone from the target.", key_id=str(key_id)
            ) from error
        except ObjectTooLarge as error:
            raise CopyDamaged("The key's object is larger than any.", object=name) from error
        except CopyDamaged as error:
            raise CopyDamaged(error.detail, object=name) from error
        if key.key_id != key_id:
            raise CopyDamaged("The key's object holds another key.", object=name)
        return key


class CopyReader:
    """A copy whose manifest was read, proven and checked through when it is made. Used as a context manager.

    For one thread at a time. Raises `CopyDamaged`, `CopyKeyMissing`, `FormatUnknown`, `StorageFull` where there is no
    room for the manifest, and what the place raises.
    """

    def __init__(self, place: Place, name: str, seals: Seals) -> None:
        self.name = name
        self._manifest = _manifest(place, name, seals)
        try:
            self._manifest.check()
            self._packs = _OpenPacks(place, self._manifest.packs, seals.of(self._manifest.key_id))
        except BaseException:
            self._manifest.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._packs.close()
        self._manifest.close()

    @property
    def header(self) -> Header:
        return self._manifest.header

    @property
    def details(self) -> Details:
        return self._manifest.details

    @property
    def digest(self) -> bytes:
        """The sha256 at the end of the manifest."""
        return self._manifest.digest

    @property
    def is_encrypted(self) -> bool:
        return self._manifest.key_id != NO_KEY

    @property
    def packs(self) -> Sequence[PackRef]:
        """All that the copy needs."""
        return self._manifest.packs

    def pack(self, number: int) -> Pack:
        """One of them, fetched now and proven. Raises `CopyDamaged`."""
        return self._packs.fetched(number)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Its files in the order of their paths' bytes: all, those below a folder (`notes/`), or one by its path."""
        if not prefix:
            yield from self._manifest.entries()
            return
        one, folder = prefix.removesuffix("/"), prefix.removesuffix("/") + "/"
        for entry in self._manifest.entries():
            if entry.path == one or entry.path.startswith(folder):
                yield entry

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Files of the copy with their bytes, in the order that they are given in.

        Read the bytes of one before asking for the next, or not at all. At their end they have the file's sha256 and
        size, or `CopyDamaged` is raised: use nothing of them before. After that the other files can still be read.
        A pack is fetched once where the order is that of `by_packs`, or of a copy that was written in one go.
        """
        for ahead in _batches(entries, MOST_AHEAD, MOST_CHUNKS_AHEAD):
            order = list(dict.fromkeys(chunk.pack for entry in ahead for chunk in entry.chunks))
            following = dict(pairwise(order))
            for entry in ahead:
                yield entry, self._content(entry, following)

    def _content(self, entry: Entry, following: dict[int, int]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for number, chunk in enumerate(entry.chunks, 1):
            data = self._packs.chunk(chunk, following.get(chunk.pack))
            digest.update(data)
            # The only chunk of a file is proven before anybody sees it.
            if number == len(entry.chunks) and digest.digest() != entry.sha256:
                break
            yield data
        if digest.digest() != entry.sha256:
            lies_in = pack_name(self.packs[entry.chunks[0].pack].digest) if entry.chunks else manifest_name(self.name)
            raise CopyDamaged("A file of the copy does not have its sha256.", object=lies_in)


def by_packs(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Files, thousands at a time, in the order in which their first chunks lie in the packs.

    A copy whose files came little by little has neighbours in many packs: in the order of their paths the same packs
    would be fetched over and over.
    """
    for some in _batches(entries, MOST_SORTED, MOST_CHUNKS_SORTED):
        yield from sorted(some, key=_first_place)


def _first_place(entry: Entry) -> tuple[int, int]:
    return entry.chunks[0][:2] if entry.chunks else (-1, -1)


def _batches(entries: Iterable[Entry], most: int, most_chunks: int) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    chunks = 0
    for entry in entries:
        batch.append(entry)
        chunks += len(entry.chunks)
        if len(batch) >= most or chunks >= most_chunks:
            yield batch
            batch, chunks = [], 0
    if batch:
        yield batch


def _manifest(place: Place, name: str, seals: Seals) -> Manifest:
    try:
        with _told_of_room(), scratch() as file:
            place.fetch(manifest_name(name), file, most_bytes=MOST_MANIFEST_BYTES)
            return open_manifest(file, name, seals.of)
    except ObjectMissing as error:
        raise CopyDamaged(
            "There is no manifest: the upload of the copy never ended, or it was deleted.", object=manifest_name(name)
        ) from error
    except ObjectTooLarge as error:
        raise CopyDamaged("A manifest is larger than any.", object=manifest_name(name)) from error


@contextmanager
def _told_of_room() -> Iterator[None]:
    """Raises `StorageFull` where the disk of the scratch files is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StorageFull(f"There is no room in {tempfile.gettempdir()} to unpack what the target holds.") from error


class _OpenPacks:
    """The packs of a copy: the last few stay open, and while one is read the next is on its way."""

    def __init__(self, place: Place, packs: Sequence[PackRef], seal: Seal) -> None:
        self._place = place
        self._refs = packs
        self._seal = seal
        self._held: OrderedDict[int, Pack] = OrderedDict()
        self._damage: dict[int, str] = {}
        self._coming: tuple[int, Future[Pack]] | None = None
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        self._held.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def chunk(self, ref: ChunkRef, following: int | None) -> bytes:
        """A chunk. The pack that is asked for after this one begins to be fetched. Raises `CopyDamaged`."""
        pack = self._held.get(ref.pack)
        if pack is None:
            pack = self._opened(ref.pack)
            self._hold(ref.pack, pack)
            self._expect(following)
        else:
            self._held.move_to_end(ref.pack)
        data = pack.chunk(ref.index, ref.sha256)
        if len(data) != ref.size_bytes:
            raise CopyDamaged("A chunk is not as long as the manifest says.", object=pack.name)
        return data

    def _opened(self, number: int) -> Pack:
        if number in self._damage:
            raise CopyDamaged(self._damage[number], object=pack_name(self._refs[number].digest))
        try:
            if self._coming is not None and self._coming[0] == number:
                coming, self._coming = self._coming[1], None
                return coming.result()
            return self.fetched(number)
        except CopyDamaged as error:
            # So that it is not fetched again for each of its files.
            self._damage[number] = error.detail
            raise

    def fetched(self, number: int) -> Pack:
        """Runs in a thread of its own, too."""
        digest = self._refs[number].digest
        name = pack_name(digest)
        try:
            with _told_of_room(), scratch() as file:
                self._place.fetch(name, file, most_bytes=MOST_STORED_BYTES)
                return open_pack(file, digest, self._seal)
        except ObjectMissing as error:
            raise CopyDamaged("A pack is missing in the target.", object=name) from error
        except ObjectTooLarge as error:
            raise CopyDamaged("A pack is larger than any.", object=name) from error

    def _expect(self, number: int | None) -> None:
        if number is None or number in self._held or number in self._damage:
            return
        if self._coming is not None and self._coming[0] == number:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="packs")
        self._coming = (number, self._pool.submit(self.fetched, number))

    def _hold(self, number: int, pack: Pack) -> None:
        self._held[number] = pack
        while len(self._held) > 1 and sum(held.size_bytes for held in self._held.values()) > HELD_BYTES:
            self._held.popitem(last=False)
