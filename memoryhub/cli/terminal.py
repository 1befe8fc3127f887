"""How a sync is told to a person at a terminal."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from memoryhub.cli.telling import Teller
from memoryhub.client.folder.decisions import Step
from memoryhub.client.folder.report import Done, Report

ALWAYS_TOLD = frozenset({Done.MERGED, Done.CONFLICT, Done.DELETED_HERE, Done.SKIPPED, Done.FAILED})
"""What a person wants to read in full; the rest is counted."""


class Terminal(Teller):
    """A bar while it works, a line for what should be known, and a sentence at the end."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("comparing", total=None)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._progress.reset(self._task, description="comparing", total=None)
        with self._progress:
            yield

    def expect(self, files: int) -> None:
        self._progress.reset(self._task, total=files)

    def hear(self, done: Done, path: str, about: str) -> None:
        if done in ALWAYS_TOLD:
            sentence = f"{done.replace('_', ' ')}: {path}" + (f" ({about})" if about else "")
            self._console.print(escape(sentence), soft_wrap=True)
        self._progress.update(self._task, advance=1, description=path[-40:])

    def planned(self, step: Step, path: str) -> None:
        self._console.print(escape(f"{step}: {path}"), soft_wrap=True)

    def finished(self, report: Report) -> None:
        counted = ", ".join(f"{count} {done.replace('_', ' ')}" for done, count in report.counts.items() if count)
        verdict = "In step" if report.is_whole else "Not everything is in step"
        self._console.print(f"{verdict}: {counted}." if counted else f"{verdict}.")

    def stands(self, status: Mapping[str, str | int | None]) -> None:
        for name, value in status.items():
            said = value if value is not None else "-"
            self._console.print(escape(f"{name.replace('_', ' '):16} {said}"), soft_wrap=True)

    def asks(self, question: str) -> bool:
        self._progress.stop()
        return sys.stdin.isatty() and typer.confirm(question)
