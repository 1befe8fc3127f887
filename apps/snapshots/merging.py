"""Comparing states by path, and joining two that grew from one. Pure.

States are sorted by the bytes of their paths, and read once, so that they may be of any size.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

CONFLICT_MARK = " (conflict "
"""What names hold under which the text of one side is written beside the other's."""


class State(Protocol):
    """A file of a state."""

    @property
    def path(self) -> str: ...
    @property
    def sha256(self) -> bytes: ...
    @property
    def content_type(self) -> str: ...


def joined(*states: Iterable[State]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each path of any state with its file in each of them, None where it has none, in the order of the paths."""
    readers = [_keyed(state) for state in states]
    heads = [next(reader, None) for reader in readers]
    while waiting := [head[0] for head in heads if head is not None]:
        first = min(waiting)
        found: list[State | None] = [None] * len(heads)
        for number, head in enumerate(heads):
            if head is not None and head[0] == first:
                found[number] = head[1]
                heads[number] = next(readers[number], None)
        yield first.decode(), tuple(found)


def _keyed(state: Iterable[State]) -> Iterator[tuple[bytes, State]]:
    for file in state:
        yield file.path.encode(), file


def same(one: State | None, other: State | None) -> bool:
    """Whether both have the same bytes under the same media type, or neither is there."""
    if one is None or other is None:
        return one is other
    return (one.sha256, one.content_type) == (other.sha256, other.content_type)


class Step(NamedTuple):
    """A path to write: with this file's content, or a tombstone for None."""

    path: str
    file: Any


def restoring(theirs: Iterable[State], ours: Iterable[State], *, delete: bool) -> Iterator[Step]:
    """What brings a state of ours to theirs, path by path."""
    for path, (wanted, now) in joined(theirs, ours):
        step = restored(wanted, now, path, delete=delete)
        if step is not None:
            yield step


def restored(wanted: State | None, now: State | None, path: str, *, delete: bool) -> Step | None:
    """What brings a path to the wanted state; None where it is, or where it may stay as it is."""
    if same(wanted, now) or (wanted is None and not delete):
        return None
    return Step(path, wanted)


def merged(
    path: str, base: State | None, theirs: State | None, ours: State | None, *, name_beside: Callable[[str], str]
) -> list[Step]:
    """What brings their changes of a path since `base` to ours. What only we have changed stays.

    Where both have, ours stays and theirs is written beside it; where one has deleted, the other's text stays.
    """
    if same(theirs, ours) or same(theirs, base):
        return []
    if same(ours, base) or ours is None:
        return [Step(path, theirs)]
    return [] if theirs is None else [Step(name_beside(path), theirs)]


def conflict_name(path: str, *, at: datetime, source: str, taken: Container[str] = ()) -> str:
    """As `notes/tea (conflict 2026-03-09 from other-hub).md`; never longer than a path may be."""
    folder, _, last = path.rpartition("/")
    stem, dot, ending = last.rpartition(".") if "." in last[1:] else (last, "", "")
    mark = f"{CONFLICT_MARK}{at.astimezone(UTC):%Y-%m-%d} from {source[:40]}"
    number = 1
    while True:
        tail = f"{mark}{f' {number}' if number > 1 else ''}){dot}{ending}"
        room = min(255, 1024 - len(folder.encode()) - 1) - len(tail.encode())
        name = stem.encode()[: max(room, 1)].decode(errors="ignore") + tail
        whole = f"{folder}/{name}" if folder else name
        if whole not in taken:
            return whole
        number += 1
