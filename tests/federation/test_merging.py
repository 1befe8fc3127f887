"""The merged view is kept up at each push, and equals a merge of everything at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.actors import Actor
from apps.accounts.models import AuditEvent
from apps.common.errors import Invalid, NotFound, ScopeMissing
from apps.common.ids import uuid7
from apps.federation import sql
from apps.federation.actions import (
    configure_federation,
    expire_summaries,
    owner_of,
    push_summary,
    reset_federation,
    withdraw_agent,
)
from apps.federation.models import Agent, FederationCounter, Label, Topic
from apps.federation.models import Summary as SummaryRow
from apps.federation.queries import agents_of, merged_view, standing_of
from apps.federation.summaries import Summary
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.federation.reference import Push, View, merged

DAY = datetime(2026, 2, 1, 12, tzinfo=UTC)
OWNERS = [Actor("token:a"), Actor("token:b")]
FAR_AHEAD = timedelta(days=36_500)


def summary(name: str = "agent-1", at: datetime = DAY, topics: Any = None, labels: Any = ()) -> Summary:
    return Summary.of(name, at.isoformat(), topics=topics or {}, labels=list(labels))


def view_of(workspace: Workspace) -> View:
    topics = Topic.objects.filter(workspace=workspace).values_list("topic", "total", "agents")
    labels = Label.objects.filter(workspace=workspace).values_list("label", "agents")
    return View(
        {topic: (int(total), agents) for topic, total, agents in topics},
        dict(labels),
        standing_of(workspace.pk).agents,
    )


def pushes_of(workspace: Workspace) -> list[Push]:
    """All that was accepted, as it was kept."""
    rows = SummaryRow.objects.filter(agent__workspace=workspace).select_related("agent").order_by("id")
    return [
        Push(
            (row.agent.owner, row.agent.name),
            row.client_at,
            row.received_at,
            dict(zip(row.topics, row.counts, strict=True)),
            row.labels,
        )
        for row in rows
    ]


pushed = st.tuples(
    st.just("push"),
    st.sampled_from(OWNERS),
    st.sampled_from(["x", "y"]),
    st.one_of(
        st.integers(0, 4).map(lambda hours: DAY + timedelta(hours=hours)),
        # Clocks that run ahead count as five minutes ahead of the hub's: the later push wins.
        st.integers(0, 2).map(lambda days: DAY + FAR_AHEAD + timedelta(days=days)),
    ),
    st.dictionaries(st.sampled_from(["a", "b", "ü"]), st.integers(-3, 2**63 - 1), max_size=3),
    st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=4),
)
taken_back = st.tuples(st.sampled_from(["withdraw", "expire", "reset", "another mode"]))


@pytest.mark.parametrize("mode", ["newest", "sum"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(pushed, pushed, pushed, taken_back), max_size=16))
def test_the_view_equals_a_merge_of_all_that_is_kept_after_any_steps(db: None, mode: str, steps: list[Any]) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"mode": mode}, actor=ACTOR)

    for step, *rest in steps:
        if step == "push":
            owner, name, at, topics, labels = rest
            push_summary(workspace, summary(name, at, topics, labels), actor=owner)
        elif step == "withdraw":
            for agent in agents_of(workspace.pk)[:1]:
                withdraw_agent(workspace, agent.pk, actor=ACTOR)
        elif step == "expire":
            for oldest in SummaryRow.objects.filter(agent__workspace=workspace).order_by("id")[:2]:
                expire_summaries(workspace.pk, before=oldest.received_at + timedelta(microseconds=1))
        elif step == "reset":
            reset_federation(workspace, acting_role="owner", actor=ACTOR)
        else:
            mode = "sum" if mode == "newest" else "newest"
            configure_federation(workspace, {"mode": mode}, actor=ACTOR)
        assert view_of(workspace) == merged(pushes_of(workspace), mode=mode)


def test_an_agents_newest_labels_are_kept_once(db: None) -> None:
    workspace = make_workspace()
    push_summary(workspace, summary(labels=["x", "y"]), actor=ACTOR)
    push_summary(workspace, summary(at=DAY + timedelta(1), labels=["y", "z"]), actor=ACTOR)

    agent, newest = Agent.objects.get(), SummaryRow.objects.latest("id")
    assert (agent.labels, agent.labels_from, newest.labels) == ([], newest.pk, ["y", "z"])

    configure_federation(workspace, {"mode": "sum"}, actor=ACTOR)
    agent.refresh_from_db()
    assert (agent.labels, agent.labels_from) == (["x", "y", "z"], None)


def test_a_repeat_adds_nothing_whatever_the_order_of_its_keys(db: None) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"mode": "sum"}, actor=ACTOR)
    first = push_summary(workspace, summary(topics={"a": 1, "b": 2}, labels=["x", "y"]), actor=ACTOR)
    before = standing_of(workspace.pk)

    again = push_summary(workspace, summary(topics={"b": 2, "a": 1}, labels=["y", "x", "x"]), actor=ACTOR)

    assert (first.is_new, again.is_new) == (True, False)
    assert again.received_at == first.received_at
    assert standing_of(workspace.pk) == before
    assert view_of(workspace) == View({"a": (1, 1), "b": (2, 1)}, {"x": 1, "y": 1}, 1)


def test_agents_of_the_same_name_are_two_where_their_owners_are(db: None) -> None:
    workspace = make_workspace()
    push_summary(workspace, summary(topics={"a": 1}), actor=OWNERS[0])
    push_summary(workspace, summary(topics={"a": 1}), actor=OWNERS[1])

    assert view_of(workspace).topics == {"a": (2, 2)}


def test_all_tokens_of_a_user_push_for_the_same_agents() -> None:
    assert owner_of(Actor("token:a", token_pk=1, user_pk=7)) == owner_of(Actor("token:b", token_pk=2, user_pk=7))
    assert owner_of(Actor("token:a", token_pk=1)) != owner_of(Actor("token:b", token_pk=2))


def test_sixteen_pushers_at_once_lose_and_double_nothing(transactional_db: None) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"mode": "sum"}, actor=ACTOR)
    summaries = [
        summary(f"agent-{number % 16}", DAY + timedelta(hours=number), {"t": 1, f"t{number % 5}": 2}, [f"{number % 7}"])
        for number in range(160)
    ]

    def push(each: Summary) -> bool:
        try:
            return push_summary(workspace, each, actor=ACTOR).is_new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as threads:
        # Each twice, as clients send again whose answer was lost.
        new = list(threads.map(push, [each for each in summaries for _ in range(2)]))

    assert new.count(True) == 160
    counter = FederationCounter.objects.get(pk=workspace.pk)
    assert (counter.pushes, counter.agents) == (160, 16)
    assert view_of(workspace).topics["t"] == (160, 16)
    assert view_of(workspace) == merged(pushes_of(workspace), mode="sum")


def test_an_agent_that_is_withdrawn_leaves_nothing_and_a_trace(db: None) -> None:
    workspace = make_workspace()
    push_summary(workspace, summary("stays", topics={"a": 1}, labels=["both"]), actor=ACTOR)
    push_summary(workspace, summary("goes", DAY + timedelta(1), {"a": 5, "b": 1}, ["both", "own"]), actor=ACTOR)
    goes = Agent.objects.get(name="goes")

    withdraw_agent(workspace, goes.pk, actor=ACTOR)

    assert view_of(workspace) == View({"a": (1, 1)}, {"both": 1}, 1)
    assert standing_of(workspace.pk).last_text == DAY.isoformat()
    assert not SummaryRow.objects.filter(agent=goes.pk).exists()
    event = AuditEvent.objects.get(action="agent.withdrawn")
    assert (event.subject, event.details) == ("goes", {"owner": "test", "pushes": 1})
    with pytest.raises(NotFound):
        withdraw_agent(workspace, goes.pk, actor=ACTOR)


def test_an_agent_of_another_workspace_is_not_found_and_stays(db: None) -> None:
    workspace = make_workspace()
    push_summary(workspace, summary(topics={"a": 1}), actor=ACTOR)
    agent = Agent.objects.get()

    for stranger in (make_workspace(), workspace):
        with pytest.raises(NotFound):
            withdraw_agent(stranger, agent.pk if stranger is not workspace else uuid7(), actor=ACTOR)

    assert view_of(workspace).topics == {"a": (1, 1)}


@pytest.mark.parametrize("mode", ["newest", "sum"])
def test_what_has_expired_goes_and_what_is_newer_counts(db: None, mode: str) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"mode": mode}, actor=ACTOR)
    # The older arrival of `both` has the later time of the agent's own clock, so it is the newest until it expires.
    push_summary(workspace, summary("old", topics={"a": 1}, labels=["old"]), actor=ACTOR)
    push_summary(workspace, summary("both", DAY + timedelta(1), {"a": 10}, ["then"]), actor=ACTOR)
    before = SummaryRow.objects.latest("id").received_at + timedelta(microseconds=1)
    push_summary(workspace, summary("both", DAY, {"a": 100}, ["now"]), actor=ACTOR)

    assert expire_summaries(workspace.pk, before=before) == (1, 2)

    assert view_of(workspace) == View({"a": (100, 1)}, {"now": 1}, 1)
    assert AuditEvent.objects.get(action="summaries.expired").details == {"agents": 1, "summaries": 2}
    revision = standing_of(workspace.pk).revision
    assert expire_summaries(workspace.pk, before=before) == (0, 0)
    assert standing_of(workspace.pk).revision == revision


def test_the_last_instant_is_compared_as_an_instant_and_told_as_it_was_written(db: None) -> None:
    workspace = make_workspace()
    for name, text in [("a", "2026-02-01T23:00:00-05:00"), ("b", "2026-02-02T00:30:00+00:00")]:
        push_summary(workspace, Summary.of(name, text, topics={}, labels=[]), actor=ACTOR)

    assert standing_of(workspace.pk).last_text == "2026-02-01T23:00:00-05:00"


def test_only_owners_and_the_operator_reset(db: None) -> None:
    workspace = make_workspace()
    push_summary(workspace, summary(topics={"a": 1}, labels=["x"]), actor=ACTOR)

    with pytest.raises(ScopeMissing):
        reset_federation(workspace, acting_role="admin", actor=ACTOR)
    assert view_of(workspace).agents == 1

    revision = standing_of(workspace.pk).revision
    reset_federation(workspace, acting_role="owner", actor=ACTOR)
    assert view_of(workspace) == View()
    assert standing_of(workspace.pk).pushes == 0
    assert standing_of(workspace.pk).revision > revision
    assert AuditEvent.objects.filter(action="federation.reset").exists()


def test_what_too_few_agents_sent_does_not_show(db: None) -> None:
    workspace = make_workspace()
    push_summary(workspace, summary("x", topics={"a": 1, "b": 1}, labels=["both", "mine"]), actor=ACTOR)
    push_summary(workspace, summary("y", topics={"a": 1}, labels=["both"]), actor=ACTOR)

    configure_federation(workspace, {"min_agents": 2}, actor=ACTOR)

    found = merged_view(workspace.pk)
    assert (found.topics_text, found.topics) == ('"a":2', 1)
    assert (found.labels_text, found.labels) == ('"both"', 1)


def test_labels_are_hashed_before_they_are_kept(db: None, caplog: pytest.LogCaptureFixture) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"hash_labels": True}, actor=ACTOR)

    done = push_summary(workspace, summary("x", labels=["secret-project-x"]), actor=ACTOR)
    push_summary(workspace, summary("y", labels=["secret-project-x"]), actor=ACTOR)

    (label,) = Label.objects.filter(workspace=workspace)
    assert (len(label.label), label.agents) == (64, 2)
    assert done.clear_labels == 0
    assert "secret-project-x" not in str(list(SummaryRow.objects.values_list("labels", flat=True)))
    # Nor can it be guessed from the digest.
    assert bytes(SummaryRow.objects.latest("id").digest) != summary("y", labels=["secret-project-x"]).digest
    assert not push_summary(workspace, summary("x", labels=["secret-project-x"]), actor=ACTOR).is_new


def test_a_push_that_was_hashed_by_a_former_key_takes_nothing_in(db: None) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"hash_labels": True}, actor=ACTOR)

    with pytest.raises(sql.KeyChanged), transaction.atomic():
        sql.push(workspace.pk, "token:a", summary(labels=["x"]), clear_labels=1, label_key="")

    assert view_of(workspace) == View()
    assert not SummaryRow.objects.exists()


def test_no_label_is_kept_in_clear_once_the_change_to_hashes_is_answered(transactional_db: None) -> None:
    workspace = make_workspace()
    answered = threading.Event()

    def push(number: int) -> None:
        try:
            for minute in range(40):
                is_after = answered.is_set()
                at = DAY + timedelta(minutes=minute)
                push_summary(workspace, summary(f"x{number}", at, labels=[f"label-{minute}"]), actor=ACTOR)
                if is_after:
                    return
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        pushes = [pool.submit(push, number) for number in range(4)]
        configure_federation(workspace, {"hash_labels": True}, actor=ACTOR)
        moment = timezone.now()
        answered.set()
        for each in pushes:
            each.result()

    late = SummaryRow.objects.filter(received_at__gt=moment).values_list("clear_labels", flat=True)
    assert set(late) <= {0}


@pytest.mark.parametrize(
    "changes",
    [{"mode": "all"}, {"min_agents": 0}, {"min_agents": True}, {"hash_labels": 1}, {"expire_days": 0}, {"color": 1}],
)
def test_a_choice_that_cannot_be_is_refused_and_changes_nothing(db: None, changes: dict[str, Any]) -> None:
    workspace = make_workspace()

    with pytest.raises(Invalid):
        configure_federation(workspace, changes, actor=ACTOR)

    assert not FederationCounter.objects.exists()
