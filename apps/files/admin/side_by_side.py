"""Two texts beside each other, line by line. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

CONTEXT_LINES = 3
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a line; `changed` where the other side has something else."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of each side, None where a side has none. `kind` is `same`, `changed`, `removed` or `added`."""

    kind: str
    before: Line | None
    after: Line | None


@dataclass(frozen=True, slots=True)
class Hunk:
    """Changed rows with the equal ones around them. `skipped` equal lines before it are not shown."""

    skipped: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`skipped` equal lines after the last hunk are not shown."""

    hunks: list[Hunk]
    skipped: int
    added: int
    removed: int


def compare(before: str, after: str) -> Comparison:
    """What two texts differ in, with three equal lines around each difference; no hunk for equal texts."""
    left, right = before.splitlines(), after.splitlines()
    matcher = SequenceMatcher(None, left, right)
    hunks = []
    shown_to = 0
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        if all(tag == "equal" for tag, *_ in group):
            continue
        hunks.append(Hunk(group[0][1] - shown_to, list(_rows(group, left, right))))
        shown_to = group[-1][2]
    changes = [row for hunk in hunks for row in hunk.rows if row.kind != "same"]
    return Comparison(
        hunks,
        len(left) - shown_to,
        added=sum(row.after is not None for row in changes),
        removed=sum(row.before is not None for row in changes),
    )


def _rows(group: Sequence[tuple[str, int, int, int, int]], left: list[str], right: list[str]) -> Iterator[Row]:
    for tag, begin, end, other_begin, other_end in group:
        if tag == "equal":
            for step in range(end - begin):
                pieces = [Piece(left[begin + step])]
                yield Row("same", Line(begin + step + 1, pieces), Line(other_begin + step + 1, pieces))
            continue
        numbers = zip_longest(range(begin, end), range(other_begin, other_end))
        for number, other_number in numbers:
            yield _changed(number, other_number, left, right)


def _changed(number: int | None, other_number: int | None, left: list[str], right: list[str]) -> Row:
    if number is None:
        assert other_number is not None
        return Row("added", None, Line(other_number + 1, [Piece(right[other_number])]))
    if other_number is None:
        return Row("removed", Line(number + 1, [Piece(left[number])]), None)
    before, after = _pieces(left[number], right[other_number])
    return Row("changed", Line(number + 1, before), Line(other_number + 1, after))


def _pieces(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """The words in which two lines differ; whole lines where they have little in common."""
    left, right = _WORDS.findall(before), _WORDS.findall(after)
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    if matcher.ratio() < 0.4:
        return [Piece(before)], [Piece(after)]
    ours, theirs = [], []
    for tag, begin, end, other_begin, other_end in matcher.get_opcodes():
        differs = tag != "equal"
        if end > begin:
            ours.append(Piece("".join(left[begin:end]), differs))
        if other_end > other_begin:
            theirs.append(Piece("".join(right[other_begin:other_end]), differs))
    return ours, theirs
