"""Views of earlier moments equal a merge of what had come by then."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.actors import Actor
from apps.federation.actions import configure_federation, pull_view, push_summary, standing_for_pull, withdraw_agent
from apps.federation.history import changes_between, topics_over_time
from apps.federation.history_sql import labels_at, topics_at
from apps.federation.models import Agent, MergeMode, Pull
from apps.federation.models import Summary as SummaryRow
from apps.federation.queries import pulls_of
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.federation.reference import merged
from tests.federation.test_merging import OWNERS, pushes_of, summary

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


def push_at(
    workspace: Workspace, received_at: datetime, client_at: datetime, topics: dict[str, int], owner: Actor = OWNERS[0]
) -> None:
    """As if it had come at that moment."""
    push_summary(workspace, summary(at=client_at, topics=topics, labels=list(topics)), actor=owner)
    row = SummaryRow.objects.filter(agent__workspace=workspace).latest("id")
    counts_from = min(client_at, received_at + timedelta(minutes=5))
    SummaryRow.objects.filter(pk=row.pk).update(received_at=received_at, counts_from=counts_from)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(OWNERS),
            st.integers(0, 20),
            st.integers(-10, 30),
            st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=3),
        ),
        max_size=8,
    ),
    st.integers(0, 20),
    st.sampled_from(MergeMode),
)
def test_a_view_of_the_past_is_the_merge_of_what_had_come(
    pushes: list[tuple[Actor, int, int, dict[str, int]]], moment: int, mode: MergeMode
) -> None:
    workspace = make_workspace()
    for number, (owner, received, client, topics) in enumerate(pushes):
        # No two are the same, so none is a repeat.
        client_at = NOON + client * HOUR + timedelta(seconds=number)
        push_at(workspace, NOON + received * HOUR + timedelta(milliseconds=number), client_at, topics, owner=owner)
    at = NOON + moment * HOUR + timedelta(minutes=1)

    known = merged([push for push in pushes_of(workspace) if push.received_at <= at], mode=mode)

    assert topics_at(workspace.pk, at, mode=mode) == known.topics
    assert labels_at(workspace.pk, at, mode=mode) == known.labels.keys()


def test_changes_between_two_moments_name_what_came_went_and_grew() -> None:
    workspace = make_workspace()
    push_at(workspace, NOON, NOON, {"stays": 1, "grows": 2, "goes": 3})
    push_at(workspace, NOON + 2 * HOUR, NOON + HOUR, {"stays": 1, "grows": 5, "comes": 4})

    changes = changes_between(workspace.pk, NOON + HOUR, NOON + 3 * HOUR)

    assert [(each.topic, each.was, each.now) for each in changes.topics] == [
        ("comes", (0, 0), (4, 1)),
        ("goes", (3, 1), (0, 0)),
        ("grows", (2, 1), (5, 1)),
    ]
    assert (changes.labels_came, changes.labels_went) == (["comes"], ["goes"])
    assert (changes.labels_came_count, changes.labels_went_count) == (1, 1)


def test_what_was_withdrawn_is_forgotten_for_the_past_too() -> None:
    workspace = make_workspace()
    push_at(workspace, NOON, NOON, {"a": 1})
    withdraw_agent(workspace, Agent.objects.get(workspace=workspace).pk, actor=ACTOR)

    assert topics_at(workspace.pk, NOON + HOUR, mode=MergeMode.NEWEST) == {}


@pytest.mark.parametrize(("mode", "expected"), [("newest", [0, 3, 3, 9]), ("sum", [0, 3, 4, 13])])
def test_topics_over_time_are_their_totals_at_the_end_of_each_day(mode: str, expected: list[int]) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"mode": mode}, actor=ACTOR)
    day = timedelta(days=1)
    push_at(workspace, NOON, NOON, {"a": 3, "small": 1})
    # Older than what is there: it changes only the sum.
    push_at(workspace, NOON + day, NOON - day, {"a": 1})
    push_at(workspace, NOON + 2 * day, NOON + 2 * day, {"a": 9})
    push_at(workspace, NOON + 2 * day + 2 * HOUR, NOON + 2 * day + 2 * HOUR, {"a": 100}, owner=OWNERS[1])

    days, series = topics_over_time(workspace.pk, days=4, topics=1, now=NOON + 2 * day + HOUR)

    assert [each.day for each in days] == [2, 3, 4, 5]
    assert [(each.topic, list(each.totals)) for each in series] == [("a", expected)]


def test_a_pull_is_kept_once_for_each_revision_and_puller() -> None:
    workspace = make_workspace()
    for minutes in (0, 0, 1):
        push_summary(workspace, summary(at=NOON + timedelta(minutes=minutes), topics={"a": 1}), actor=ACTOR)
        for puller in OWNERS:
            pull_view(workspace, standing_for_pull(workspace), actor=puller)

    assert [(pull.puller, pull.revision) for pull in pulls_of(workspace.pk)] == [
        ("token:b", 2),
        ("token:a", 2),
        ("token:b", 1),
        ("token:a", 1),
    ]
    assert Pull.objects.count() == 4
