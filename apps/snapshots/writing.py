"""Writing a state into a workspace: what of it has to be fetched before, and the changes that it takes."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

from apps.blobs.queries import known_digests
from apps.common.conditions import ANY
from apps.files.changes import ChangeItem
from apps.files.paths import check_portable
from apps.snapshots.format.manifests import Entry
from apps.snapshots.merging import Step
from apps.snapshots.staging import Stage

KNOWN_AT_ONCE = 1000
ITEMS_AT_ONCE, BYTES_AT_ONCE = 1000, 8 * 1024 * 1024
"""In one statement; the bytes are those of small contents."""


class Portable(Protocol):
    """A workspace, as far as names go."""

    @property
    def portable_names(self) -> bool: ...


def lacking(
    workspace_id: int, steps: Iterable[Step], stage: Stage, *, check: Callable[[], None] = lambda: None
) -> Iterator[Entry]:
    """The files to write whose content the workspace does not know, each content once."""
    left = iter(steps)
    while batch := list(islice(left, KNOWN_AT_ONCE)):
        check()
        files = {step.file.sha256: step.file for step in batch if step.file is not None}
        known = known_digests(workspace_id, files.keys())
        yield from (file for sha256, file in files.items() if sha256 not in known and stage.claim(sha256))


def write_steps(
    workspace: Portable,
    steps: Callable[[], Iterator[Step]],
    stage: Stage,
    apply: Callable[[list[ChangeItem]], None],
    *,
    deletes: bool = True,
) -> tuple[int, int]:
    """Writes what is staged or known, and says how many files were written and deleted. Call inside a transaction.

    `steps` is called once for the deletions, if there can be any, and once for the rest: what is deleted makes room for
    what is written, where a quota is near. Raises `PathCollision` and others where a name cannot be.
    """
    counts = {True: 0, False: 0}
    for is_put in (False, True) if deletes else (True,):
        chosen = (step for step in steps() if (step.file is not None) is is_put)
        for items in _in_batches(_item(workspace, step, stage) for step in chosen):
            apply(items)
            counts[is_put] += len(items)
    return counts[True], counts[False]


def _item(workspace: Portable, step: Step, stage: Stage) -> ChangeItem:
    if step.file is None:
        return ChangeItem(step.path, ANY)
    if workspace.portable_names:
        check_portable(step.path)
    return ChangeItem(step.path, ANY, stage.content(step.file.sha256), step.file.content_type)


def _in_batches(items: Iterable[ChangeItem]) -> Iterator[list[ChangeItem]]:
    batch: list[ChangeItem] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item.content.inline or b"") if item.content is not None else 0
        if len(batch) == ITEMS_AT_ONCE or size > BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
