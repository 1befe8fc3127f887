"""How a sync is told: a moving line for people at a terminal, JSON lines for programs."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from memoryhub.client.folder.decisions import Step
from memoryhub.client.folder.report import Done, Report

ALWAYS_TOLD = frozenset({Done.MERGED, Done.CONFLICT, Done.DELETED_HERE, Done.SKIPPED, Done.FAILED})
"""What a person wants to read in full; the rest is counted."""


class Teller(ABC):
    @contextmanager
    def running(self) -> Iterator[None]:
        """Around one sync."""
        yield

    def expect(self, files: int) -> None:  # noqa: B027 - most have no use for it
        """About how many files there are to see to."""

    @abstractmethod
    def hear(self, done: Done, path: str, about: str) -> None:
        """As `report.Listener`."""

    @abstractmethod
    def planned(self, step: Step, path: str) -> None: ...

    @abstractmethod
    def finished(self, report: Report) -> None: ...

    def asks(self, question: str) -> bool:
        """Whether somebody is there and says yes."""
        return False


class JsonLines(Teller):
    """One object a line: `event` and what belongs to it."""

    def hear(self, done: Done, path: str, about: str) -> None:
        self._line(done, path=path, **({"about": about} if about else {}))

    def planned(self, step: Step, path: str) -> None:
        self._line("planned", step=step, path=path)

    def finished(self, report: Report) -> None:
        self._line("finished", in_step=report.is_whole, counts=report.counts, problems=report.problems)

    @staticmethod
    def _line(event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)


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

    def asks(self, question: str) -> bool:
        self._progress.stop()
        return sys.stdin.isatty() and typer.confirm(question)


def teller_for(*, as_json: bool) -> Teller:
    """For whoever reads standard output."""
    return JsonLines() if as_json or not sys.stdout.isatty() else Terminal()
