"""The agents of a workspace and what they know about: listed, looked at, withdrawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.timesince import timesince

from apps.federation import actions, queries
from apps.federation.admin.pages import AGENTS, PAGE_ROWS, SETTINGS, WRITE, Pages, agent_page, agents_about, moment
from apps.federation.models import Agent, Summary
from apps.federation.summaries import CLOCKS_AHEAD
from apps.workspaces.console import Question, actor_of
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, choice_of_workspace, given, public_id, workspace_for
from apps.workspaces.showing import BLANK, count

MOST_GREATEST = 20
MOST_TOPICS, MOST_LABELS, MOST_PUSHES = 500, 300, 50
"""Of one agent so many are shown."""


@dataclass(frozen=True, slots=True)
class AgentRow:
    agent: Agent
    address: str
    owner: str
    topics: int
    labels: int


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic with its count; `agents` is None on the page of one agent. `address` leads to who knows about it."""

    topic: str
    total: int
    agents: int | None
    address: str


@dataclass(frozen=True, slots=True)
class PushRow:
    """A summary; `skew` says how far the agent's clock was from the hub's, and is empty for little."""

    summary: Summary
    topics: int
    labels: int
    skew: str


def latest(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The agents of a workspace, by their last push, with numbers and greatest topics; without one, the choice."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=AGENTS, title="Federation")
    workspace = workspace_for(request, pages.read_scope)
    topic, name, before = given(request, "topic"), given(request, "name").strip(), given(request, "before")
    found = queries.agents_of(workspace.pk, topic=topic)
    if name:
        found = found.filter(name__icontains=name)
    if before:
        found = found.filter(last_seen_at__lt=moment(before))
    agents = list(found[: PAGE_ROWS + 1])
    shown = agents[:PAGE_ROWS]
    here = {"workspace": workspace.slug, "topic": topic, "name": name}
    return pages.of_workspace(
        request,
        "agents.html",
        workspace,
        tab=AGENTS,
        title=workspace.slug,
        subtitle="Federation",
        settings=address(SETTINGS, workspace=workspace.slug),
        rows=_rows(workspace, shown),
        topic=topic,
        name=name,
        here=address(AGENTS, workspace=workspace.slug),
        first_page=address(AGENTS, **here) if before else "",
        next_page=address(AGENTS, before=shown[-1].last_seen_at.isoformat(), **here) if agents[PAGE_ROWS:] else "",
        **_figures(workspace),
    )


def _figures(workspace: Workspace) -> dict[str, Any]:
    """What all agents of the workspace add up to, and how. Ten queries."""
    topics = queries.topics_of(workspace.pk)
    return {
        "standing": queries.standing_of(workspace.pk),
        "last_push": Agent.objects.filter(workspace=workspace).aggregate(at=Max("last_seen_at"))["at"],
        "topics": topics.count(),
        "labels": queries.labels_of(workspace.pk).count(),
        "clear_labels": queries.clear_labels(workspace.pk),
        "federation": queries.federation_of(workspace.pk),
        "spent": queries.spent_epsilon(workspace.pk),
        "publication": queries.last_publication(workspace.pk),
        "greatest": [
            TopicRow(each.topic, int(each.total), each.agents, agents_about(workspace, each.topic))
            for each in topics.order_by("-total", "topic")[:MOST_GREATEST]
        ],
    }


def _rows(workspace: Workspace, agents: list[Agent]) -> list[AgentRow]:
    """Two queries. What agents sent is counted for those of the page only: to count it, it is read whole."""
    of_summary = Summary.objects.filter(pk=OuterRef("labels_from")).values("labels__len")
    counted = Agent.objects.filter(pk__in=[each.pk for each in agents]).values_list(
        "pk", "topics__len", Coalesce(Subquery(of_summary), F("labels__len"))
    )
    sizes = {pk: (topics, labels) for pk, topics, labels in counted}
    names = queries.owner_labels(each.owner for each in agents)
    return [
        AgentRow(each, agent_page(workspace, each.pk), names.get(each.owner, each.owner), *sizes.get(each.pk, (0, 0)))
        for each in agents
    ]


def _asked(request: HttpRequest, scope: str) -> tuple[Workspace, UUID]:
    """What `?workspace=&id=` name. Raises `NotFound`, for strangers too."""
    return workspace_for(request, scope), public_id(given(request, "id"))


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One agent: its topics and labels in the merged view, and what it has pushed."""
    workspace, agent_id = _asked(request, pages.read_scope)
    agent = queries.agent_of(workspace.pk, agent_id)
    topics = sorted(zip(agent.topics, agent.counts, strict=True), key=lambda entry: (-entry[1], entry[0]))
    labels = queries.labels_of_agent(agent)
    pushes = list(_pushes(agent))
    return pages.of_workspace(
        request,
        "agent.html",
        workspace,
        tab=AGENTS,
        title=agent.name,
        subtitle=workspace.slug,
        agent=agent,
        owner=queries.owner_labels([agent.owner]).get(agent.owner, agent.owner),
        topics=[
            TopicRow(topic, int(total), None, agents_about(workspace, topic)) for topic, total in topics[:MOST_TOPICS]
        ],
        more_topics=len(topics) - MOST_TOPICS,
        labels=labels[:MOST_LABELS],
        labels_number=len(labels),
        more_labels=len(labels) - MOST_LABELS,
        pushes=pushes[:MOST_PUSHES],
        has_more_pushes=len(pushes) > MOST_PUSHES,
        all_agents=address(AGENTS, workspace=workspace.slug),
        withdraw=address("federation_agent_withdraw", workspace=workspace.slug, id=agent.pk),
    )


def _pushes(agent: Agent) -> Iterable[PushRow]:
    """The last ones, newest first, and one more. What was sent is counted for those only."""
    last = Summary.objects.filter(agent=agent).order_by("-id").values("pk")[: MOST_PUSHES + 1]
    rows: QuerySet[Summary, Summary] = Summary.objects.filter(pk__in=last).order_by("-id")
    sizes = {"topics_number": F("topics__len"), "labels_number": F("labels__len")}
    for summary in rows.annotate(**sizes).defer("topics", "counts", "labels", "metadata"):
        numbers = summary.__dict__
        yield PushRow(summary, numbers["topics_number"], numbers["labels_number"], _skew(summary))


def _skew(summary: Summary) -> str:
    client, received = summary.client_at, summary.received_at
    if abs(client - received) <= CLOCKS_AHEAD:
        return ""
    earlier, later = sorted([client, received])
    return f"{timesince(earlier, later)} {'ahead' if client > received else 'behind'}"


def withdraw(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks, and then takes an agent out with all that it ever pushed."""
    workspace, agent_id = _asked(request, WRITE)
    agent = queries.agent_of(workspace.pk, agent_id)
    labels = len(queries.labels_of_agent(agent))
    question = Question(
        title="Withdraw this agent",
        text="All that it ever pushed goes at once, from the merged view and from the past that these pages show. "
        "What it pushes from now on counts again: revoke its token to keep it out.",
        button="Withdraw the agent",
        back=agent_page(workspace, agent.pk),
        icon="person_remove",
        rows=[
            agent.name or BLANK,
            f"{count(agent.pushes)} pushes, {count(len(agent.topics))} topics, {count(labels)} labels",
        ],
    )
    answer = pages.step(request, question, lambda: _withdrawn(request, workspace, agent))
    if not Agent.objects.filter(pk=agent.pk).exists():
        return HttpResponseRedirect(address(AGENTS, workspace=workspace.slug))
    return answer


def _withdrawn(request: HttpRequest, workspace: Workspace, agent: Agent) -> str:
    actions.withdraw_agent(workspace, agent.pk, actor=actor_of(request))
    return f"Withdrawn, with all that it ever pushed: {agent.name}"
