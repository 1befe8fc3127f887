"""Carries decisions out: many small files at once, large ones by themselves, and what both sides changed as one."""

import hashlib
import mimetypes
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from memoryhub.client.blocking import Client
from memoryhub.client.errors import (
    ChangedWhileSent,
    DamagedAnswer,
    NotFound,
    PreconditionFailed,
    Refused,
    TryLater,
    Unauthorized,
)
from memoryhub.client.folder.decisions import Base, Remote, Step
from memoryhub.client.folder.files import InTheWay, Tree
from memoryhub.client.folder.flushing import flush_files
from memoryhub.client.folder.hubside import HubSide
from memoryhub.client.folder.merging import LONGEST_BYTES, merged
from memoryhub.client.folder.report import Done
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.state import Difference, State
from memoryhub.client.frames import MAX_ITEMS
from memoryhub.client.values import Change, Delete, Put, StoredFile

LARGE_BYTES = 1024 * 1024
"""Files from this size travel alone, as streams."""
BATCH_BYTES = 8 * 1024 * 1024

Tell = Callable[[Done, str, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """A step for one path. `local_sha256` is that of the file as found, read at `seen_ns`."""

    path: str
    step: Step
    difference: Difference
    local_sha256: str | None = None
    seen_ns: int = 0

    @property
    def remote(self) -> Remote:
        assert self.difference.remote is not None
        return self.difference.remote

    @property
    def found(self) -> Found:
        assert self.difference.found is not None
        return self.difference.found


class Transfers:
    def __init__(
        self, tree: Tree, state: State, client: Client, hub: HubSide, tell: Tell, *, host: str, now: datetime
    ) -> None:
        self._tree = tree
        self._state = state
        self._client = client
        self._hub = hub
        self._tell = tell
        self._host = host
        self._now = now

    def carry_out(self, plans: Sequence[Plan]) -> bool:
        """Everything but deletions. True when something is left that another look will settle."""
        of_step: dict[Step, list[Plan]] = {step: [] for step in Step}
        for plan in plans:
            of_step[plan.step].append(plan)
        self._adopt(of_step[Step.ADOPT])
        self._forget(of_step[Step.FORGET])
        again = self._download(of_step[Step.DOWNLOAD])
        for plan in of_step[Step.RECONCILE]:
            self._reconcile(plan)
        again |= self._upload(of_step[Step.UPLOAD])
        return again or bool(of_step[Step.RECONCILE])

    def delete(self, plans: Sequence[Plan]) -> None:
        self._delete_here([plan for plan in plans if plan.step is Step.DELETE_HERE])
        self._delete_there([plan for plan in plans if plan.step is Step.DELETE_THERE])

    # --- What needs no bytes

    def _adopt(self, plans: Iterable[Plan]) -> None:
        with self._state.transaction():
            self._state.agree(
                (plan.path, Base(plan.remote.version, plan.remote.sha256 or ""), plan.found, plan.seen_ns)
                for plan in plans
            )

    def _forget(self, plans: Iterable[Plan]) -> None:
        with self._state.transaction():
            self._state.forget(plan.path for plan in plans)

    def _delete_here(self, plans: Sequence[Plan]) -> None:
        gone = []
        for plan in plans:
            try:
                if plan.difference.found is not None:
                    self._tree.discard(plan.found)
            except InTheWay as reason:
                self._tell(Done.FAILED, plan.path, str(reason))
                continue
            gone.append(plan.path)
            self._tell(Done.DELETED_HERE, plan.path, "")
        with self._state.transaction():
            self._state.forget(gone)

    def _delete_there(self, plans: Sequence[Plan]) -> None:
        for batch in _batches(plans, lambda plan: 0):
            answers = self._client.put_many([Delete(self._hub.path(plan.path), plan.remote.version) for plan in batch])
            for plan, answer in zip(batch, answers, strict=True):
                if isinstance(answer, Change):
                    with self._state.transaction():
                        self._state.forget([plan.path])
                        if answer.version is not None:
                            self._state.update_remote([(plan.path, Remote(answer.version, None))])
                    self._tell(Done.DELETED_THERE, plan.path, "")
                else:
                    self._tell(Done.FAILED, plan.path, answer.error.detail)

    # --- Up

    def _upload(self, plans: Sequence[Plan]) -> bool:
        small = [plan for plan in plans if plan.found.size_bytes < LARGE_BYTES]
        again = False
        for batch in _batches(small, lambda plan: plan.found.size_bytes):
            again |= self._upload_batch(batch)
        for plan in plans:
            if plan.found.size_bytes >= LARGE_BYTES:
                again |= self._upload_large(plan)
        return again

    def _upload_batch(self, plans: Sequence[Plan]) -> bool:
        items, sent, again = [], [], False
        for plan in plans:
            seen_ns = time.time_ns()
            try:
                data = self._tree.read(plan.found)
            except InTheWay as reason:
                again = self._failed(plan.path, reason)
                continue
            items.append(Put(self._hub.path(plan.path), data, _expected(plan), _media_type(plan.path)))
            sent.append((plan, seen_ns))
        answers = self._client.put_many(items) if items else []
        with self._state.transaction():
            for (plan, seen_ns), answer in zip(sent, answers, strict=True):
                if isinstance(answer, Change):
                    self._uploaded(plan, answer, seen_ns)
                else:
                    again |= self._refused(plan.path, answer.error)
        return again

    def _upload_large(self, plan: Plan) -> bool:
        seen_ns = time.time_ns()
        try:
            change = self._client.put(
                self._hub.path(plan.path),
                self._tree.root / plan.path,
                if_version=_expected(plan),
                content_type=_media_type(plan.path),
            )
            self._tree.check_unchanged(plan.found)
        except (InTheWay, ChangedWhileSent, OSError) as reason:
            return self._failed(plan.path, reason)
        except Refused as error:
            if isinstance(error, TryLater | Unauthorized):
                raise
            return self._refused(plan.path, error)
        with self._state.transaction():
            self._uploaded(plan, change, seen_ns)
        return False

    def _uploaded(self, plan: Plan, change: Change, seen_ns: int) -> None:
        assert change.version is not None
        assert change.sha256 is not None
        self._state.agree([(plan.path, Base(change.version, change.sha256), plan.found, seen_ns)])
        self._state.update_remote([(plan.path, Remote(change.version, change.sha256, plan.found.size_bytes))])
        self._tell(Done.UPLOADED, plan.path, "")

    # --- Down

    def _download(self, plans: Sequence[Plan]) -> bool:
        small = [plan for plan in plans if plan.remote.size_bytes < LARGE_BYTES]
        again = False
        for batch in _batches(small, lambda plan: plan.remote.size_bytes):
            answers = self._client.get_many((self._hub.path(plan.path), plan.remote.version) for plan in batch)
            arrived, contents = [], []
            for plan, answer in zip(batch, answers, strict=True):
                if isinstance(answer, StoredFile):
                    arrived.append(plan)
                    contents.append(answer.content)
                else:
                    again |= self._refused(plan.path, answer.error)
            again |= self._place(list(zip(arrived, self._written(contents), strict=True)))
        for plan in plans:
            if plan.remote.size_bytes >= LARGE_BYTES:
                again |= self._download_large(plan)
        return again

    def _download_large(self, plan: Plan) -> bool:
        part = self._new_part()
        try:
            self._client.download(self._hub.path(plan.path), part, version=plan.remote.version)
        except (NotFound, DamagedAnswer) as error:
            return self._failed(plan.path, error)
        return self._place([(plan, part)])

    def _place(self, arrived: Sequence[tuple[Plan, Path]]) -> bool:
        """Puts whole files to their places, and writes down that both sides have them."""
        agreed, failed = [], False
        for plan, part in arrived:
            seen_ns = time.time_ns()
            try:
                found = self._tree.place(part, plan.path, instead_of=plan.difference.found)
            except (InTheWay, OSError) as reason:
                part.unlink(missing_ok=True)
                failed = self._failed(plan.path, reason)
                continue
            base = Base(plan.remote.version, plan.remote.sha256 or "")
            agreed.append((plan.path, base, found, seen_ns))
            self._tell(Done.DOWNLOADED, plan.path, "")
        self._tree.flush(path for path, *_ in agreed)
        with self._state.transaction():
            self._state.agree(agreed)
        return failed

    # --- Both

    def _reconcile(self, plan: Plan) -> None:
        """Merges what both sides wrote; where that is not possible, our text gets a name of its own.

        Either way the file is as the hub has it afterwards, or a change of that: the next look sends it there.
        """
        path = self._hub.path(plan.path)
        try:
            ours = self._tree.read(plan.found)
            theirs = self._client.read(path, version=plan.remote.version)
            text = self._merged(plan, ours, theirs)
            if text is None:
                copy = self._conflict_name(plan.path)
                self._tree.rename(plan.found, copy)
                self._tell(Done.CONFLICT, plan.path, copy)
                return
            if text != ours:
                (part,) = self._written([text])
                self._tree.place(part, plan.path, instead_of=plan.found)
        except (InTheWay, NotFound, DamagedAnswer, OSError) as reason:
            self._failed(plan.path, reason)
            return
        with self._state.transaction():
            self._state.agree([(plan.path, Base(plan.remote.version, plan.remote.sha256 or ""), _UNSEEN, 0)])
        self._tell(Done.MERGED, plan.path, "")

    def _merged(self, plan: Plan, ours: bytes, theirs: bytes) -> bytes | None:
        base = plan.difference.base
        if base is None or max(len(ours), len(theirs)) > LONGEST_BYTES:
            return None
        try:
            before = self._client.read(self._hub.path(plan.path), version=base.version)
        except (NotFound, DamagedAnswer):
            return None
        # After the hub was restored a version may mean something else.
        if hashlib.sha256(before).hexdigest() != base.sha256:
            return None
        return merged(before, ours, theirs)

    def _conflict_name(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        host = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in self._host) or "here"
        number = 1
        while True:
            mark = f" (conflict {self._now:%Y-%m-%d %H.%M} from {host}{f' {number}' if number > 1 else ''})"
            room = LONGEST_NAME_BYTES - len((mark + suffix).encode())
            copy = f"{folder}{slash}{_cut(stem, room)}{mark}{suffix}"
            if not self._tree.exists(copy):
                return copy
            number += 1

    # --- Small things

    def _written(self, contents: Sequence[bytes]) -> list[Path]:
        """Files with these contents, on the disk."""
        parts = [self._new_part() for _ in contents]
        for part, content in zip(parts, contents, strict=True):
            part.write_bytes(content)
        if parts:
            flush_files(self._tree.parts, parts)
        return parts

    def _new_part(self) -> Path:
        return self._tree.parts / uuid.uuid4().hex

    def _refused(self, path: str, error: Refused) -> bool:
        """True where the state that refused is news that the next look brings."""
        if isinstance(error, PreconditionFailed | NotFound):
            return True
        self._tell(Done.FAILED, path, error.detail)
        return False

    def _failed(self, path: str, reason: Exception) -> bool:
        self._tell(Done.FAILED, path, str(reason))
        return True


_UNSEEN = Found("", -1, 0, 0)
"""No file looks like this: it will be read again."""
LONGEST_NAME_BYTES = 255


def _expected(plan: Plan) -> int:
    remote = plan.difference.remote
    return remote.version if remote is not None and remote.sha256 is not None else 0


def _media_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode("utf-8", "ignore")


def _batches(plans: Iterable[Plan], size_of: Callable[[Plan], int]) -> Iterator[list[Plan]]:
    """In order, within what a batch may hold."""
    batch: list[Plan] = []
    size_bytes = 0
    for plan in plans:
        if batch and (len(batch) == MAX_ITEMS or size_bytes + size_of(plan) > BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(plan)
        size_bytes += size_of(plan)
    if batch:
        yield batch
