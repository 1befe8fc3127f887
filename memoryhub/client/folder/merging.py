"""A three-way merge of texts by lines. Pure.

Source: Khanna, Kunal and Pierce, "A Formal Investigation of Diff3" (2007).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

LONGEST_BYTES = 1024 * 1024
"""Of a text that is worth the time."""
MOST_PAIRS = 1_000_000
"""Of equal lines, one in each text, between the first and the last difference: 0.3 s for random lines (measured)."""

Match = tuple[int, int, int]
"""Where in the base, where in the other text, and how many lines."""


def merged(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Both sides' changes of `base` in one text.

    None where they touch each other, where one is no UTF-8 text, or where it would take too long to find out.
    """
    texts = [_lines(text) for text in (base, ours, theirs)]
    if any(lines is None for lines in texts):
        return None
    base_lines, our_lines, their_lines = (lines or [] for lines in texts)
    matches = _matches(base_lines, our_lines), _matches(base_lines, their_lines)
    if matches[0] is None or matches[1] is None:
        return None
    result: list[str] = []
    for before, mine, other in _regions(base_lines, our_lines, their_lines, _common(matches[0], matches[1])):
        if mine == other or other == before:
            result += mine
        elif mine == before:
            result += other
        else:
            return None
    return "".join(result).encode()


def joined_rules(ours: bytes, theirs: bytes) -> bytes:
    """Ignore rules that match whatever either side's match: theirs, and of ours what they lack but the exceptions."""
    # An exception of theirs may come after a rule that both have.
    known = set() if b"!" in theirs else set(theirs.splitlines())
    lacking = [line for line in ours.splitlines() if line not in known and not line.startswith(b"!")]
    return b"".join(line + b"\n" for line in [*theirs.splitlines(), *lacking])


def _lines(text: bytes) -> list[str] | None:
    if len(text) > LONGEST_BYTES or b"\0" in text:
        return None
    try:
        return text.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return None


Region = tuple[Sequence[str], Sequence[str], Sequence[str]]


def _regions(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], common: Iterator[tuple[int, int, int, int]]
) -> Iterator[Region]:
    """Corresponding parts of the three texts: in turn one that differs somewhere and one that is the same in all."""
    at_base = at_ours = at_theirs = 0
    for start, end, in_ours, in_theirs in common:
        yield base[at_base:start], ours[at_ours:in_ours], theirs[at_theirs:in_theirs]
        yield (base[start:end],) * 3
        length = end - start
        at_base, at_ours, at_theirs = end, in_ours + length, in_theirs + length
    yield base[at_base:], ours[at_ours:], theirs[at_theirs:]


def _common(mine: Sequence[Match], other: Sequence[Match]) -> Iterator[tuple[int, int, int, int]]:
    """Runs of lines that all three have: their start and end in the base, and their starts in the other two."""
    left = right = 0
    while left < len(mine) and right < len(other):
        (base_a, our_at, size_a), (base_b, their_at, size_b) = mine[left], other[right]
        start, end = max(base_a, base_b), min(base_a + size_a, base_b + size_b)
        if start < end:
            yield start, end, our_at + start - base_a, their_at + start - base_b
        if base_a + size_a < base_b + size_b:
            left += 1
        else:
            right += 1


def _matches(base: Sequence[str], other: Sequence[str]) -> list[Match] | None:
    """In order. None where there are too many to choose from."""
    head = _equal(base, other)
    # What the head has taken is no part of the tail.
    tail = _equal(base[head:][::-1], other[head:][::-1])
    old, new = base[head : len(base) - tail], other[head : len(other) - tail]
    counted = Counter(new)
    if sum(counted[line] for line in old) > MOST_PAIRS:
        return None
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    between = [(block.a + head, block.b + head, block.size) for block in blocks]
    return [(0, 0, head), *between, (len(base) - tail, len(other) - tail, tail)]


def _equal(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are the same at the beginning."""
    length = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        length += 1
    return length
