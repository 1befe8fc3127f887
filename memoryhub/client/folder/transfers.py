"""Carries decisions out."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from memoryhub.client.folder.conflicts import Conflicts
from memoryhub.client.folder.decisions import Remote, Step
from memoryhub.client.folder.downloads import Downloads
from memoryhub.client.folder.files import InTheWay
from memoryhub.client.folder.plans import Plan, Sides, batches
from memoryhub.client.folder.report import Done
from memoryhub.client.folder.state import Agreed
from memoryhub.client.folder.uploads import Uploads
from memoryhub.client.values import Change, Delete


class Transfers:
    """Does what was planned. What stands against it is told to the journal, path by path."""

    def __init__(self, sides: Sides, *, host: str, now: datetime) -> None:
        self._sides = sides
        self._downloads = Downloads(sides)
        self._uploads = Uploads(sides)
        self._conflicts = Conflicts(sides, self._downloads, host=host, now=now)

    def carry_out(self, plans: Sequence[Plan]) -> None:
        """Everything but deletions."""
        of_step: dict[Step, list[Plan]] = {step: [] for step in Step}
        for plan in plans:
            of_step[plan.step].append(plan)
        self._adopt(of_step[Step.ADOPT])
        self._forget(of_step[Step.FORGET])
        self._downloads.carry_out(of_step[Step.DOWNLOAD])
        for plan in of_step[Step.RECONCILE]:
            self._conflicts.settle(plan)
        self._uploads.carry_out(of_step[Step.UPLOAD])

    def delete(self, plans: Sequence[Plan]) -> None:
        self._delete_here([plan for plan in plans if plan.step is Step.DELETE_HERE])
        for batch in batches((plan for plan in plans if plan.step is Step.DELETE_THERE), lambda plan: 0):
            self._delete_there(batch)

    def make_room(self) -> None:
        """Where a file has the name of a folder, and neither is to be deleted, the file gets another name."""
        for path in sorted(self._downloads.taken):
            self._conflicts.make_room(path)
        self._downloads.taken.clear()

    def is_gone(self, plan: Plan) -> bool:
        """Whether a file that looked deleted is. What stands in its place now, or hides it, says nothing of that."""
        try:
            if self._sides.tree.is_gone(plan.path):
                return True
        except InTheWay as reason:
            self._sides.journal.fail(plan.path, reason)
        else:
            self._sides.journal.look_again(plan.path, "it was written just now")
        return False

    def _adopt(self, plans: Iterable[Plan]) -> None:
        with self._sides.state.transaction():
            self._sides.state.agree(Agreed(plan.path, plan.remote_base, plan.found, plan.seen_ns) for plan in plans)

    def _forget(self, plans: Iterable[Plan]) -> None:
        with self._sides.state.transaction():
            self._sides.state.forget(plan.path for plan in plans)

    def _delete_here(self, plans: Sequence[Plan]) -> None:
        gone = []
        for plan in plans:
            try:
                self._sides.tree.discard(plan.found)
            except InTheWay as reason:
                self._sides.journal.look_again(plan.path, reason)
            except OSError as error:
                self._sides.journal.fail(plan.path, error)
            else:
                gone.append(plan.path)
                self._sides.journal.done(Done.DELETED_HERE, plan.path)
        with self._sides.state.transaction():
            self._sides.state.forget(gone)

    def _delete_there(self, plans: Sequence[Plan]) -> None:
        gone = [plan for plan in plans if self.is_gone(plan)]
        items = [Delete(self._sides.hub.path(plan.path), plan.remote.version) for plan in gone]
        answers = self._sides.hub.put_many(items)
        for plan, answer in zip(gone, answers, strict=True):
            if not isinstance(answer, Change):
                self._sides.refused(plan.path, answer.error)
                continue
            with self._sides.state.transaction():
                self._sides.state.forget([plan.path])
                if answer.version is not None:
                    self._sides.state.update_remote([(plan.path, Remote(answer.version, None))])
            self._sides.journal.done(Done.DELETED_THERE, plan.path)
