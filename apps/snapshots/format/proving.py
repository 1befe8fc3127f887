"""Reads a copy back: whether its packs hold what its manifest says. Needs no models, no database."""

import hashlib
import os
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from apps.snapshots.format.columns import scratch
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.manifests import ChunkRef, Entry
from apps.snapshots.format.reading import CopyReader, by_packs

SAMPLED_SHARE = 0.05
"""Of the packs of a copy, when only a sample of them is read."""
SAMPLED_FILES, MOST_SAMPLED_BYTES = 5, 64 * 1024 * 1024
"""Files whose packs are read then as well, none of them longer than this."""
_CHUNK = struct.Struct("!32sI")

Tell = Callable[[int, int], None]
"""Called between steps with how many of the packs have been read, and of how many."""


@dataclass(slots=True)
class Proven:
    """What was read back, and what of it is not as it should be."""

    packs: int = 0
    files: int = 0
    size_bytes: int = 0
    """As it lies in the target."""
    lost: dict[int, str] = field(default_factory=dict)
    """Packs by their number, with what is wrong with them."""
    wrong_files: int = 0
    """Files that do not have their sha256, or cannot be read."""
    suspects: set[int] = field(default_factory=set)
    """Packs that something of this may be wrong with: of all lost packs, and of all wrong files."""


def sampled(reader: CopyReader, chance: Random) -> set[int]:
    """Some packs of a copy, at least one where it has any, and those of some of its files."""
    numbers = range(len(reader.packs))
    wanted = set(chance.sample(numbers, max(round(len(numbers) * SAMPLED_SHARE), min(1, len(numbers)))))
    chosen: list[Entry] = []
    fitting = (entry for entry in reader.entries() if entry.chunks and entry.size_bytes <= MOST_SAMPLED_BYTES)
    for number, entry in enumerate(fitting):
        # Each of them is as likely to stay as any other, however many come.
        if number < SAMPLED_FILES:
            chosen.append(entry)
        elif (place := chance.randrange(number + 1)) < SAMPLED_FILES:
            chosen[place] = entry
    return wanted.union(*(_packs_of(entry) for entry in chosen))


def read_back(reader: CopyReader, packs: Collection[int], tell: Tell = lambda _done, _all: None) -> Proven:
    """Fetches some packs of a copy, each once, and proves what is in them and all files that lie in them alone.

    A pack with parts of large files may be fetched again. Raises what the place raises.
    """
    wanted = frozenset(packs)
    of_large = _packs_of_large_files(reader, wanted)
    found = Proven(packs=len(wanted))
    with _Indexes() as indexes:
        for done, number in enumerate(sorted(wanted - of_large)):
            tell(done, len(wanted))
            _read_pack(reader, number, found, indexes)
        for entry in _lying_in(reader, wanted):
            if of_large.isdisjoint(_packs_of(entry)):
                _judge(found, entry, is_whole=all(indexes.has(chunk) for chunk in entry.chunks))
        others = (entry for entry in _lying_in(reader, wanted) if not of_large.isdisjoint(_packs_of(entry)))
        doubtful: set[int] = set()
        for entry, content in reader.contents(by_packs(others)):
            is_whole = _is_whole(content, lambda: tell(len(wanted - of_large), len(wanted)))
            _judge(found, entry, is_whole=is_whole)
            doubtful |= set() if is_whole else _packs_of(entry)
        # Whether it is the packs, or what the manifest says of them.
        for number in sorted(doubtful):
            tell(len(wanted), len(wanted))
            _read_pack(reader, number, found, indexes)
    found.size_bytes = sum(reader.packs[number].stored_bytes for number in wanted - found.lost.keys())
    return found


def affected(reader: CopyReader, packs: Collection[int]) -> int:
    """How many files of a copy need one of these packs."""
    return sum(not _packs_of(entry).isdisjoint(packs) for entry in reader.entries()) if packs else 0


def _packs_of(entry: Entry) -> set[int]:
    return {chunk.pack for chunk in entry.chunks}


def _lying_in(reader: CopyReader, packs: frozenset[int]) -> Iterator[Entry]:
    """The files that need no other packs than these."""
    return (entry for entry in reader.entries() if _packs_of(entry) <= packs)


def _packs_of_large_files(reader: CopyReader, packs: frozenset[int]) -> set[int]:
    """The packs of the files that were cut: these are hashed from their first chunk to the last."""
    found: set[int] = set()
    for entry in _lying_in(reader, packs):
        if len(entry.chunks) > 1:
            found |= _packs_of(entry)
    return found


def _read_pack(reader: CopyReader, number: int, found: Proven, indexes: "_Indexes") -> None:
    index = []
    try:
        pack = reader.pack(number)
        for place, digest in enumerate(pack.digests):
            chunk = pack.chunk(place, digest)
            if hashlib.sha256(chunk).digest() != digest:
                raise CopyDamaged("A chunk of a pack does not have its sha256.", object=pack.name)
            index.append((digest, len(chunk)))
    except CopyDamaged as error:
        found.lost[number] = error.detail
        found.suspects.add(number)
    else:
        indexes.add(number, index)


def _is_whole(content: Iterable[bytes], tell: Callable[[], None]) -> bool:
    try:
        for _chunk in content:
            tell()
    except CopyDamaged:
        return False
    return True


def _judge(found: Proven, entry: Entry, *, is_whole: bool) -> None:
    found.files += 1
    if not is_whole:
        found.wrong_files += 1
        found.suspects |= _packs_of(entry)


class _Indexes:
    """What packs hold, as far as they were read and are whole; in a file that is gone at the end."""

    def __init__(self) -> None:
        self._file = scratch()
        self._spans: dict[int, tuple[int, int]] = {}

    def __enter__(self) -> "_Indexes":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, number: int, index: list[tuple[bytes, int]]) -> None:
        self._spans[number] = (self._file.seek(0, os.SEEK_END), len(index))
        self._file.write(b"".join(_CHUNK.pack(digest, size_bytes) for digest, size_bytes in index))

    def has(self, chunk: ChunkRef) -> bool:
        """Whether the chunk lies where the manifest says, and is as long."""
        start, count = self._spans.get(chunk.pack, (0, 0))
        if chunk.index >= count:
            return False
        self._file.seek(start + chunk.index * _CHUNK.size)
        return self._file.read(_CHUNK.size) == _CHUNK.pack(chunk.sha256, chunk.size_bytes)
