"""The past of a workspace's merged view in the console: topics over time, and what changed between two pulls."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.actors import Actor
from apps.federation.actions import configure_federation, pull_view, standing_for_pull, withdraw_agent
from apps.federation.models import Pull
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.federation.pages import PULLS, TOPICS, filled, operator, push
from tests.files.client import statements_sent

pytestmark = pytest.mark.django_db


def pulled(workspace: Workspace, name: str = "reader") -> None:
    pull_view(workspace, standing_for_pull(workspace), actor=Actor(name))


def test_topics_are_drawn_and_told_day_by_day() -> None:
    workspace = make_workspace("mine")
    push(workspace, "ada", {"a": 2, "b": 1}, ago_days=3)
    push(workspace, "ada", {"a": 7, "b": 1})
    root = operator()

    shown = root.get(TOPICS, workspace="mine", days=7).context
    text = root.text(TOPICS, workspace="mine", days=7)

    assert [(line.name, line.last) for line in shown["chart"].lines] == [("a", 7), ("b", 1)]
    assert [totals for _day, totals in shown["figures"]] == [[7, 1], [2, 1], [2, 1], [2, 1], [0, 0], [0, 0], [0, 0]]
    today = datetime.now(UTC).date()
    assert [day.date() for day, _totals in shown["figures"]] == [today - timedelta(days=back) for back in range(7)]
    assert '<svg class="hub-chart"' in text
    assert "<title id=" in text
    assert f'<th scope="row">{today}</th>' in text


@pytest.mark.parametrize(("asked", "days"), [("7", 7), ("30", 30), ("90", 90), ("", 30), ("8", 30), ("x", 30)])
def test_the_days_are_chosen(asked: str, days: int) -> None:
    filled()

    shown = operator().get(TOPICS, workspace="mine", days=asked).context

    assert len(shown["figures"]) == days


def test_the_eight_greatest_topics_are_drawn() -> None:
    workspace = make_workspace("mine")
    push(workspace, "ada", {f"<b>{number}</b>": number for number in range(12)})

    answer = operator().get(TOPICS, workspace="mine")

    assert [line.last for line in answer.context["chart"].lines] == [11, 10, 9, 8, 7, 6, 5, 4]
    assert "<b>" not in answer.content.decode()


def test_without_topics_there_is_no_chart() -> None:
    make_workspace("mine")

    assert "No topic yet" in operator().text(TOPICS, workspace="mine")


def test_the_last_two_pulls_are_compared() -> None:
    workspace = filled()
    pulled(workspace)
    push(workspace, "ada", {"a": 10, "c": 1}, ["new"])
    pulled(workspace)
    push(workspace, "ada", {"z": 1})

    shown = operator().get(PULLS, workspace="mine").context

    assert [row.pull.puller for row in shown["rows"]] == ["reader", "reader"]
    assert (shown["until"], shown["since"]) == tuple(row.value for row in shown["rows"])
    assert [(row.change.topic, row.change.was, row.change.now, row.difference) for row in shown["topics"]] == [
        ("a", (3, 1), (10, 1), "+7"),
        ("b", (6, 2), (5, 1), "-1"),
        ("c", (0, 0), (1, 1), "+1"),
    ]
    assert [(list(each.labels), each.total) for each in shown["labels"]] == [(["new"], 1), (["secret-project-x"], 1)]


def test_any_two_pulls_are_compared_the_earlier_one_first() -> None:
    workspace = filled()
    for count in (1, 2, 3):
        push(workspace, "ada", {"a": count})
        pulled(workspace)
    root = operator()
    newest, _middle, oldest = (row.value for row in root.get(PULLS, workspace="mine").context["rows"])

    shown = root.get(PULLS, workspace="mine", **{"from": newest, "to": oldest}).context

    assert (shown["since"], shown["until"]) == (oldest, newest)
    assert [(row.change.was[0], row.change.now[0]) for row in shown["topics"]] == [(1, 3)]


def test_what_was_withdrawn_is_in_neither_view_and_that_is_said() -> None:
    workspace = filled()
    pulled(workspace)
    goes = push(workspace, "eve", {"e": 1})
    pulled(workspace)
    withdraw_agent(workspace, goes.pk, actor=ACTOR)

    answer = operator().get(PULLS, workspace="mine")

    assert answer.context["topics"] == []
    assert "What was withdrawn, has expired or was reset since is in neither view." in answer.content.decode()


def test_one_pull_alone_is_compared_with_nothing() -> None:
    workspace = filled()
    root = operator()

    before = root.text(PULLS, workspace="mine")
    pulled(workspace)

    assert "Nobody has pulled yet" in before
    assert "There is one pull only." in root.text(PULLS, workspace="mine")


def test_of_many_changes_the_rest_is_counted() -> None:
    workspace = filled()
    pulled(workspace)
    push(workspace, "eve", {f"t{number}": 1 for number in range(300)}, [f"l{number}" for number in range(1500)])
    pulled(workspace)

    text = operator().text(PULLS, workspace="mine")

    assert "And 100 more with smaller differences." in text
    assert "And 1,400 more." in text


@pytest.mark.parametrize("text", ["never", "2026-02-01T12:00:00", ""])
def test_a_moment_that_is_none_is_404(text: str) -> None:
    filled()

    assert operator().get(PULLS, workspace="mine", **{"from": text, "to": text}).status_code == 404


def test_pages_cost_the_same_for_one_row_and_for_many() -> None:
    workspace = filled()
    for name in ("one", "two"):
        pulled(workspace, name)
    root = operator()
    for page in (TOPICS, PULLS):
        root.get(page, workspace="mine")
    with statements_sent() as for_one:
        root.get(PULLS, workspace="mine")
        root.get(TOPICS, workspace="mine")
    for number in range(40):
        push(workspace, f"agent-{number}", {f"t{number}": number, "a": 1}, [f"l{number}"])
        pulled(workspace)

    with statements_sent() as for_many:
        root.get(PULLS, workspace="mine")
        root.get(TOPICS, workspace="mine")

    assert Pull.objects.count() == 42
    assert (len(for_one), len(for_many)) == (15, 15)


def test_in_the_sum_all_summaries_of_a_day_are_drawn() -> None:
    workspace = make_workspace("mine")
    configure_federation(workspace, {"mode": "sum"}, actor=ACTOR)
    push(workspace, "ada", {"a": 2}, ago_days=1)
    push(workspace, "ada", {"a": 5})

    figures = operator().get(TOPICS, workspace="mine", days=7).context["figures"]

    assert [totals for _day, totals in figures][:3] == [[7], [2], [0]]
