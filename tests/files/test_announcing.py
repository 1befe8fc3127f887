"""Announcements are planned for whom there is news and a webhook, at no cost for workspaces without one."""

from collections.abc import Callable

import pytest

from apps.files import announcing, upkeep_sql
from apps.files.models import FeedCheckpoint
from apps.jobs import leases
from apps.jobs.actions import enqueue
from apps.jobs.models import Job, WebhookEndpoint
from apps.jobs.runs import JobRun
from apps.workspaces.models import Workspace, WorkspaceCounter
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> JobRun:
    claim = leases.claim(enqueue(announcing.PLAN_KIND, "").pk)
    assert claim is not None
    return JobRun(claim)


def written(*, upto: int = 3) -> Workspace:
    workspace = make_workspace()
    WorkspaceCounter.objects.filter(workspace=workspace).update(last_sequence=upto)
    return workspace


def listen(workspace: Workspace, *, active: bool = True) -> None:
    WebhookEndpoint.objects.create(
        workspace=workspace, url="https://a.example", secret="", events=["files.changed"], active=active
    )


def planned() -> list[str]:
    return list(Job.objects.filter(kind=announcing.KIND).order_by("pk").values_list("subject", flat=True))


def test_only_who_listens_and_has_news_is_planned(run: JobRun) -> None:
    written()
    listen(written(), active=False)
    listen(make_workspace())
    told = written()
    listen(told)
    FeedCheckpoint.objects.create(workspace=told, consumer=announcing.CONSUMER, sequence=3)
    news = written(upto=5)
    listen(news)
    FeedCheckpoint.objects.create(workspace=news, consumer=announcing.CONSUMER, sequence=3)

    assert announcing.plan_announcements(run) == {"planned": 1}

    assert planned() == [str(news.pk)]


def test_written_workspaces_without_a_webhook_cost_no_query(run: JobRun, django_assert_num_queries: Callable) -> None:
    for _ in range(5):
        written()
    quiet = make_workspace()

    with django_assert_num_queries(1):
        assert announcing.plan_announcements(run) == {"planned": 0}
    listen(quiet)
    with django_assert_num_queries(2):
        assert announcing.plan_announcements(run) == {"planned": 0}


def test_workspaces_behind_can_be_asked_of_some_only() -> None:
    one, other = written(), written()

    assert sorted(upkeep_sql.workspaces_behind("test")) == [one.pk, other.pk]
    assert upkeep_sql.workspaces_behind("test", among={other.pk}) == [other.pk]
    assert upkeep_sql.workspaces_behind("test", among=set()) == []
