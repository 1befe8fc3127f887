"""A three-way merge of texts by lines. Pure.

Source: Khanna, Kunal and Pierce, "A Formal Investigation of Diff3" (2007).
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

LONGEST_BYTES = 1024 * 1024
"""Of a text that is worth the time."""


def merged(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Both sides' changes of `base` in one text; None where they touch each other, or where one is no UTF-8 text."""
    texts = [_lines(text) for text in (base, ours, theirs)]
    if any(lines is None for lines in texts):
        return None
    base_lines, our_lines, their_lines = (lines or [] for lines in texts)
    result: list[str] = []
    for before, mine, other in _regions(base_lines, our_lines, their_lines):
        if mine == other or other == before:
            result += mine
        elif mine == before:
            result += other
        else:
            return None
    return "".join(result).encode()


def _lines(text: bytes) -> list[str] | None:
    if len(text) > LONGEST_BYTES or b"\0" in text:
        return None
    try:
        return text.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return None


Region = tuple[Sequence[str], Sequence[str], Sequence[str]]


def _regions(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[Region]:
    """Corresponding parts of the three texts: in turn one that differs somewhere and one that is the same in all."""
    at_base = at_ours = at_theirs = 0
    for start, end, in_ours, in_theirs in _common(base, ours, theirs):
        yield base[at_base:start], ours[at_ours:in_ours], theirs[at_theirs:in_theirs]
        yield (base[start:end],) * 3
        length = end - start
        at_base, at_ours, at_theirs = end, in_ours + length, in_theirs + length
    yield base[at_base:], ours[at_ours:], theirs[at_theirs:]


def _common(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Runs of lines that all three have: their start and end in the base, and their starts in the other two."""
    mine = _matches(base, ours)
    other = _matches(base, theirs)
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


def _matches(base: Sequence[str], other: Sequence[str]) -> list[tuple[int, int, int]]:
    blocks = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return [(block.a, block.b, block.size) for block in blocks]
