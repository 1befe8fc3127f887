"""Federation as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.common.times import rfc3339, rfc3339_or_none
from apps.federation import queries
from apps.federation.actions import Pushed
from apps.federation.history import Changes
from apps.federation.models import Agent, Federation, Label, Peer, Publication, Summary, Topic
from apps.federation.peers import shown_url
from apps.federation.sql import Standing


def federation_json(standing: Standing, federation: Federation) -> dict[str, Any]:
    """How the merged view stands, and how it is merged and shown."""
    workspace_id = federation.workspace_id
    last = queries.last_publication(workspace_id)
    return {
        "agents": standing.agents,
        "pushes": standing.pushes,
        "topics": queries.topics_of(workspace_id).count(),
        "labels": queries.labels_of(workspace_id).count(),
        "clear_labels": queries.clear_labels(workspace_id),
        "last_updated": rfc3339_or_none(standing.last_at),
        "started_at": rfc3339_or_none(standing.started_at),
        "mode": federation.mode,
        "min_agents": federation.min_agents,
        "hash_labels": bool(federation.label_key),
        "expire_days": federation.expire_days,
        "noise_epsilon": federation.noise_epsilon,
        "noise_budget": federation.noise_budget,
        "noise_bound": federation.noise_bound,
        "noise_hours": federation.noise_hours,
        "noise_spent": queries.spent_epsilon(workspace_id),
        "published_at": rfc3339(last.published_at) if last else None,
    }


def pushed_json(pushed: Pushed) -> dict[str, Any]:
    return {
        "is_new": pushed.is_new,
        "received_at": rfc3339(pushed.received_at),
        "clear_labels": pushed.clear_labels,
    }


def agents_json(agents: Sequence[Agent]) -> list[dict[str, Any]]:
    """Without what they know about. One query."""
    owners = queries.owner_labels(agent.owner for agent in agents)
    return [_agent_json(agent, owners) for agent in agents]


def _agent_json(agent: Agent, owners: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": str(agent.pk),
        "agent_id": agent.name,
        "owner": owners.get(agent.owner, agent.owner),
        "pushes": agent.pushes,
        "first_seen_at": rfc3339(agent.first_seen_at),
        "last_seen_at": rfc3339(agent.last_seen_at),
        "newest_at": rfc3339(agent.newest_at),
    }


def knowing_agent_json(agent: Agent) -> dict[str, Any]:
    """With what it has in the merged view."""
    counts = {topic: int(count) for topic, count in zip(agent.topics, agent.counts, strict=True)}
    return agents_json([agent])[0] | {"topic_counts": counts, "fact_hashes": queries.labels_of_agent(agent)}


def summary_json(summary: Summary) -> dict[str, Any]:
    """One push, by its numbers."""
    return {
        "agent": str(summary.agent.pk),
        "agent_id": summary.agent.name,
        "received_at": rfc3339(summary.received_at),
        "timestamp": summary.client_text,
        "topics": len(summary.topics),
        "labels": len(summary.labels),
        "clear_labels": summary.clear_labels,
        "metadata": summary.metadata,
    }


def topic_json(topic: Topic, published: dict[str, int] | None) -> dict[str, Any]:
    """With `published` the count that was published last; how many agents know it is not told then."""
    if published is not None:
        return {"topic": topic.topic, "count": published[topic.topic], "agents": None}
    return {"topic": topic.topic, "count": int(topic.total), "agents": topic.agents}


def label_json(label: Label, *, is_noisy: bool) -> dict[str, Any]:
    """With noise it is not told how many agents sent it: that is a count too, and an exact one."""
    return {"label": label.label, "agents": None if is_noisy else label.agents}


def published_counts(publication: Publication | None) -> dict[str, int]:
    """The counts of a publication by topic; none of none."""
    return dict(zip(publication.topics, publication.counts, strict=True)) if publication else {}


def changes_json(changes: Changes) -> dict[str, Any]:
    return {
        "topics": [
            {
                "topic": change.topic,
                "was": {"count": change.was[0], "agents": change.was[1]},
                "now": {"count": change.now[0], "agents": change.now[1]},
            }
            for change in changes.topics
        ],
        "labels_came": list(changes.labels_came),
        "labels_came_count": changes.labels_came_count,
        "labels_went": list(changes.labels_went),
        "labels_went_count": changes.labels_went_count,
    }


def peer_json(peer: Peer) -> dict[str, Any]:
    """Without its token, the path of its address, and the view that it gave."""
    return {
        "name": peer.name,
        "url": shown_url(peer),
        "has_token": bool(peer.token),
        "pushes": peer.pushes,
        "pulls": peer.pulls,
        "folder": peer.folder,
        "shares_hashes": peer.shares_hashes,
        "resend_days": peer.resend_days,
        "schedule": peer.schedule,
        "timezone": peer.timezone,
        "next_run_at": rfc3339_or_none(peer.next_run_at),
        "created_at": rfc3339(peer.created_at),
        "pushed_at": rfc3339_or_none(peer.pushed_at),
        "pulled_at": rfc3339_or_none(peer.pulled_at),
        "failing_since": rfc3339_or_none(peer.failing_since),
        "last_error": peer.last_error,
    }


def answering_peer_json(peer: Peer) -> dict[str, Any]:
    """With the merged view that it gave last."""
    return peer_json(peer) | {"view": peer.view}
