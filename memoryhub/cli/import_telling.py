"""How an import is told: a bar and a table for people at a terminal, JSON lines for programs, and a report."""

import json
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import typer

from memoryhub.cli.hub import CANNOT, complain

INTERRUPTED = 130


class Row(Protocol):
    """What became of one thing that the other service has. `detail` is a sentence."""

    @property
    def outcome(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def is_problem(self) -> bool: ...

    def as_json(self) -> dict[str, Any]: ...


class Totals(Protocol):
    """How many things, and how many bytes, by outcome."""

    counts: Counter[Any]
    size_bytes: Counter[Any]

    @property
    def problems(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Words:
    """What the things are called, one and many, and what is said when all of them are here."""

    one: str
    many: str
    whole: str


@contextmanager
def reporting(path: Path | None, hear: Callable[[Row], None]) -> Iterator[Callable[[Row], None]]:
    """A listener that also writes each row to the report, if there is one."""
    if path is None:
        yield hear
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        complain(f"{path} cannot be written ({type(error).__name__}).")
        raise typer.Exit(CANNOT) from None

    def write(row: Row) -> None:
        file.write(json.dumps(row.as_json()) + "\n")
        hear(row)

    with file:
        yield write


class Teller(ABC):
    @contextmanager
    def running(self) -> Iterator[None]:
        """Around the import."""
        yield

    @abstractmethod
    def expect(self, things: int) -> None: ...

    @abstractmethod
    def hear(self, row: Row) -> None: ...

    @abstractmethod
    def finished(self, totals: Totals) -> None: ...


class _JsonLines(Teller):
    """One JSON object a line: `event` and what belongs to it. In a dry run each thing is `planned`."""

    def __init__(self, words: Words, *, dry_run: bool) -> None:
        self._words = words
        self._event = "planned" if dry_run else words.one

    def expect(self, things: int) -> None:
        self._line("listed", **{self._words.many: things})

    def hear(self, row: Row) -> None:
        self._line(self._event, **row.as_json())

    def finished(self, totals: Totals) -> None:
        self._line("finished", is_whole=not totals.problems, counts=totals.counts, size_bytes=totals.size_bytes)

    @staticmethod
    def _line(event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)


class _Terminal(Teller):
    """A bar while it works, a line for each problem, and a table and a sentence at the end."""

    def __init__(self, words: Words, *, dry_run: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._words = words
        self._dry_run = dry_run
        self._console = Console(highlight=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("listing", total=None)

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._progress:
            yield

    def expect(self, things: int) -> None:
        self._progress.update(self._task, total=things, description="checking" if self._dry_run else "importing")

    def hear(self, row: Row) -> None:
        from rich.text import Text

        from apps.common.errors import shown

        if row.is_problem:
            # Keys of foreign objects may hold what would move the cursor.
            told = f"{row.outcome.replace('_', ' ')}: {shown(row.key)} ({row.detail})"
            self._console.print(Text(told), soft_wrap=True)
        self._progress.update(self._task, advance=1)

    def finished(self, totals: Totals) -> None:
        from memoryhub.cli.tables import print_table

        rows = [
            [outcome.replace("_", " "), str(count), str(totals.size_bytes[outcome])]
            for outcome, count in sorted(totals.counts.items())
        ]
        print_table(["outcome", self._words.many, "bytes"], rows)
        if self._dry_run:
            self._console.print("This was a dry run: nothing was written.")
        elif not totals.problems:
            self._console.print(self._words.whole)


def teller_for(words: Words, *, as_json: bool, dry_run: bool) -> Teller:
    """For whoever reads standard output."""
    return (_JsonLines if as_json or not sys.stdout.isatty() else _Terminal)(words, dry_run=dry_run)
