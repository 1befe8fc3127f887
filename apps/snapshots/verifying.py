"""Worker: looks whether a copy is whole, in its manifest, in the listing of its target, in its bytes.

What is missing or damaged is written down: the next upload makes it again or sends it anew. A target that is away is
no damage; a verification that could not end says nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from apps.blobs.room import check_room
from apps.blobs.spooling import CHUNK_BYTES
from apps.common.errors import NotFound
from apps.files.as_of import files_as_of
from apps.jobs.runs import JobRun
from apps.snapshots.copies import MANIFEST_MISSING, VERIFY
from apps.snapshots.errors import NotRestorable
from apps.snapshots.format.errors import CopyDamaged, CopyKeyMissing
from apps.snapshots.format.extracting import CannotExtract, extract
from apps.snapshots.format.manifests import Entry
from apps.snapshots.format.names import key_name, manifest_name
from apps.snapshots.format.proving import Proven, affected, read_back, sampled
from apps.snapshots.format.reading import CopyReader, unlisted
from apps.snapshots.losses import PACKS_LOST, note_lost_packs, note_whole_packs
from apps.snapshots.merging import joined, same
from apps.snapshots.models import CopyState, Pack, PackState, RemoteCopy, Snapshot, VerifyMode
from apps.snapshots.places.base import Place
from apps.snapshots.restoring import reader_of
from apps.snapshots.targets import place_of_repository
from apps.snapshots.trials import scratch_area

KIND = VERIFY
TIME_LIMIT_S = 24 * 3600.0

logger = structlog.get_logger(__name__)


def verify(run: JobRun, *, chance: Random | None = None) -> dict[str, Any]:
    """Verifies a copy; the job's subject is its public id, a colon, and a mode. Safe to kill anywhere.

    One that is known to be damaged is read whole, whatever was asked for: nothing less could tell that it is not.
    Raises what the target raises, `CopyKeyMissing`, `FormatUnknown`, and what keeps a trial restore from being made.
    """
    public_id, _, wanted = run.subject.partition(":")
    rows = RemoteCopy.objects.select_related("repository__target", "repository__workspace", "snapshot")
    copy = rows.filter(public_id=public_id).first()
    if copy is None:
        raise NotFound("The copy is gone.")
    if copy.state != CopyState.SEALED:
        raise NotRestorable("The upload of this copy is not complete.")
    mode = VerifyMode(wanted)
    if copy.damage and mode != VerifyMode.TRIAL:
        mode = VerifyMode.FULL
    look = _Look(run, copy, chance or SystemRandom())
    look.take(mode)
    _write_down(run, copy, mode, look)
    return {
        "copy": copy.name,
        "mode": str(mode),
        "packs": look.found.packs,
        "files": look.found.files,
        "read_bytes": look.found.size_bytes,
        "lost_packs": len(look.lost),
        "damage": look.damage,
    }


def _write_down(run: JobRun, copy: RemoteCopy, mode: VerifyMode, look: "_Look") -> None:
    rows = RemoteCopy.objects.filter(pk=copy.pk)
    own = Pack.objects.filter(repository_id=copy.repository_id)
    with transaction.atomic(durable=True):
        run.hold_fence()
        if look.damage:
            rows.update(damage=look.damage[:1000])
            lost = own.filter(digest__in=look.lost).values_list("pk", flat=True)
            note_lost_packs(copy.repository, list(lost))
        else:
            rows.update(verified_at=timezone.now(), verify_mode=mode, damage="")
            known_lost = own.filter(state=PackState.LOST, copy_links__copy=copy).values_list("pk", flat=True)
            note_whole_packs(copy.repository, list(known_lost))
    if look.damage:
        logger.warning("copy_damaged", copy_id=str(copy.public_id), mode=str(mode), lost_packs=len(look.lost))


class _Look:
    """One look at a copy. `damage` is what was found, as a sentence; empty where all is well."""

    def __init__(self, run: JobRun, copy: RemoteCopy, chance: Random) -> None:
        self._run = run
        self._copy = copy
        self._chance = chance
        self._place = place_of_repository(copy.repository)
        self.found = Proven()
        self.lost: list[bytes] = []
        self.damage = ""

    def take(self, mode: VerifyMode) -> None:
        try:
            reader = self._reader()
        except CopyDamaged as error:
            is_missing = self._place.stat(manifest_name(self._copy.name)) is None
            self.damage = MANIFEST_MISSING if is_missing else error.detail
            return
        except CopyKeyMissing as error:
            key_id = error.fields.get("key_id", "")
            if not key_id or self._place.stat(key_name(key_id)) is not None:
                raise
            self.damage = "The key that opens it is gone from the target."
            return
        with reader:
            self._take(reader, mode)

    def _reader(self) -> CopyReader:
        """Raises `CopyDamaged` only when it is damaged twice: the way to the target may have been at fault."""
        try:
            return _copy_reader(self._copy)
        except CopyDamaged:
            return _copy_reader(self._copy)

    def _take(self, reader: CopyReader, mode: VerifyMode) -> None:
        suspects = _odd_packs(reader, self._place)
        match mode:
            case VerifyMode.SAMPLE:
                self.found = read_back(reader, sampled(reader, self._chance), self._tell)
            case VerifyMode.FULL:
                self.found = read_back(reader, range(len(reader.packs)), self._tell)
            case VerifyMode.TRIAL:
                self.found = self._tried(reader)
        suspects |= self.found.suspects
        if suspects:
            # By a reader that remembers nothing: what is said of a copy was seen twice.
            with self._reader() as again:
                self._tell_damage(reader, read_back(again, suspects, self._tell))
        if not self.damage and mode in (VerifyMode.FULL, VerifyMode.TRIAL):
            self._compare(reader)

    def _tell(self, done: int, total: int) -> None:
        self._run.progress(done, total, f"{done} of {total} packs")

    def _tell_damage(self, reader: CopyReader, found: Proven) -> None:
        if not found.suspects:
            return
        self.lost = [reader.packs[number].digest for number in found.lost]
        if not found.lost:
            self.damage = f"{found.wrong_files} of {reader.header.files} files do not have their sha256."
            return
        files = affected(reader, found.lost.keys())
        first = min(found.lost)
        name = reader.packs[first].digest.hex()
        self.damage = (
            f"{PACKS_LOST}: {len(found.lost)} of {len(reader.packs)}, and {files} of {reader.header.files} files with "
            f"them. The first is {name}: {found.lost[first]}"
        )

    def _compare(self, reader: CopyReader) -> None:
        """Whether it has the files of its snapshot, while that is here."""
        snapshot = self._copy.snapshot
        if snapshot is None:
            return
        ours = files_as_of(snapshot.workspace_id, snapshot.sequence)
        differing = 0
        for _path, (theirs, our) in joined(reader.entries(), ours):
            self._run.check()
            differing += not same(theirs, our)
        # Once it is deleted, its history may go.
        if differing and Snapshot.objects.filter(pk=snapshot.pk).exists():
            self.damage = f"{differing} files are not those of the snapshot."

    def _tried(self, reader: CopyReader) -> Proven:
        """Restores all of it into a directory, and compares what then lies there."""
        check_room(object_bytes=reader.header.size_bytes)
        source = _Watched(self._run, reader)
        not_there: set[str] = set()

        def tell(entry: Entry, problem: str) -> None:
            if problem:
                not_there.add(entry.path)

        with scratch_area() as area:
            done = extract(source, area / "files", keep_going=True, tell=tell)
            for entry in reader.entries():
                self._run.check()
                if entry.path not in not_there and _sha256_of(area / "files" / entry.path) != entry.sha256:
                    raise CannotExtract("What was restored reads back as something else: see to this machine's disk.")
        packs = len(reader.packs)
        size_bytes = sum(pack.stored_bytes for pack in reader.packs)
        return Proven(packs, done.files, size_bytes, suspects=source.suspects)


@dataclass(slots=True)
class _Watched:
    """A copy whose damage is noted while its files are extracted."""

    _run: JobRun
    _reader: CopyReader
    suspects: set[int]

    def __init__(self, run: JobRun, reader: CopyReader) -> None:
        self._run, self._reader, self.suspects = run, reader, set()

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        return self._reader.entries(prefix)

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        total = self._reader.header.files
        for number, (entry, content) in enumerate(self._reader.contents(entries)):
            self._run.progress(number, total, f"{number} of {total} files")
            yield entry, self._watched(entry, content)

    def _watched(self, entry: Entry, content: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for chunk in content:
                self._run.check()
                yield chunk
        except CopyDamaged:
            self.suspects |= {chunk.pack for chunk in entry.chunks}
            raise


def _copy_reader(copy: RemoteCopy) -> CopyReader:
    reader = reader_of(copy)
    assert isinstance(reader, CopyReader)
    return reader


def _odd_packs(reader: CopyReader, place: Place) -> set[int]:
    """The packs of a copy that the target does not list as the manifest does."""
    missing = unlisted(place, {pack.digest: pack.stored_bytes for pack in reader.packs})
    return {number for number, pack in enumerate(reader.packs) if pack.digest in missing}


def _sha256_of(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
