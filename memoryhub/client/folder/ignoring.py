"""What of a folder is no business of the hub. Pure but for reading the rules."""

import re
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".memoryhubignore"
OWN_FOLDER = ".memoryhub"
"""Where the sync keeps its own things; hubs refuse such paths at their top too."""


class Ignored:
    """The rules of a folder: those of `.memoryhubignore` at its top, in the language of gitignore.

    `broken` are the lines that are no rule; as in git, they match nothing.
    """

    def __init__(self, rules: str = "") -> None:
        good, self.broken = _sorted(rules.splitlines()) if rules.strip() else ([], [])
        self._files = _compiled(good)
        # To the library `a/**` is also the folder a, whose contents `a/*` means as well.
        self._folders = _compiled(_TO_ALL_BELOW.sub(r"/*\1", line) for line in good)
        self._known: dict[str, bool] = {}

    @classmethod
    def of_folder(cls, root: Path) -> "Ignored":
        try:
            return cls((root / IGNORE_FILE).read_text("utf-8", "replace"))
        except FileNotFoundError:
            return cls()

    def file(self, path: str) -> bool:
        """Whether a file, by its path below the folder, is left alone on both sides."""
        folder, _, name = path.rpartition("/")
        return bool(folder and self.folder(folder)) or self.file_here(path, name)

    def file_here(self, path: str, name: str) -> bool:
        """As `file`, where the folder that it lies in is known not to be left alone."""
        return _is_own(name) or (self._files is not None and self._files.match_file(path))

    def folder(self, path: str) -> bool:
        """Whether a folder is left alone with all that is in it: as in git, no rule brings back a part of it."""
        if path not in self._known:
            above = accumulate(path.split("/"), "{}/{}".format)
            self._known[path] = any(_is_own(each.rpartition("/")[2]) or self._names(f"{each}/") for each in above)
        return self._known[path]

    def _names(self, folder: str) -> bool:
        """Whether the last rule that is about a folder leaves it out. The library's own answer is one for files."""
        rules = reversed(self._folders.patterns) if self._folders is not None else ()
        return next((bool(rule.include) for rule in rules if rule.match_file(folder) is not None), False)


_TO_ALL_BELOW = re.compile(r"/\*\*(/?) *$")


def _sorted(lines: list[str]) -> tuple[list[str], list[str]]:
    """Those that are rules, or say nothing, and those that are broken."""
    good, broken = [], []
    for line in lines:
        try:
            _compiled([line])
        except ValueError:
            broken.append(line)
        else:
            good.append(line)
    return good, broken


def _compiled(rules: Iterable[str]) -> "GitIgnoreSpec | None":
    lines = list(rules)
    if not lines:
        return None
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - most folders have no rules, and it takes 10 ms

    return GitIgnoreSpec.from_lines(lines)


def _is_own(name: str) -> bool:
    """At any depth, as of a synced folder in another; and in other letters: on some file systems they are the same."""
    return name.casefold() == OWN_FOLDER
