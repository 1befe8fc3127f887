"""What the hourly job takes out."""

from datetime import timedelta
from typing import Any

import pytest

from apps.federation import cleaning
from apps.federation.actions import configure_federation, push_summary
from apps.federation.models import Agent, Federation, FederationCounter, Label, Summary, Topic
from apps.jobs.actions import enqueue
from apps.jobs.models import Job, JobState
from apps.jobs.running import run_job
from apps.workspaces.actions import archive_workspace, mark_purged
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.federation.test_merging import summary, view_of

pytestmark = pytest.mark.django_db


def cleaned() -> Any:
    job = enqueue(cleaning.KIND, "")
    run_job(job.pk)
    done = Job.objects.get(pk=job.pk)
    assert done.state == JobState.SUCCEEDED
    return done.result


def filled() -> Workspace:
    workspace = make_workspace()
    push_summary(workspace, summary(topics={"a": 1}, labels=["x"]), actor=ACTOR)
    return workspace


def age(workspace: Workspace, days: int) -> None:
    past = timedelta(days=days)
    for row in Summary.objects.filter(agent__workspace=workspace):
        Summary.objects.filter(pk=row.pk).update(received_at=row.received_at - past)
    for agent in Agent.objects.filter(workspace=workspace):
        Agent.objects.filter(pk=agent.pk).update(first_seen_at=agent.first_seen_at - past)


def test_summaries_go_when_they_are_as_old_as_the_workspace_says() -> None:
    old, young, for_ever = filled(), filled(), filled()
    for workspace, days in ((old, 3), (young, 4)):
        configure_federation(workspace, {"expire_days": days}, actor=ACTOR)
    for workspace in (old, young, for_ever):
        age(workspace, 3)

    assert cleaned() == {"agents": 1, "summaries": 1, "workspaces": 0, "pulls": 0}

    assert [view_of(each).agents for each in (old, young, for_ever)] == [0, 1, 1]


def test_nothing_stays_of_a_purged_workspace() -> None:
    gone, stays = filled(), filled()
    configure_federation(gone, {"min_agents": 2}, actor=ACTOR)
    archive_workspace(gone, actor=ACTOR)
    mark_purged(gone.pk)

    assert cleaned() == {"agents": 0, "summaries": 0, "workspaces": 1, "pulls": 0}

    for model in (Agent, Topic, Label, Federation, FederationCounter):
        assert not model.objects.filter(workspace=gone).exists()
    assert view_of(stays).agents == 1
