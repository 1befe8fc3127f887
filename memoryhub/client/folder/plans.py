"""What is to be done with single paths, and what it is done with."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from memoryhub.client.blocking import Client
from memoryhub.client.errors import NotFound, PreconditionFailed, Refused
from memoryhub.client.folder.decisions import Base, Remote, Step
from memoryhub.client.folder.files import Tree
from memoryhub.client.folder.hubside import HubSide
from memoryhub.client.folder.report import Journal
from memoryhub.client.folder.scanning import Found
from memoryhub.client.folder.state import Difference, State

LARGE_BYTES = 1024 * 1024
"""Files from this size travel alone, as streams."""
BATCH_ITEMS = 1000
BATCH_BYTES = 8 * 1024 * 1024
UNSEEN = Found("", -1, 0, 0, 0)
"""No file looks like this: it will be read again."""


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

    @property
    def remote_base(self) -> Base:
        """The hub's file, as what both sides have."""
        assert self.remote.sha256 is not None
        return Base(self.remote.version, self.remote.sha256)


@dataclass(frozen=True, slots=True)
class Sides:
    """The folder, the hub, what is known of both, and where it is told what happens to them."""

    tree: Tree
    hub: HubSide
    client: Client
    state: State
    journal: Journal

    def refused(self, path: str, error: Refused) -> None:
        """Another look brings news of the hub, reads what was changed while it was sent, and may find a name free.

        A name that the workspace never takes is left alone.
        """
        if isinstance(error, PreconditionFailed | NotFound) or error.code in ("checksum_mismatch", "path_collision"):
            self.journal.look_again(path, error.detail)
        elif error.code == "bad_path":
            self.journal.skip(path, f"the hub cannot have it: {error.detail}")
        else:
            self.journal.fail(path, error.detail)


def batches(plans: Iterable[Plan], size_of: Callable[[Plan], int]) -> Iterator[list[Plan]]:
    """In order, within what a batch may hold."""
    batch: list[Plan] = []
    size_bytes = 0
    for plan in plans:
        if batch and (len(batch) == BATCH_ITEMS or size_bytes + size_of(plan) > BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(plan)
        size_bytes += size_of(plan)
    if batch:
        yield batch


def local_sha256(tree: Tree, difference: Difference) -> str | None:
    """Of the file as it was found; it is read where its looks do not tell. Raises `InTheWay`."""
    base, found = difference.base, difference.found
    if found is None:
        return None
    if base is not None and difference.is_as_seen:
        return base.sha256
    return tree.sha256(found)
