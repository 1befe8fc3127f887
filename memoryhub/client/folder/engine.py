"""One run of a folder's sync: look at both sides, decide path by path, do it, write down what was agreed.

Killed anywhere, the next run finds out from the two sides and the state what is left to do.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from memoryhub.client.blocking import Client
from memoryhub.client.folder.decisions import Step, decide
from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.files import InTheWay, Tree
from memoryhub.client.folder.filesystems import FileSystem, probe
from memoryhub.client.folder.hubside import DELETES_NOTHING, SYNCED_AT, HubSide
from memoryhub.client.folder.ignoring import IGNORE_FILE, Ignored
from memoryhub.client.folder.names import refusal
from memoryhub.client.folder.opening import opened
from memoryhub.client.folder.plans import Plan, Sides, local_sha256
from memoryhub.client.folder.report import Journal, Listener, Report, TooManyDeletes
from memoryhub.client.folder.scanning import scan
from memoryhub.client.folder.spelling import Spelling
from memoryhub.client.folder.state import Difference, State
from memoryhub.client.folder.transfers import Transfers

ROUNDS = 4
"""Looks at a side that keeps changing while it is synced."""
PAGE = 2000
"""Paths that are decided on before they are acted on."""
DELETIONS = (Step.DELETE_HERE, Step.DELETE_THERE)
FEW_DELETES = 4
"""So many may go even where fewer stay."""


@dataclass(frozen=True, slots=True)
class Options:
    """`deletes_limit` is how many files may go at once on either side, while more stay; None for any number."""

    prefix: str = ""
    deletes_limit: int | None = 50
    host: str = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Trial:
    """What a sync would do, and which deletions it would hold back."""

    steps: list[tuple[Step, str]]
    held_back: TooManyDeletes | None


class Folder:
    """A folder that is kept in step with a workspace, or with a folder of it."""

    def __init__(
        self,
        root: Path,
        client: Client,
        options: Options | None = None,
        *,
        listener: Listener = lambda *_: None,
        expect: Callable[[int], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        file_system: Callable[[Path], FileSystem] = probe,
    ) -> None:
        """`listener` is told of each file, and `expect` about how many there will be, after each comparison.

        `file_system` finds out how the file system of a folder treats names.
        """
        self.root = root
        self.client = client
        self.options = options or Options()
        self.listener = listener
        self.expect = expect
        self._now = now
        self._file_system = file_system

    def sync(self) -> Report:
        """Brings both sides in step. Raises `FolderError` where it must not begin or go on, and `HubError`."""
        with self._run() as run:
            return run.bring_in_step()

    def plan(self) -> Trial:
        """What `sync` would do now; the listener hears what it could not.

        Changes nothing but the picture of the hub, and binds the folder to no workspace. Raises as `sync` does.
        """
        with self._run(is_trial=True) as run:
            return run.try_out()

    @contextmanager
    def _run(self, *, is_trial: bool = False) -> "Iterator[_Run]":
        with opened(self.root, is_trial=is_trial) as state:
            now = self._now()
            tree = Tree(self.root, now=now)
            tree.prepare()
            yield _Run(self, tree, state, self._file_system(tree.parts), now)


class _Run:
    """One run, with what it has found out so far."""

    def __init__(self, folder: Folder, tree: Tree, state: State, names: FileSystem, now: datetime) -> None:
        self._folder = folder
        self._options = folder.options
        self._tree = tree
        self._state = state
        self._names = names
        self._now = now
        self._hub = HubSide(folder.client, state, folder.options.prefix)
        self._journal = Journal(folder.listener)
        sides = Sides(tree, self._hub, folder.client, state, self._journal)
        self._transfers = Transfers(sides, host=folder.options.host, now=now)
        self._ignored = Ignored()
        self._spelling = Spelling(names, ())
        self._hidden: set[str] = set()
        self._may_delete = False

    def bring_in_step(self) -> Report:
        """Looks again as long as that brings the sides closer."""
        self._hub.check_identity()
        report, before = self._journal.report, None
        for _ in range(ROUNDS):
            self._hub.refresh()
            report.held_back = self._round()
            after = (self._journal.again, report.changed)
            if not self._journal.again or after == before:
                break
            before = after
        self._journal.finish()
        if report.is_whole:
            with self._state.transaction():
                self._state.set_about(DELETES_NOTHING, "")
                self._state.set_about(SYNCED_AT, self._now.isoformat(timespec="seconds"))
        return report

    def try_out(self) -> Trial:
        self._hub.check_identity()
        self._hub.refresh()
        self._look()
        rules = self._plan_of_rules()
        if rules is not None and rules.step is Step.DOWNLOAD:
            text = self._folder.client.read(self._hub.path(IGNORE_FILE), version=rules.remote.version)
            self._ignored = Ignored(text.decode("utf-8", "replace"))
        plans = [plan for plan in self._plans() if plan.step not in (Step.ADOPT, Step.FORGET)]
        self._journal.finish()
        new = sum(plan.difference.base is None for plan in plans)
        deletes = [plan for plan in plans if plan.step in DELETIONS]
        return Trial([(plan.step, plan.path) for plan in plans], self._too_many(deletes, of=self._state.count() + new))

    def _round(self) -> TooManyDeletes | None:
        """One look, and all that can be done at once. The result says that deletions are left for somebody's word."""
        self._journal.begin_round()
        self._look()
        self._take_rules()
        if self._folder.expect is not None:
            self._folder.expect(sum(1 for _ in self._state.differing(clock_grain_ns=self._names.clock_grain_ns)))
        deletes: list[Plan] = []
        page: list[Plan] = []
        for plan in self._plans():
            (deletes if plan.step in DELETIONS else page).append(plan)
            if len(page) == PAGE:
                self._transfers.carry_out(page)
                page = []
        self._transfers.carry_out(page)
        held_back = self._too_many(deletes, of=self._state.count())
        if held_back is None:
            self._transfers.delete(deletes)
        self._transfers.make_room()
        return held_back

    # --- Looking

    def _look(self) -> None:
        """Takes in what lies in the folder, under the names that the hub knows."""
        self._may_delete = not self._state.about(DELETES_NOTHING)
        self._ignored = Ignored.of_folder(self._tree.root)
        self._spelling = Spelling(self._names, self._state.paths())
        for line in self._ignored.broken:
            self._journal.skip(IGNORE_FILE, f"a line of it is no rule: {line}")
        self._hidden = set()
        found = scan(self._tree.root, self._ignored, self._journal.skip, self._hide)
        self._state.set_local(found if self._names.is_exact else map(self._spelling.of, found))

    def _hide(self, path: str, reason: str) -> None:
        self._hidden.add(self._names.key(path))
        self._journal.fail(path, reason)

    def _is_hidden(self, path: str) -> bool:
        """Whether the scan could not look at a file, or at a folder above it."""
        way = accumulate(path.split("/"), "{}/{}".format) if self._hidden else ()
        return any(self._names.key(each) in self._hidden for each in way)

    def _take_rules(self) -> None:
        """What the hub's rules keep at home is not sent, in the first run either. Raises `FolderError`."""
        for _ in range(ROUNDS):
            plan = self._plan_of_rules()
            if plan is None or plan.step not in (Step.DOWNLOAD, Step.RECONCILE):
                return
            self._transfers.carry_out([plan])
            self._look()
        reason = self._journal.again.get(IGNORE_FILE, "it keeps changing")
        raise FolderError(f"{IGNORE_FILE} cannot be brought in step, and nothing is before it is: {reason}.")

    def _plan_of_rules(self) -> Plan | None:
        difference = self._state.difference(IGNORE_FILE, clock_grain_ns=self._names.clock_grain_ns)
        return self._plan(difference) if difference is not None else None

    # --- Deciding

    def _plans(self) -> Iterator[Plan]:
        """The steps to take, in the order of paths. Reads files that may have changed."""
        after = ""
        while page := self._state.differences(after, PAGE, clock_grain_ns=self._names.clock_grain_ns):
            after = page[-1].path
            for difference in page:
                plan = self._plan(difference)
                if plan is not None and plan.step is not Step.NOTHING:
                    yield plan

    def _plan(self, difference: Difference) -> Plan | None:
        path, base = difference.path, difference.base
        if self._ignored.file(path):
            return Plan(path, Step.FORGET, difference) if base else None
        if self._is_hidden(path):
            return None
        if difference.is_on_hub and self._spelling.is_taken(path):
            self._journal.skip(path, "its name differs from another's in case or accents only")
            return None
        seen_ns = time.time_ns()
        try:
            local = local_sha256(self._tree, difference)
        except InTheWay as reason:
            self._journal.look_again(path, reason)
            return None
        step = decide(base, local, difference.remote, may_delete=self._may_delete)
        if step is Step.NOTHING and difference.found is not None and not difference.is_as_seen:
            # Only its time has changed, or it was too young to tell.
            step = Step.ADOPT
        plan = Plan(path, step, difference, local, seen_ns)
        return plan if self._is_possible(plan) else None

    def _is_possible(self, plan: Plan) -> bool:
        """Whether a step towards the hub may be taken; if not, the journal knows why."""
        if plan.step is Step.DELETE_THERE:
            return self._transfers.is_gone(plan)
        reason = refusal(self._hub.path(plan.path)) if plan.step is Step.UPLOAD else None
        if reason is not None:
            self._journal.skip(plan.path, f"the hub cannot have it: {reason}")
        return reason is None

    def _too_many(self, deletes: list[Plan], *, of: int) -> TooManyDeletes | None:
        """The deletions, if they are so many of all files that somebody should say yes first."""
        limit = self._options.deletes_limit
        here = sum(plan.step is Step.DELETE_HERE for plan in deletes)
        there = len(deletes) - here
        most, stay = max(here, there), of - here - there
        if limit is None or most <= min(limit, max(FEW_DELETES, stay)):
            return None
        return TooManyDeletes(here, there, of)
