"""Counts with noise: one publication for all, until it is time and there is budget for another."""

import math
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import fmean, pstdev
from typing import Any

import pytest
from django.db import connections

from apps.federation.actions import (
    configure_federation,
    pull_view,
    push_summary,
    reset_federation,
    standing_for_pull,
    withdraw_agent,
)
from apps.federation.choices import MOST_BOUND
from apps.federation.models import Agent, FederationCounter, Publication
from apps.federation.noise import deviation, may_publish, noisy_sums
from apps.federation.queries import spent_epsilon
from apps.federation.sql import Merged
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.federation.test_merging import DAY, OWNERS, summary


def no_noise(mean: float, spread: float) -> float:
    return mean


def test_without_noise_sums_are_those_of_all_agents() -> None:
    parts = [{"a": 1, "b": 2}, {"b": 5}, {}]

    assert noisy_sums(parts, epsilon=1.0, bound=100, gauss=no_noise) == {"a": 1, "b": 7}


def test_an_agents_counts_are_scaled_down_to_the_bound() -> None:
    assert noisy_sums([{"a": 300, "b": 400}], epsilon=1.0, bound=50, gauss=no_noise) == {"a": 30, "b": 40}


def test_no_count_is_below_zero_or_beyond_64_bits() -> None:
    assert noisy_sums([{"a": -5, "b": 1}], epsilon=1.0, bound=9, gauss=lambda _mean, _spread: 0.0) == {"a": 0, "b": 1}
    huge = noisy_sums([{"a": 2**62}], epsilon=1.0, bound=2**70, gauss=lambda _mean, spread: spread * 1e30)
    assert huge == {"a": 2**63 - 1}


def test_noise_has_the_deviation_of_the_gaussian_mechanism() -> None:
    source = random.Random(7)
    topics = {f"t{number}": 100_000 for number in range(4000)}
    bound = 10_000_000

    sums = noisy_sums([topics], epsilon=1.0, bound=bound, gauss=source.gauss)
    drawn = [source.gauss(0.0, deviation(0.5, 10)) for _ in range(20_000)]

    # Half of all draws are below zero, and are shown as zero there.
    assert 0.4 < sum(count == 0 for count in sums.values()) / len(sums) < 0.6
    assert deviation(0.5, 10) == pytest.approx(10 * math.sqrt(2 * math.log(125_000)) / 0.5)
    assert pstdev(drawn) == pytest.approx(deviation(0.5, 10), rel=0.05)
    assert abs(fmean(drawn)) < deviation(0.5, 10) / 20


def test_tenths_add_up_to_the_whole_budget() -> None:
    assert may_publish(spent=sum([0.1] * 9), epsilon=0.1, budget=1.0)
    assert not may_publish(spent=sum([0.1] * 10), epsilon=0.1, budget=1.0)


# --- Published


@pytest.fixture
def workspace(db: None) -> Workspace:
    """With two agents, and noise of a budget for two publications."""
    workspace = make_workspace()
    for owner in OWNERS:
        push_summary(workspace, summary(topics={"a": 50, str(owner): 1}, labels=["x"]), actor=owner)
    changes = {"noise_epsilon": 0.5, "noise_budget": 1.0, "noise_bound": 60, "noise_hours": 24}
    configure_federation(workspace, changes, actor=ACTOR)
    return workspace


def pulled(workspace: Workspace) -> Merged:
    return pull_view(workspace, standing_for_pull(workspace), actor=ACTOR)


def change(workspace: Workspace, minutes: int) -> None:
    push_summary(workspace, summary(at=DAY + timedelta(minutes=minutes), topics={"a": 7}), actor=OWNERS[0])


def age(hours: int) -> None:
    for counter in FederationCounter.objects.all():
        started_at = counter.started_at - timedelta(hours=hours)
        FederationCounter.objects.filter(pk=counter.pk).update(started_at=started_at)
    for row in Publication.objects.all():
        Publication.objects.filter(pk=row.pk).update(published_at=row.published_at - timedelta(hours=hours))


def test_a_pull_draws_once_and_everybody_gets_the_same(workspace: Workspace) -> None:
    first, second = pulled(workspace), pulled(workspace)

    assert first == second
    assert Publication.objects.count() == 1
    assert spent_epsilon(workspace.pk) == 0.5
    assert first.topics == 3
    assert first.labels_text == '"x"'


