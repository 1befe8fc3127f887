"""One run of a folder's sync: look at both sides, decide path by path, do it, write down what was agreed.

Killed anywhere, the next run finds out from the two sides and the state what is left to do.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from memoryhub.client.blocking import Client
from memoryhub.client.folder.decisions import Step, decide
from memoryhub.client.folder.errors import FolderError, TooManyDeletes
from memoryhub.client.folder.files import FileSystem, InTheWay, Tree, probe
from memoryhub.client.folder.hubside import DELETES_NOTHING, SYNCED_AT, HubSide
from memoryhub.client.folder.ignoring import OWN_FOLDER, Ignored
from memoryhub.client.folder.lock import locked
from memoryhub.client.folder.report import Done, Listener, Report
from memoryhub.client.folder.scanning import Found, scan
from memoryhub.client.folder.state import Difference, State
from memoryhub.client.folder.transfers import Plan, Transfers

ROUNDS = 4
"""Looks at a side that keeps changing while it is synced."""
PAGE = 2000
"""Paths that are decided on before they are acted on."""


@dataclass(frozen=True, slots=True)
class Options:
    """`deletes_limit` is how many files may go at once on either side; None for any number."""

    prefix: str = ""
    deletes_limit: int | None = 50
    host: str = socket.gethostname()


@dataclass(slots=True)
class _Outcome:
    """What one round leaves to be done."""

    deletes: list[Plan]
    again: bool = False


class Folder:
    """A folder that is kept in step with a workspace, or with a folder of it."""

    def __init__(
        self,
        root: Path,
        client: Client,
        options: Options | None = None,
        *,
        listener: Listener = lambda *_: None,
        expect: Callable[[int], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        file_system: Callable[[Path], FileSystem] = probe,
    ) -> None:
        """`listener` is told of each file, and `expect` about how many there will be, after each comparison.

        `file_system` finds out how the file system of a folder treats names.
        """
        self.root = root
        self._client = client
        self._options = options or Options()
        self._listener = listener
        self._expect = expect
        self._now = now
        self._file_system = file_system

    def sync(self) -> Report:
        """Brings both sides in step. Raises `FolderError` where it must not begin, and `HubError`."""
        with self._run() as run:
            run.bring_in_step()
            return run.report

    def plan(self) -> list[tuple[Step, str]]:
        """What `sync` would do now. Changes nothing but the picture of the hub."""
        with self._run() as run:
            return run.dry()

    @contextmanager
    def _run(self) -> "Iterator[_Run]":
        if not self.root.is_dir():
            raise FolderError(f"{self.root} is not a folder.")
        own = self.root / OWN_FOLDER
        own.mkdir(mode=0o700, exist_ok=True)
        with locked(own / "lock"):
            now = self._now()
            tree = Tree(self.root, now=now)
            tree.prepare()
            state = State.open(own / "state.sqlite3")
            try:
                names = self._file_system(tree.parts)
                yield _Run(tree, state, self._client, self._options, self._listener, self._expect, now, names)
            finally:
                state.close()


class _Run:
    def __init__(
        self,
        tree: Tree,
        state: State,
        client: Client,
        options: Options,
        listener: Listener,
        expect: Callable[[int], None],
        now: datetime,
        names: FileSystem,
    ) -> None:
        self.report = Report()
        self._tree = tree
        self._state = state
        self._options = options
        self._listener = listener
        self._expect = expect
        self._hub = HubSide(client, state, options.prefix)
        self._transfers = Transfers(tree, state, client, self._hub, self._tell, host=options.host, now=now)
        self._ignored = Ignored.of_folder(tree.root)
        self._names = names
        self._now = now

    def bring_in_step(self) -> None:
        self._hub.check_identity()
        for _ in range(ROUNDS):
            self._hub.refresh()
            outcome = self._round()
            self._delete(outcome.deletes)
            if not outcome.again:
                break
        if self.report.is_whole:
            with self._state.transaction():
                self._state.set_about(DELETES_NOTHING, "")
                self._state.set_about(SYNCED_AT, self._now.isoformat(timespec="seconds"))

    def dry(self) -> list[tuple[Step, str]]:
        self._hub.check_identity()
        self._hub.refresh()
        self._look()
        return [(plan.step, plan.path) for plan in self._plans() if plan.step not in (Step.ADOPT, Step.FORGET)]

    def _round(self) -> _Outcome:
        self.report.problems.clear()
        del self.report.counts[Done.FAILED], self.report.counts[Done.SKIPPED]
        self._look()
        self._expect(self._state.count_differences(clock_grain_ns=self._names.clock_grain_ns))
        outcome = _Outcome([])
        page: list[Plan] = []
        for plan in self._plans():
            if plan.step in (Step.DELETE_HERE, Step.DELETE_THERE):
                outcome.deletes.append(plan)
            else:
                page.append(plan)
            if len(page) == PAGE:
                outcome.again |= self._transfers.carry_out(page)
                page = []
        outcome.again |= self._transfers.carry_out(page)
        return outcome

    def _look(self) -> None:
        """Takes in what lies in the folder, under the names that the hub knows."""
        known = self._known_names()
        found = scan(self._tree.root, self._ignored, lambda path, reason: self._tell(Done.SKIPPED, path, reason))
        self._state.set_local(found if known is None else (self._renamed(each, known) for each in found))

    def _known_names(self) -> dict[str, str] | None:
        """On a file system that takes different spellings for one name: the path that each name stands for."""
        if not (self._names.folds_case or self._names.folds_accents):
            return None
        known: dict[str, str] = {}
        for path in self._state.paths():
            known.setdefault(self._names.key(path), path)
        return known

    def _renamed(self, found: Found, known: dict[str, str]) -> Found:
        path = known.get(self._names.key(found.path), found.path)
        return Found(path, found.size_bytes, found.mtime_ns, found.inode)

    def _plans(self) -> Iterator[Plan]:
        """The steps to take, in the order of paths. Reads files that may have changed."""
        may_delete = not self._state.about(DELETES_NOTHING)
        known = self._known_names()
        after = ""
        while page := self._state.differences(after, PAGE, clock_grain_ns=self._names.clock_grain_ns):
            after = page[-1].path
            for difference in page:
                plan = self._plan(difference, known, may_delete=may_delete)
                if plan is not None and plan.step is not Step.NOTHING:
                    yield plan

    def _plan(self, difference: Difference, known: dict[str, str] | None, *, may_delete: bool) -> Plan | None:
        path, base, found = difference.path, difference.base, difference.found
        if self._ignored.file(path):
            return Plan(path, Step.FORGET, difference) if base else None
        if known is not None and known.get(self._names.key(path), path) != path:
            self._tell(Done.SKIPPED, path, "its name differs from another's in case or accents only")
            return None
        seen_ns = time.time_ns()
        try:
            local = self._local_sha256(difference)
        except InTheWay as reason:
            self._tell(Done.FAILED, path, str(reason))
            return None
        step = decide(base, local, difference.remote, may_delete=may_delete)
        if step is Step.NOTHING and found is not None and not difference.is_as_seen:
            # Only its time has changed, or it was too young to tell.
            step = Step.ADOPT
        return Plan(path, step, difference, local, seen_ns)

    def _local_sha256(self, difference: Difference) -> str | None:
        base, found = difference.base, difference.found
        if found is None:
            return None
        if base is not None and difference.is_as_seen:
            return base.sha256
        return self._tree.sha256(found)

    def _delete(self, plans: list[Plan]) -> None:
        """Carries out deletions, unless they are so many that somebody should say yes first."""
        limit = self._options.deletes_limit
        here = sum(plan.step is Step.DELETE_HERE for plan in plans)
        there = len(plans) - here
        if limit is not None and max(here, there) > limit:
            raise TooManyDeletes(here=here, there=there, limit=limit)
        self._transfers.delete(plans)

    def _tell(self, done: Done, path: str, about: str = "") -> None:
        self.report.counts[done] += 1
        if done in (Done.SKIPPED, Done.FAILED):
            self.report.problems[path] = about
        self._listener(done, path, about)
