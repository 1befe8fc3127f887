"""Brings the original's backups into a workspace, oldest first: each a state of a folder, and a snapshot of its name.

Safe to kill anywhere and to run again: a backup comes whole with its snapshot, by which it is known later. Nothing that
was written at the hub is overwritten: the folder has to be as the last import has left it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import BadJson, DomainError
from apps.common.forms import parsed_json
from apps.dialects.cloud_sync.layouts import (
    CONFIG,
    MARKDOWN,
    METADATA,
    BadBackup,
    backup_prefix,
    backup_time,
    files_of,
)
from apps.dialects.cloud_sync.outcomes import Outcome, Row
from apps.dialects.cloud_sync.places import SourceError, folders_of
from apps.dialects.totals import Totals
from apps.files.as_of import differences, files_as_of
from apps.files.queries import position
from apps.snapshots.actions import create_snapshot
from apps.snapshots.format.manifests import Entry
from apps.snapshots.format.names import is_copy, manifest_name
from apps.snapshots.models import Snapshot, SnapshotKind
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import ObjectMissing, ObjectTooLarge, TargetDenied, TargetUnavailable
from apps.snapshots.queries import latest_snapshot, snapshots_of
from apps.snapshots.replacing import import_state
from apps.workspaces.models import Workspace

AUDITED = "backups.imported"
TAG = "memories"
MOST_BYTES = 1024 * 1024 * 1024
"""Of a `metadata.json`, which is held in memory."""
MOST_FAILURES = 5
"""Backups in a row that the source failed to give."""
KINDS = {
    "scheduled": SnapshotKind.SCHEDULED,
    "pre-import": SnapshotKind.PRE_IMPORT,
    "pre_restore": SnapshotKind.SAFETY,
}
"""Of the original's prefixes. All others are manual here."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A folder that may be a backup. `made_at` is the time in its name."""

    name: str
    made_at: datetime


