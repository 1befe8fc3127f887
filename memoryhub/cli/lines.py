"""Two texts, line by line."""

import sys
from dataclasses import dataclass
from io import StringIO


@dataclass(frozen=True, slots=True)
class Side:
    """One of two that are compared, by the name that the difference shows."""

    name: str
    data: bytes

    @property
    def lines(self) -> list[str] | None:
        """With their ends; None where the bytes are no text."""
        try:
            text = self.data.decode()
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else list(StringIO(text, newline="\n"))


def print_lines(before: Side, after: Side) -> None:
    """What differs, as `diff -u` shows it."""
    from difflib import unified_diff

    old, new = before.lines, after.lines
    if old is None or new is None:
        print(f"Binary files {before.name} and {after.name} differ")
        return
    for line in unified_diff(old, new, before.name, after.name):
        sys.stdout.write(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n")
