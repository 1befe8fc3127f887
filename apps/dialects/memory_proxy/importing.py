"""Brings the files of the original's bucket into a workspace, oldest first, each version as a change set of its own.

Safe to kill anywhere and to run again: what is here already is known by the messages of the change sets. Nothing that
was written at the hub is ever overwritten.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.blobs.content import Content
from apps.common.conditions import NEVER, Condition, ConditionKind
from apps.dialects.memory_proxy.bucket import ObjectError, OldBucket
from apps.dialects.memory_proxy.fetching import Fetched, WrongMd5, fetch, provenance_of
from apps.dialects.memory_proxy.layouts import BadMetadata, Entry, Layout
from apps.dialects.memory_proxy.outcomes import Outcome, Row
from apps.dialects.memory_proxy.standings import Standing, Standings
from apps.dialects.memory_proxy.surveying import Survey, survey
from apps.dialects.totals import Totals
from apps.files import queries
from apps.files.actions import apply_change
from apps.files.changes import Change, ChangeItem, ChangeStatus
from apps.files.errors import BadPath
from apps.files.models import Origin
from apps.files.paths import check_portable
from apps.workspaces.models import Workspace

AHEAD = 4
"""Objects that are fetched before their turn, for each thread."""
AHEAD_BYTES = 256 * 1024 * 1024
"""Of them together; a larger object is fetched alone."""
MOST_FAILURES = 5
"""Objects in a row that the server failed to give, before the bucket itself is asked whether it is there."""
AUDITED = "bucket.imported"
_GONE_TEXT = "Stands for the text of a deleted file, which the old service did not keep."

Listener = Callable[[Row], None]


@dataclass(slots=True)
class Import:
    """One run. `tell` hears of every object, about in the order of the import; `expect` how many there are.

    `namespaces` are the only ones to take, all without any. `dry_run` reads metadata, no bytes, and writes nothing.
    """

    workspace: Workspace
    source: OldBucket
    layout: Layout
    namespaces: Sequence[str] = ()
    threads: int = 8
    dry_run: bool = False
    tell: Listener = lambda row: None
    expect: Callable[[int], None] = lambda objects: None
    totals: Totals = field(default_factory=Totals)
    _failures: int = 0
    _survey: Survey = field(init=False)
    _standings: Standings = field(init=False)

    def run(self) -> Totals:
        """Raises `BucketError` where the bucket cannot be read, or no longer; what was imported by then stays.

        Not inside a transaction.
        """
        is_whole = False
        with ThreadPoolExecutor(self.threads) as pool:
            self._survey = survey(self.source, self.layout, self.namespaces, pool)
            self.expect(len(self._survey.rows) + len(self._survey.files))
            self._standings = Standings(self.workspace.pk, self._paths())
            try:
                self._tell_all(self._survey.rows)
                self._import_all(pool)
                self._tell_all(self._survey.lost())
                is_whole = True
            finally:
                if not self.dry_run:
                    self._audit(is_whole=is_whole)
        return self.totals

    def _paths(self) -> set[str]:
        paths = set()
        for entry in self._survey.files:
            with suppress(BadPath):
                paths.add(self._survey.indexes.workspace_path(entry.relative))
        return paths

    def _import_all(self, pool: Executor) -> None:
        """Fetches in threads, a few objects ahead, and writes here, one after the other."""
        pending: deque[tuple[Entry, str, Future[Fetched]]] = deque()

        def has_room(entry: Entry) -> bool:
            size_bytes = sum(other.size_bytes for other, _, _ in pending) + entry.size_bytes
            return len(pending) < self.threads * AHEAD and size_bytes <= AHEAD_BYTES

        try:
            for entry in self._survey.files:
                try:
                    path = self._checked(entry)
                except _Settled as settled:
                    self._told(settled.row)
                    continue
                while pending and not has_room(entry):
                    self._told(self._settled(*pending.popleft()))
                standing = self._standings.of(path)
                fetching = pool.submit(fetch, self.source, entry, standing, dry_run=self.dry_run)
                pending.append((entry, path, fetching))
            while pending:
                self._told(self._settled(*pending.popleft()))
        finally:
            for _, _, fetching in pending:
                if not fetching.cancel() and fetching.exception() is None:
                    fetching.result().close()

    def _checked(self, entry: Entry) -> str:
        """The path of an entry that has to be fetched. Raises `_Settled` where the listing says enough."""
        if entry.relative.endswith("/") and not entry.size_bytes:
            raise _Settled(self._row(entry, Outcome.IGNORED, "folder", "A folder marker."))
        try:
            path = self._survey.indexes.workspace_path(entry.relative)
            if self.workspace.portable_names:
                check_portable(path)
        except BadPath as error:
            raise _Settled(self._row(entry, Outcome.REFUSED, error.code, str(error))) from None
        if entry.size_bytes > settings.MEMORYHUB_MAX_FILE_BYTES:
            sentence = f"A file has at most {settings.MEMORYHUB_MAX_FILE_BYTES} bytes."
            raise _Settled(self._row(entry, Outcome.REFUSED, "too_large", sentence, path=path))
        standing = self._standings.of(path)
        # An empty object may be a tombstone, which only its metadata tell.
        if (
            standing
            and entry.size_bytes
            and standing.has_object(changed_at=entry.changed_at, md5=entry.etag, object_version=entry.object_version)
        ):
            raise _Settled(self._present(entry, path, standing))
        return path

    def _settled(self, entry: Entry, path: str, fetching: Future[Fetched]) -> Row:
        """What becomes of an object, once it is fetched. Raises what stops the whole run."""
        try:
            fetched = fetching.result()
        except BadMetadata as error:
            return self._row(entry, Outcome.DAMAGED, "bad_metadata", str(error), path=path)
        except WrongMd5 as error:
            return self._row(entry, Outcome.DAMAGED, "wrong_md5", str(error), path=path)
        except ObjectError as error:
            self._count_failure(error)
            return self._row(entry, Outcome.UNREADABLE, "unreadable", str(error), path=path)
        self._failures = 0
        try:
            return self._judged(entry, path, fetched)
        finally:
            fetched.close()

    def _count_failure(self, error: ObjectError) -> None:
        self._failures = self._failures + 1 if error.is_away else 0
        if self._failures >= MOST_FAILURES:
            self.source.check()
            self._failures = 0

    def _judged(self, entry: Entry, path: str, fetched: Fetched) -> Row:
        standing = self._standings.of(path)
        if fetched.is_present:
            assert standing is not None
            return self._present(entry, path, standing, fetched)
        if entry.is_marker and standing is None:
            return self._row(entry, Outcome.IGNORED, "nothing_to_delete", "A deletion of nothing.", path=path)
        if standing and not standing.is_ours:
            return self._beside_hub(entry, path, fetched)
        if standing and standing.is_past(entry.changed_at):
            sentence = "Something newer was imported before, and history is not rewritten."
            return self._row(entry, Outcome.REFUSED, "newer_is_here", sentence, path=path, fetched=fetched)
        if self.dry_run:
            self._standings.wrote(path, 0)
            return self._done(entry, path, fetched, None)
        change = self._write(entry, path, fetched, standing)
        if change.status is ChangeStatus.PRECONDITION_FAILED:
            assert change.version is not None
            self._standings.wrote(path, change.version, is_ours=False)
            return self._beside_hub(entry, path, fetched)
        if change.error is not None:
            error = change.error
            return self._row(entry, Outcome.REFUSED, error.code, str(error), path=path, fetched=fetched)
        assert change.version is not None
        self._standings.wrote(path, change.version)
        return self._done(entry, path, fetched, change.version)

    def _write(self, entry: Entry, path: str, fetched: Fetched, standing: Standing | None) -> Change:
        condition = Condition(ConditionKind.STATE, version=standing.version) if standing else NEVER
        key = self.source.key_of(entry.relative)
        message = provenance_of(entry, fetched.stated).message(self.source.address.name, key)
        item = ChangeItem(path, condition, fetched.content, fetched.content_type)
        if not fetched.stated.is_deleted:
            return self._apply(item, message)
        with transaction.atomic():
            if standing is None:
                # A tombstone needs something to have been there. Nobody sees the one without the other.
                stand_in = self._apply(ChangeItem(path, NEVER, Content.of_bytes(b"")), _GONE_TEXT)
                if not stand_in.is_applied:
                    return stand_in
                condition = Condition(ConditionKind.STATE, version=stand_in.version)
            return self._apply(ChangeItem(path, condition), message)

    def _apply(self, item: ChangeItem, message: str) -> Change:
        return apply_change(self.workspace, item, actor=Actor.cli(), origin=Origin.SYNC, message=message, always=True)

    def _beside_hub(self, entry: Entry, path: str, fetched: Fetched) -> Row:
        """The row of an object whose path somebody wrote at the hub: equal bytes need no import."""
        head, said = queries.head_at(self.workspace.pk, path), fetched.stated
        if head is not None and head.is_deleted == said.is_deleted and (said.is_deleted or head.md5.hex() == said.md5):
            return self._row(entry, Outcome.PRESENT, "equal", "The hub has the same.", path=path, fetched=fetched)
        sentence = "The file was written at the hub, and stays as it is there."
        return self._row(entry, Outcome.CHANGED_AT_HUB, "changed_at_hub", sentence, path=path, fetched=fetched)

    def _present(self, entry: Entry, path: str, standing: Standing, fetched: Fetched | None = None) -> Row:
        has_moved_on = not standing.is_ours
        reason = "changed_since" if has_moved_on else ""
        detail = "It was imported before, and has changed at the hub since." if has_moved_on else ""
        return self._row(entry, Outcome.PRESENT, reason, detail, path=path, fetched=fetched)

    def _done(self, entry: Entry, path: str, fetched: Fetched, hub_version: int | None) -> Row:
        outcome = Outcome.DELETED if fetched.stated.is_deleted else Outcome.IMPORTED
        is_unnamed = entry.is_current and not entry.is_marker and self._survey.indexes.entry(entry.relative) is None
        reason = "not_in_index" if is_unnamed else ""
        detail = "The old service's index does not name it." if is_unnamed else ""
        return self._row(entry, outcome, reason, detail, path=path, fetched=fetched, hub_version=hub_version)

    def _row(
        self,
        entry: Entry,
        outcome: Outcome,
        reason: str,
        detail: str,
        *,
        path: str | None = None,
        fetched: Fetched | None = None,
        hub_version: int | None = None,
    ) -> Row:
        known: dict[str, Any] = {"path": path, "hub_version": hub_version}
        if fetched is not None:
            known |= {"version": fetched.stated.version, "md5": fetched.stated.md5}
        return Row.of(entry, self.source.key_of(entry.relative), outcome, reason, detail, **known)

    def _tell_all(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._told(row)

    def _told(self, row: Row) -> None:
        self.totals.add(row)
        self.tell(row)

    def _audit(self, *, is_whole: bool) -> None:
        address = self.source.address
        counts = {str(outcome): count for outcome, count in self.totals.counts.items()}
        details = {
            "layout": str(self.layout),
            "namespaces": list(self.namespaces),
            "is_whole": is_whole,
            "objects": counts,
            "imported_bytes": self.totals.size_bytes[Outcome.IMPORTED],
        }
        with transaction.atomic():
            record_audit(
                AUDITED,
                actor=Actor.cli(),
                workspace_id=self.workspace.pk,
                subject=f"s3://{address.name}/{address.base}",
                details=details,
            )


class _Settled(Exception):
    """There is no more to do for an entry than to tell its row."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.detail)
        self.row = row
