"""The lines of a chart: inside their axes, told apart, with round numbers beside them."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.federation.admin.charts import BOTTOM, LEFT, RIGHT, TOP, chart_of, short

DAY = datetime(2026, 2, 1, tzinfo=UTC)
WEEK = [DAY + timedelta(days=number) for number in range(7)]


def test_a_line_goes_from_the_first_day_to_the_last() -> None:
    chart = chart_of(WEEK, [("a", [0, 0, 0, 0, 0, 0, 40])])

    points = chart.lines[0].points.split()
    assert (points[0], points[-1]) == (f"{LEFT}.0,{BOTTOM}.0", f"{RIGHT}.0,{TOP}.0")
    assert [mark.text for mark in chart.values] == ["0", "10", "20", "30", "40"]
    assert [mark.text for mark in chart.days][::6] == ["Feb 1", "Feb 7"]


def test_lines_differ_by_number_and_dashes_and_their_numbers_do_not_overlap() -> None:
    chart = chart_of(WEEK, [(f"t{number}", [5] * 7) for number in range(8)])

    assert [line.number for line in chart.lines] == list(range(1, 9))
    assert len({line.dash for line in chart.lines}) == 8
    places = sorted(line.label_y for line in chart.lines)
    assert min(below - above for above, below in itertools.pairwise(places)) == 16


@given(st.lists(st.lists(st.integers(-(10**39), 10**39), min_size=7, max_size=7), min_size=1, max_size=8))
def test_every_point_and_number_is_inside(values: list[list[int]]) -> None:
    chart = chart_of(WEEK, [("t", row) for row in values])

    for line in chart.lines:
        heights = [float(point.split(",")[1]) for point in line.points.split()]
        assert all(TOP <= height <= BOTTOM for height in [*heights, line.label_y])
    assert len({mark.text for mark in chart.values}) == len(chart.values) <= 7


@pytest.mark.parametrize("days", [7, 30, 90])
def test_the_last_day_is_named_and_days_keep_apart(days: int) -> None:
    beginnings = [DAY + timedelta(days=number) for number in range(days)]

    marks = chart_of(beginnings, [("a", [1] * days)]).days

    assert marks[-1].at == RIGHT
    assert min(after.at - before.at for before, after in itertools.pairwise(marks)) > 70


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (950, "950"),
        (-950, "-950"),
        (12_000, "12k"),
        (1_500_000, "1.5M"),
        (-2 * 10**15, "-2P"),
        (10**18, "1e18"),
    ],
)
def test_numbers_of_an_axis_are_short(number: int, text: str) -> None:
    assert short(number) == text
