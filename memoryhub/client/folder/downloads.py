"""Brings files from the hub: many small ones at once, large ones by themselves."""

import hashlib
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from memoryhub.client.errors import DamagedAnswer, NotFound
from memoryhub.client.folder.files import InTheWay, NameTaken
from memoryhub.client.folder.flushing import flush_files
from memoryhub.client.folder.plans import LARGE_BYTES, Plan, Sides, batches
from memoryhub.client.folder.report import Done
from memoryhub.client.folder.state import Agreed
from memoryhub.client.values import StoredFile

OTHER_BYTES = "the hub has other bytes under this version"
"""As after it was restored."""


class Downloads:
    """Puts whole files to their places: written beside, flushed to the disk, renamed.

    `taken` are names that stand in the way of some: a file's that is to be a folder's, or the other way round.
    """

    def __init__(self, sides: Sides) -> None:
        self.taken: set[str] = set()
        self._sides = sides

    def carry_out(self, plans: Sequence[Plan]) -> None:
        small = [plan for plan in plans if plan.remote.size_bytes < LARGE_BYTES]
        for batch in batches(small, lambda plan: plan.remote.size_bytes):
            self._batch(batch)
        for plan in plans:
            if plan.remote.size_bytes >= LARGE_BYTES:
                self._large(plan)

    def written(self, contents: Sequence[bytes]) -> list[Path]:
        """Files with these contents, on the disk, to be placed."""
        parts = [self._new_part() for _ in contents]
        for part, content in zip(parts, contents, strict=True):
            part.write_bytes(content)
        if parts:
            flush_files(self._sides.tree.parts, parts)
        return parts

    def _batch(self, plans: Sequence[Plan]) -> None:
        answers = self._sides.client.get_many((self._sides.hub.path(plan.path), plan.remote.version) for plan in plans)
        arrived, contents = [], []
        for plan, answer in zip(plans, answers, strict=True):
            if not isinstance(answer, StoredFile):
                self._sides.refused(plan.path, answer.error)
            elif answer.sha256 != plan.remote.sha256:
                self._sides.journal.look_again(plan.path, OTHER_BYTES)
            else:
                arrived.append(plan)
                contents.append(answer.content)
        self._place(list(zip(arrived, self.written(contents), strict=True)))

    def _large(self, plan: Plan) -> None:
        part, digest = self._new_part(), hashlib.sha256()
        try:
            with part.open("wb") as file:
                for chunk in self._sides.client.stream(self._sides.hub.path(plan.path), version=plan.remote.version):
                    digest.update(chunk)
                    file.write(chunk)
        except (NotFound, DamagedAnswer) as error:
            self._sides.journal.look_again(plan.path, error)
        else:
            if digest.hexdigest() != plan.remote.sha256:
                self._sides.journal.look_again(plan.path, OTHER_BYTES)
                return
            flush_files(self._sides.tree.parts, [part])
            self._place([(plan, part)])

    def _place(self, arrived: Sequence[tuple[Plan, Path]]) -> None:
        """Writes down afterwards that both sides have them."""
        agreed = []
        for plan, part in arrived:
            seen_ns = time.time_ns()
            try:
                found = self._sides.tree.place(part, plan.path, instead_of=plan.difference.found)
            except InTheWay as reason:
                if isinstance(reason, NameTaken):
                    self.taken.add(reason.path)
                self._sides.journal.look_again(plan.path, reason)
            except OSError as error:
                self._sides.journal.fail(plan.path, error)
            else:
                agreed.append(Agreed(plan.path, plan.remote_base, found, seen_ns))
                self._sides.journal.done(Done.DOWNLOADED, plan.path)
                continue
            part.unlink(missing_ok=True)
        self._sides.tree.flush(row.path for row in agreed)
        with self._sides.state.transaction():
            self._sides.state.agree(agreed)

    def _new_part(self) -> Path:
        return self._sides.tree.parts / uuid.uuid4().hex