@dataclass(slots=True)
class Import:
    """One run. `folder` is a checked prefix. `tell` hears of every folder, `expect` how many there are."""

    workspace: Workspace
    place: Place
    folder: str
    dry_run: bool = False
    tell: Callable[[Row], None] = lambda row: None
    expect: Callable[[int], None] = lambda backups: None
    totals: Totals = field(default_factory=Totals)
    _imported: dict[str, Snapshot] = field(default_factory=dict)
    _newest: datetime | None = None
    _is_ours: bool = False
    _is_kept: bool = False
    _failures: int = 0

    def run(self) -> Totals:
        """Raises `SourceError` where the source cannot be read; what was imported by then stays.

        Not inside a transaction.
        """
        names = folders_of(self.place)
        if not names:
            raise SourceError("There are no folders in the source, so no backups.")
        self.expect(len(names))
        self._look_back()
        is_whole = False
        try:
            backups = []
            for name in names:
                made_at = backup_time(name)
                if made_at is None:
                    self._told(self._strange(name))
                else:
                    backups.append(Backup(name, made_at))
            for backup in sorted(backups, key=lambda backup: (backup.made_at, backup.name)):
                self._told(self._readable(backup))
            is_whole = True
        finally:
            if not self.dry_run:
                self._audit(is_whole=is_whole)
        return self.totals

    def _look_back(self) -> None:
        """What earlier imports have brought into this folder, and whether somebody else has written there since."""
        mine = snapshots_of(self.workspace.pk).filter(tags__contains=[TAG], actor=str(Actor.cli()))
        last: Snapshot | None = None
        for snapshot in mine:
            if snapshot.message.endswith(self._where()):
                last = last or snapshot
                self._imported[snapshot.name] = snapshot
        times = [made_at for made_at in map(backup_time, self._imported) if made_at is not None]
        self._newest = max(times, default=None)
        now, first = position(self.workspace.pk).last_sequence, last.sequence if last else 0
        if last is None:
            changes: Iterable[object] = files_as_of(self.workspace.pk, now, prefix=self.folder, limit=1)
        else:
            changes = differences(self.workspace.pk, first, now, prefix=self.folder, limit=1)
        self._is_ours = not any(True for _ in changes)

    def _where(self) -> str:
        return f" into {self.folder}"

    def _message(self, backup: Backup, digest: str) -> str:
        """For people, and for `_look_back` and `_is_same` of later runs."""
        return f"Memories backup {backup.name}, metadata.json sha256 {digest},{self._where()}"

    def _strange(self, name: str) -> Row:
        try:
            is_backup = self._has(name, METADATA)
        except DomainError as error:
            raise SourceError(error.detail or error.title) from error
        if not is_backup:
            return Row(Outcome.IGNORED, name, "no_backup", "A folder that is no backup.")
        return Row(Outcome.REFUSED, name, "no_time", "Its name has no time, so its place among the others is unknown.")

    def _has(self, name: str, file: str) -> bool:
        return self.place.stat(f"{name}/{file}") is not None

    def _readable(self, backup: Backup) -> Row:
        """What becomes of a backup. Raises `SourceError` where the source is away."""
        try:
            row = self._settled(backup)
        except (ObjectTooLarge, TargetDenied, TargetUnavailable) as error:
            sentence = error.detail or error.title
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                raise SourceError(sentence) from error
            return Row(Outcome.UNREADABLE, backup.name, error.code, sentence, made_at=backup.made_at)
        self._failures = 0
        return row

    def _settled(self, backup: Backup) -> Row:
        """The same. Raises what the source raises."""
        name = backup.name

        def row(outcome: Outcome, reason: str, detail: str) -> Row:
            return Row(outcome, name, reason, detail, made_at=backup.made_at)

        try:
            if is_copy(name) and self._has(name, manifest_name(name).rpartition("/")[2]):
                return row(Outcome.IGNORED, "hub_copy", "A copy of a hub's snapshot, which the hub lists itself.")
            raw = self.place.read(f"{name}/{METADATA}", most_bytes=MOST_BYTES)
            config = self._config(name)
        except ObjectMissing:
            return row(Outcome.DAMAGED, "incomplete", f"It has no {METADATA}: its upload never ended.")
        digest = hashlib.sha256(raw).hexdigest()
        if known := self._known(backup, digest):
            return row(*known)
        try:
            memories = parsed_json(raw)
            files = files_of(memories, config)
        except BadJson:
            return row(Outcome.DAMAGED, "bad_json", f"Its {METADATA} is no JSON.")
        except BadBackup as error:
            return row(Outcome.DAMAGED, "bad_memory", str(error))
        return self._brought(backup, digest, State(self.folder, files))

    def _config(self, name: str) -> bytes | None:
        try:
            return self.place.read(f"{name}/{CONFIG}", most_bytes=MOST_BYTES)
        except ObjectMissing:
            return None

    def _known(self, backup: Backup, digest: str) -> tuple[Outcome, str, str] | None:
        """Why a backup is not to be brought; None where it is."""
        imported = self._imported.get(backup.name)
        if imported is not None and imported.message == self._message(backup, digest):
            return Outcome.PRESENT, "", ""
        if imported is not None:
            return (
                Outcome.REFUSED,
                "changed",
                "It was imported before, and is another one now: history is not rewritten.",
            )
        if snapshots_of(self.workspace.pk).filter(name=backup.name).exists():
            return Outcome.REFUSED, "name_taken", "The workspace has a snapshot of this name."
        if self._newest is not None and backup.made_at < self._newest:
            return Outcome.REFUSED, "newer_is_here", "Something newer was imported before: history is not rewritten."
        if not self._is_ours:
            sentence = f"{self.folder} was written to at the hub, and stays as it is: name another folder."
            return Outcome.CHANGED_AT_HUB, "changed_at_hub", sentence
        return None

    def _brought(self, backup: Backup, digest: str, state: "State") -> Row:
        done = Row(
            Outcome.IMPORTED,
            backup.name,
            memories=state.memories,
            size_bytes=state.size_bytes,
            made_at=backup.made_at,
        )
        if self.dry_run:
            return done
        try:
            self._keep_before()
            snapshot = import_state(
                self.workspace,
                state,
                folder=self.folder,
                name=backup.name,
                kind=KINDS.get(backup_prefix(backup.name), SnapshotKind.MANUAL),
                message=self._message(backup, digest),
                tags=[TAG],
                actor=Actor.cli(),
            )
        except DomainError as error:
            sentence = error.detail or error.title
            return Row(Outcome.REFUSED, backup.name, error.code, sentence, made_at=backup.made_at)
        self._newest = backup.made_at
        return Row(
            Outcome.IMPORTED,
            backup.name,
            memories=state.memories,
            size_bytes=state.size_bytes,
            made_at=backup.made_at,
            hub_sequence=snapshot.sequence,
        )

    def _keep_before(self) -> None:
        """Names the state from before the import, unless there is nothing in it, or it has a name already."""
        if self._is_kept:
            return
        self._is_kept = True
        now, newest = position(self.workspace.pk).last_sequence, latest_snapshot(self.workspace.pk)
        if now and (newest is None or newest.sequence != now):
            create_snapshot(
                self.workspace,
                kind=SnapshotKind.PRE_IMPORT,
                message=f"Before an import of memories backups into {self.folder}",
                actor=Actor.cli(),
            )

    def _told(self, row: Row) -> None:
        self.totals.add(row)
        self.tell(row)

    def _audit(self, *, is_whole: bool) -> None:
        counts = {str(outcome): count for outcome, count in self.totals.counts.items()}
        with transaction.atomic():
            record_audit(
                AUDITED,
                actor=Actor.cli(),
                workspace_id=self.workspace.pk,
                subject=self.folder,
                details={"is_whole": is_whole, "backups": counts},
            )


class State:
    """The files of a backup below a folder, as `replacing.Files` gives them."""

    def __init__(self, folder: str, files: dict[str, bytes]) -> None:
        self._files = {folder + path: data for path, data in files.items()}
        self.memories = len(files) - (CONFIG in files)
        self.size_bytes = sum(map(len, files.values()))

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for path in sorted(self._files, key=str.encode):
            data = self._files[path]
            if path.startswith(prefix):
                content_type = MARKDOWN if path.endswith(".md") else "application/json"
                yield Entry(path, hashlib.sha256(data).digest(), len(data), content_type, 0, ())

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        for entry in entries:
            yield entry, iter([self._files[entry.path]])
