"""A chart of lines, as points of an SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

WIDTH, HEIGHT = 560, 280
LEFT, RIGHT, TOP, BOTTOM = 84, 524, 12, 246
"""What the axes enclose."""
STEPS, DATES = 4, 6
LABEL_GAP = 16.0
DASHES = ("none", "8 4", "2 4", "10 3 2 3", "14 6", "5 2", "1 3", "12 3 2 3 2 3")
"""One for each line, so that they differ by more than colour."""
_UNITS = ((18, ""), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, ""))


@dataclass(frozen=True, slots=True)
class Line:
    """`number` stands at the line's end, at `label_y`."""

    number: int
    name: str
    dash: str
    points: str
    label_y: float
    last: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    lines: Sequence[Line]
    values: Sequence[Mark]
    days: Sequence[Mark]


def chart_of(days: Sequence[datetime], series: Sequence[tuple[str, Sequence[int]]]) -> Chart:
    """Lines over at least two days, each a name and a value for every day."""
    ticks = _ticks([value for _name, values in series for value in values])
    low, high = ticks[0], ticks[-1]

    def x(place: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * place / (len(days) - 1), 1)

    def y(value: int) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * ((value - low) / (high - low)), 1)

    labels = _spread([y(values[-1]) for _name, values in series])
    lines = [
        Line(
            number,
            name,
            DASHES[(number - 1) % len(DASHES)],
            " ".join(f"{x(place)},{y(value)}" for place, value in enumerate(values)),
            label_y,
            values[-1],
        )
        for number, ((name, values), label_y) in enumerate(zip(series, labels, strict=True), start=1)
    ]
    # Counted back from the last day, which is always named.
    named = range(len(days) - 1, -1, -max(1, -(-(len(days) - 1) // DATES)))
    return Chart(
        lines,
        [Mark(y(tick), short(tick)) for tick in ticks],
        [Mark(x(place), f"{days[place]:%b} {days[place].day}") for place in reversed(named)],
    )


def short(number: int) -> str:
    """`950`, `12k`, `1.5M`; from 10**18 on `2e18`."""
    power, unit = next((entry for entry in _UNITS if abs(number) >= 10 ** entry[0]), (0, ""))
    if power == 18:
        return f"{Decimal(number).normalize():e}".replace("+", "")
    return f"{number / 10**power:g}{unit}"


def _ticks(values: Sequence[int]) -> list[int]:
    """Round numbers with equal steps from at most the least value, or 0, to at least the greatest."""
    low, high = min(0, *values), max(0, *values)
    least = max(1, -(-(high - low) // STEPS))
    power = 10 ** (len(str(least)) - 1)
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= least)
    return [step * place for place in range(low // step, max(-(-high // step), low // step + 1) + 1)]


def _spread(places: Sequence[float]) -> list[float]:
    """The places moved apart as far as labels need, and no further down than the axis."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + LABEL_GAP)
    lowest = float(BOTTOM)
    for number in reversed(order):
        moved[number] = min(moved[number], lowest)
        lowest = moved[number] - LABEL_GAP
    return [round(place, 1) for place in moved]
