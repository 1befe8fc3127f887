"""How a sync is told: a moving line for people at a terminal, JSON lines for programs."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict

from memoryhub.client.folder.decisions import Step
from memoryhub.client.folder.report import Done, Report


class Teller(ABC):
    expect: Callable[[int], None] | None = None
    """As `engine.Folder` takes it."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around one sync."""
        yield

    @abstractmethod
    def hear(self, done: Done, path: str, about: str) -> None:
        """As `report.Listener`."""

    @abstractmethod
    def planned(self, step: Step, path: str) -> None: ...

    @abstractmethod
    def finished(self, report: Report) -> None: ...

    @abstractmethod
    def stands(self, status: Mapping[str, str | int | None]) -> None:
        """As `status.status_of` gives it."""

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
        held_back = {"held_back": asdict(report.held_back)} if report.held_back is not None else {}
        self._line("finished", in_step=report.is_whole, counts=report.counts, problems=report.problems, **held_back)

    def stands(self, status: Mapping[str, str | int | None]) -> None:
        print(json.dumps(status))

    @staticmethod
    def _line(event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)


def teller_for(*, as_json: bool) -> Teller:
    """For whoever reads standard output."""
    if as_json or not sys.stdout.isatty():
        return JsonLines()
    from memoryhub.cli.terminal import Terminal

    return Terminal()