def test_a_change_shows_when_the_publication_is_old_enough(workspace: Workspace) -> None:
    before = pulled(workspace)
    change(workspace, 1)
    early = pulled(workspace)
    age(24)
    late = pulled(workspace)

    # The topic that only the first summary had is in the view no more.
    assert (before.topics, early.topics, late.topics) == (3, 2, 2)
    assert early.standing.publication == before.standing.publication
    assert late.standing.publication > early.standing.publication
    assert len({before.standing.tag, early.standing.tag, late.standing.tag}) == 3


def test_an_unchanged_view_is_not_published_again(workspace: Workspace) -> None:
    pulled(workspace)
    age(1000)
    pulled(workspace)

    assert Publication.objects.count() == 1


def test_when_the_budget_is_spent_the_last_publication_stays(workspace: Workspace) -> None:
    shown = []
    for minutes in range(1, 5):
        change(workspace, minutes)
        age(24)
        shown.append(pulled(workspace).standing.publication)

    assert Publication.objects.count() == 2
    assert spent_epsilon(workspace.pk) == 1.0
    assert shown[1] == shown[2] == shown[3] != shown[0]

    configure_federation(workspace, {"noise_budget": 1.5}, actor=ACTOR)
    assert pulled(workspace).standing.publication > shown[3]


def test_what_was_withdrawn_is_not_named_although_it_was_published(workspace: Workspace) -> None:
    assert str(OWNERS[1]) in pulled(workspace).topics_text
    gone = Agent.objects.get(workspace=workspace, owner=str(OWNERS[1]))

    withdraw_agent(workspace, gone.pk, actor=ACTOR)

    assert str(OWNERS[1]) not in pulled(workspace).topics_text


def test_a_reset_gives_no_budget_back_and_leaves_no_count(workspace: Workspace) -> None:
    pulled(workspace)
    reset_federation(workspace, acting_role="owner", actor=ACTOR)

    assert pulled(workspace).topics_text == ""
    assert spent_epsilon(workspace.pk) == 0.5
    assert [(row.topics, row.counts) for row in Publication.objects.all()] == [([], [])]


def test_what_comes_after_a_reset_is_published_at_once_and_without_what_was_before(workspace: Workspace) -> None:
    for owner in OWNERS:
        later = DAY + timedelta(minutes=1)
        push_summary(workspace, summary(at=later, topics={"a": 10**9, "b": 10**9}), actor=owner)
    configure_federation(workspace, {"noise_bound": 10**9, "noise_epsilon": 1.0}, actor=ACTOR)
    before = pulled(workspace).standing.publication
    reset_federation(workspace, acting_role="owner", actor=ACTOR)
    configure_federation(workspace, {"noise_bound": 1, "noise_epsilon": 0.5, "noise_budget": 9}, actor=ACTOR)
    push_summary(workspace, summary(at=DAY + timedelta(minutes=2), topics={"a": 0}), actor=OWNERS[0])

    after = pulled(workspace)

    assert after.standing.publication > before
    assert after.topics_text.startswith('"a":')
    assert int(after.topics_text.removeprefix('"a":')) < 1000


def test_the_least_epsilon_with_the_greatest_bound_is_still_a_number(workspace: Workspace) -> None:
    configure_federation(workspace, {"noise_epsilon": 1e-6, "noise_bound": MOST_BOUND}, actor=ACTOR)

    assert pulled(workspace).topics == 3


def test_topics_of_too_few_agents_stay_hidden_behind_noise(workspace: Workspace) -> None:
    configure_federation(workspace, {"min_agents": 2}, actor=ACTOR)

    assert pulled(workspace).topics_text.startswith('"a":')
    assert pulled(workspace).topics == 1


def test_without_noise_again_counts_are_exact(workspace: Workspace) -> None:
    pulled(workspace)
    configure_federation(workspace, {"noise_epsilon": None}, actor=ACTOR)

    assert '"a":100' in pulled(workspace).topics_text


def test_two_pulls_at_once_publish_once(transactional_db: None) -> None:
    workspace = make_workspace()
    push_summary(workspace, summary(topics={"a": 5}), actor=ACTOR)
    configure_federation(workspace, {"noise_epsilon": 0.1}, actor=ACTOR)

    def pull(_number: int) -> Any:
        try:
            return pulled(workspace).topics_text
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(pull, range(8)))

    assert len(texts) == 1
    assert Publication.objects.count() == 1
