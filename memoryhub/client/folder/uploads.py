"""Brings files to the hub: many small ones at once, large ones by themselves."""

import mimetypes
import time
from collections.abc import Sequence

from memoryhub.client.errors import ChangedWhileSent, Refused, TryLater, Unauthorized
from memoryhub.client.folder.decisions import Base, Remote
from memoryhub.client.folder.files import InTheWay
from memoryhub.client.folder.plans import LARGE_BYTES, UNSEEN, Plan, Sides, batches
from memoryhub.client.folder.report import Done
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.state import Agreed
from memoryhub.client.values import Change, Put


class Uploads:
    """Writes each file over the version that the folder knows, and over no other."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    def carry_out(self, plans: Sequence[Plan]) -> None:
        small = [plan for plan in plans if plan.found.size_bytes < LARGE_BYTES]
        for batch in batches(small, lambda plan: plan.found.size_bytes):
            self._batch(batch)
        for plan in plans:
            if plan.found.size_bytes >= LARGE_BYTES:
                self._large(plan)

    def _batch(self, plans: Sequence[Plan]) -> None:
        items, sent = [], []
        for plan in plans:
            seen_ns = time.time_ns()
            try:
                data = self._sides.tree.read(plan.found)
            except InTheWay as reason:
                self._sides.journal.look_again(plan.path, reason)
                continue
            items.append(Put(self._sides.hub.path(plan.path), data, _expected(plan), _media_type(plan.path)))
            sent.append((plan, seen_ns))
        answers = self._sides.hub.put_many(items)
        with self._sides.state.transaction():
            for (plan, seen_ns), answer in zip(sent, answers, strict=True):
                if isinstance(answer, Change):
                    self._uploaded(plan, answer, plan.found, seen_ns)
                else:
                    self._sides.refused(plan.path, answer.error)

    def _large(self, plan: Plan) -> None:
        seen_ns = time.time_ns()
        try:
            change = self._sides.hub.put(
                plan.path,
                self._sides.tree.root / plan.path,
                if_version=_expected(plan),
                content_type=_media_type(plan.path),
            )
        except (ChangedWhileSent, OSError) as reason:
            self._sides.journal.look_again(plan.path, reason)
        except Refused as error:
            if isinstance(error, TryLater | Unauthorized):
                raise
            self._sides.refused(plan.path, error)
        else:
            with self._sides.state.transaction():
                self._uploaded(plan, change, self._seen(plan), seen_ns)

    def _seen(self, plan: Plan) -> Found:
        """Of a file that has changed while it was sent both sides have what was sent; the file is to be read again."""
        try:
            self._sides.tree.check_unchanged(plan.found)
        except InTheWay as reason:
            self._sides.journal.look_again(plan.path, reason)
            return UNSEEN
        return plan.found

    def _uploaded(self, plan: Plan, change: Change, found: Found, seen_ns: int) -> None:
        assert change.version is not None
        assert change.sha256 is not None
        state = self._sides.state
        state.agree([Agreed(plan.path, Base(change.version, change.sha256), found, seen_ns)])
        state.update_remote([(plan.path, Remote(change.version, change.sha256, plan.found.size_bytes))])
        self._sides.journal.done(Done.UPLOADED, plan.path)


def _expected(plan: Plan) -> int:
    remote = plan.difference.remote
    return remote.version if remote is not None and remote.sha256 is not None else 0


def _media_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
