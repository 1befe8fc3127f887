"""Reads of what agents have pushed."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet, Sum
from django.utils import timezone

from apps.accounts.models import User
from apps.common.errors import NotFound
from apps.federation import sql
from apps.federation.models import Agent, Federation, Label, Peer, Publication, Pull, Summary, Topic
from apps.federation.sql import Merged, Standing


def standing_of(workspace_id: int) -> Standing:
    """How the merged view stands; one row. Equal revisions are equal views."""
    return sql.standing(workspace_id)


def merged_view(workspace_id: int, *, is_noisy: bool = False) -> Merged:
    """The merged view, without the topics and labels that too few agents sent; with noise as it was published last."""
    return sql.merged(workspace_id, is_noisy=is_noisy)


def federation_of(workspace_id: int) -> Federation:
    """How the workspace federates: its row, or the defaults, unsaved."""
    return Federation.objects.filter(pk=workspace_id).first() or Federation(workspace_id=workspace_id)


def agents_of(workspace_id: int, *, topic: str = "") -> QuerySet[Agent]:
    """By the last push, newest first; without what they sent. With `topic` those that know about it."""
    agents = Agent.objects.filter(workspace_id=workspace_id)
    if topic:
        agents = agents.filter(topics__contains=[topic])
    return agents.defer("topics", "counts", "labels").order_by("-last_seen_at", "-id")


def agents_seen(*, now: datetime | None = None) -> int:
    """How many agents of all workspaces have pushed something new in the last 24 hours."""
    since = (now or timezone.now()) - timedelta(hours=24)
    return Agent.objects.filter(last_seen_at__gte=since, workspace__archived_at=None).count()


def agent_of(workspace_id: int, agent_id: UUID) -> Agent:
    """One agent with all that it has in the merged view. Raises NotFound."""
    agent = Agent.objects.filter(workspace_id=workspace_id, pk=agent_id).first()
    if agent is None:
        raise NotFound("There is no such agent.")
    return agent


def owner_labels(owners: Iterable[str]) -> dict[str, str]:
    """How the audit trail names those owners that are users: by their names, not by their keys. One query."""
    keys = {int(owner.removeprefix("user:")) for owner in owners if owner.startswith("user:")}
    return {f"user:{pk}": f"user:{name}" for pk, name in User.objects.filter(pk__in=keys).values_list("pk", "username")}


def labels_of_agent(agent: Agent) -> list[str]:
    """The labels that the agent has in the merged view, sorted."""
    if agent.labels_from is None:
        return agent.labels
    # None once the agent is withdrawn.
    return Summary.objects.filter(pk=agent.labels_from).values_list("labels", flat=True).first() or []


def summaries_of(workspace_id: int, *, agent_id: UUID | None = None) -> QuerySet[Summary]:
    """What was accepted, of all agents or of one, with its agent."""
    summaries = Summary.objects.filter(agent__workspace_id=workspace_id)
    if agent_id is not None:
        summaries = summaries.filter(agent_id=agent_id)
    return summaries.select_related("agent").defer("agent__topics", "agent__counts", "agent__labels")


def topics_of(workspace_id: int, *, min_agents: int = 1) -> QuerySet[Topic]:
    """What so many agents know about, with exact counts."""
    return Topic.objects.filter(workspace_id=workspace_id, agents__gte=min_agents)


def labels_of(workspace_id: int, *, min_agents: int = 1) -> QuerySet[Label]:
    """The labels that so many agents sent."""
    return Label.objects.filter(workspace_id=workspace_id, agents__gte=min_agents)


def parts_of(workspace_id: int) -> Iterator[Mapping[str, int]]:
    """Of each agent the counts that it has in the merged view, by topic."""
    rows = Agent.objects.filter(workspace_id=workspace_id).values_list("topics", "counts")
    for topics, counts in rows.iterator(chunk_size=200):
        yield {topic: int(count) for topic, count in zip(topics, counts, strict=True)}


def last_publication(workspace_id: int) -> Publication | None:
    """The counts with noise that are shown, whatever noise is asked for by now."""
    return Publication.objects.filter(workspace_id=workspace_id).order_by("-id").first()


def spent_epsilon(workspace_id: int) -> float:
    """What all publications have spent of the budget. A reset gives nothing back."""
    return Publication.objects.filter(workspace_id=workspace_id).aggregate(spent=Sum("epsilon"))["spent"] or 0.0


def pulls_of(workspace_id: int) -> QuerySet[Pull]:
    """Who first took which revision when, the latest first. Kept for 90 days."""
    return Pull.objects.filter(workspace_id=workspace_id).order_by("-pulled_at", "-id")


def peers_of(workspace_id: int) -> QuerySet[Peer]:
    """By name, without the views that they gave."""
    return Peer.objects.filter(workspace_id=workspace_id).defer("view").order_by("name")


def peer_of(workspace_id: int, name: str, *, for_update: bool = False) -> Peer:
    """One peer. Raises NotFound. With `for_update` locked: call inside a transaction."""
    peers = Peer.objects.filter(workspace_id=workspace_id, name=name)
    peer = (peers.select_for_update(no_key=True, of=("self",)) if for_update else peers).first()
    if peer is None:
        raise NotFound("There is no such peer.")
    return peer


def clear_labels(workspace_id: int) -> int:
    """How many labels in the merged view tell what they are about, counted for each agent that sent them so."""
    agents = Agent.objects.filter(workspace_id=workspace_id)
    of_one_summary = Summary.objects.filter(pk__in=agents.exclude(labels_from=None).values("labels_from"))
    of_all = Summary.objects.filter(agent__in=agents.filter(labels_from=None))
    return sum(found.aggregate(count=Sum("clear_labels"))["count"] or 0 for found in (of_one_summary, of_all))
