"""Settles what both sides have written: merges it, or keeps both."""

import hashlib
from datetime import datetime

from memoryhub.client.errors import DamagedAnswer, NotFound, Refused, TryLater, Unauthorized
from memoryhub.client.folder.decisions import Base
from memoryhub.client.folder.downloads import OTHER_BYTES, Downloads
from memoryhub.client.folder.files import InTheWay
from memoryhub.client.folder.ignoring import IGNORE_FILE
from memoryhub.client.folder.merging import LONGEST_BYTES, joined_rules, merged
from memoryhub.client.folder.names import marked
from memoryhub.client.folder.plans import UNSEEN, Plan, Sides
from memoryhub.client.folder.report import Done
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.state import Agreed


class Conflicts:
    """Where a merge is not possible, our text gets a name of its own.

    Either way the file is as the hub has it afterwards, or a change of that: the next look sends it there.
    """

    def __init__(self, sides: Sides, downloads: Downloads, *, host: str, now: datetime) -> None:
        self._sides = sides
        self._downloads = downloads
        self._host = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in host) or "here"
        self._now = now

    def settle(self, plan: Plan) -> None:
        try:
            if not self._merge(plan):
                self._keep_both(plan)
        except (InTheWay, NotFound, DamagedAnswer) as reason:
            self._sides.journal.look_again(plan.path, reason)
        except OSError as error:
            self._sides.journal.fail(plan.path, error)
        else:
            self._sides.journal.look_again(plan.path, "what was made of both sides' changes is still to be synced")

    def make_room(self, path: str) -> None:
        """Gives a file another name, on both sides, where a folder has the same or is to get it.

        What is still to be deleted here gives way by itself.
        """
        sides = self._sides
        if sides.state.awaits_deletion(path):
            return
        is_folder = sides.tree.is_folder(path)
        try:
            found = None if is_folder else sides.tree.found(path)
            if found is None and not is_folder:
                return
            copy = self._free_name(path)
            remote = sides.state.remote(path)
            if remote is not None and remote.sha256 is not None:
                sides.hub.move(path, copy, version=remote.version)
            if found is not None:
                self._rename(found, copy)
        except InTheWay as reason:
            sides.journal.look_again(path, reason)
        except OSError as error:
            sides.journal.fail(path, error)
        except Refused as error:
            if isinstance(error, TryLater | Unauthorized):
                raise
            sides.refused(path, error)
        else:
            sides.journal.done(Done.CONFLICT, path, copy)
            sides.journal.look_again(path, "a folder has its name")

    def _merge(self, plan: Plan) -> bool:
        if max(plan.found.size_bytes, plan.remote.size_bytes) > LONGEST_BYTES:
            return False
        if plan.difference.base is None and plan.path != IGNORE_FILE:
            return False
        ours = self._sides.tree.read(plan.found)
        text = self._of_both(plan, ours, self._version(plan, plan.remote_base))
        if text is None:
            return False
        if text != ours:
            (part,) = self._downloads.written([text])
            self._sides.tree.place(part, plan.path, instead_of=plan.found)
            self._sides.tree.flush([plan.path])
        with self._sides.state.transaction():
            self._sides.state.agree([Agreed(plan.path, plan.remote_base, UNSEEN, 0)])
        self._sides.journal.done(Done.MERGED, plan.path)
        return True

    def _of_both(self, plan: Plan, ours: bytes, theirs: bytes) -> bytes | None:
        base = plan.difference.base
        before = self._before(plan, base) if base is not None else None
        text = merged(before, ours, theirs) if before is not None else None
        if text is None and plan.path == IGNORE_FILE:
            # With one side's rules alone the other side's secrets would be sent.
            return joined_rules(ours, theirs)
        return text

    def _before(self, plan: Plan, base: Base) -> bytes | None:
        """What both sides had; None where the hub no longer has it."""
        try:
            return self._version(plan, base)
        except (NotFound, DamagedAnswer):
            return None

    def _version(self, plan: Plan, wanted: Base) -> bytes:
        """Raises `DamagedAnswer` where the version means something else by now."""
        data = self._sides.client.read(self._sides.hub.path(plan.path), version=wanted.version)
        if hashlib.sha256(data).hexdigest() != wanted.sha256:
            raise DamagedAnswer(OTHER_BYTES)
        return data

    def _keep_both(self, plan: Plan) -> None:
        copy = self._free_name(plan.path)
        self._rename(plan.found, copy)
        self._sides.journal.done(Done.CONFLICT, plan.path, copy)

    def _rename(self, found: Found, copy: str) -> None:
        # Before the renaming: with the base still there, a run that is killed would leave what looks like a deletion.
        with self._sides.state.transaction():
            self._sides.state.forget([found.path])
        self._sides.tree.rename(found, copy)

    def _free_name(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        number = 1
        while True:
            again = f" {number}" if number > 1 else ""
            mark = f" (conflict {self._now:%Y-%m-%d %H.%M} from {self._host}{again})"
            copy = f"{folder}{slash}{marked(name, mark)}"
            if not self._sides.tree.exists(copy):
                return copy
            number += 1
