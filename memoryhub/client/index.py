"""Reads the index as it comes: one row at a time, however many files there are."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from memoryhub.client.errors import DamagedAnswer
from memoryhub.client.sending import reading_answer
from memoryhub.client.values import FileState

_ROWS = '"files":['


class IndexReader:
    """Fed with pieces of text, gives the files in them. `cursor` is known with the first file."""

    def __init__(self) -> None:
        self.cursor = ""
        self.is_whole = False
        self._columns: list[str] | None = None
        self._text = ""
        self._decoder = json.JSONDecoder()

    def feed(self, piece: str) -> Iterator[FileState]:
        """The files that are whole now. Raises `DamagedAnswer` for what is no index."""
        with reading_answer():
            yield from self._states(piece)

    def _states(self, piece: str) -> Iterator[FileState]:
        self._text += piece
        at = self._begin()
        while at is not None and not self.is_whole:
            at = self._skip_comma(at)
            row, at = self._row(at)
            if row is None:
                break
            if self._columns is None:
                self._columns = row
            else:
                yield _state(dict(zip(self._columns, row, strict=True)))
        if at is not None:
            self._text = self._text[at:]

    def finish(self) -> None:
        """Raises `DamagedAnswer` where the end is missing."""
        if not self.is_whole:
            raise DamagedAnswer("The index broke off.")

    def _begin(self) -> int | None:
        """Where the rows go on in the text, None before they begin."""
        if self.cursor:
            return 0
        head, found, _ = self._text.partition(_ROWS)
        if not found:
            return None
        self.cursor = str(json.loads(head.rstrip(",") + "}")["cursor"])
        return len(head) + len(found)

    def _skip_comma(self, at: int) -> int:
        return at + 1 if self._text.startswith(",", at) else at

    def _row(self, at: int) -> tuple[list[Any] | None, int]:
        if self._text.startswith("]", at):
            self.is_whole = True
            return None, at
        try:
            row, end = self._decoder.raw_decode(self._text, at)
        except ValueError:
            return None, at
        if not isinstance(row, list):
            raise DamagedAnswer("The index cannot be read.")
        return row, end


@dataclass(frozen=True, slots=True)
class Index:
    """Every file of a workspace, or of a folder, as of `cursor`. Iterating it gives the files."""

    cursor: str
    files: list[FileState]

    def __iter__(self) -> Iterator[FileState]:
        return iter(self.files)


def _state(row: dict[str, Any]) -> FileState:
    live = not row["is_deleted"]
    return FileState(
        row["path"],
        row["version"],
        row["is_deleted"],
        row["sha256"] if live else None,
        row["md5"] if live else None,
        row["size_bytes"],
        row["content_type"],
        datetime.fromtimestamp(row["changed_at_ms"] / 1000, UTC),
    )
