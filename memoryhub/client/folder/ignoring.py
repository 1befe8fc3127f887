"""What of a folder is no business of the hub. Pure but for reading the rules."""

from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILE = ".memoryhubignore"
OWN_FOLDER = ".memoryhub"
"""Where the sync keeps its own things; hubs refuse such paths too."""


class Ignored:
    """The rules of a folder: those of `.memoryhubignore` at its top, in the language of gitignore."""

    def __init__(self, rules: str = "") -> None:
        self._spec = GitIgnoreSpec.from_lines(rules.splitlines()) if rules.strip() else None

    @classmethod
    def of_folder(cls, root: Path) -> "Ignored":
        try:
            return cls((root / IGNORE_FILE).read_text("utf-8", "replace"))
        except FileNotFoundError:
            return cls()

    def file(self, path: str) -> bool:
        """Whether a file, by its path below the folder, is left alone on both sides."""
        return path.split("/", 1)[0] == OWN_FOLDER or (self._spec is not None and self._spec.match_file(path))

    def folder(self, path: str) -> bool:
        """Whether nothing in a folder needs to be looked at."""
        return path == OWN_FOLDER or (self._spec is not None and self._spec.match_file(path + "/"))
