"""Answers in the coordinator's shape."""

import json
from datetime import UTC, datetime
from typing import Any

from apps.federation.sql import Merged, Standing
from apps.operations.version import hub_version

STARTED_AT = datetime.now(UTC)
"""Of this process: what a stranger is told, who must not learn from it which workspaces there are."""


def banner_json(standing: Standing | None) -> dict[str, Any]:
    """`standing` is None for who shows no token."""
    started_at = (standing.started_at if standing else None) or STARTED_AT
    return {
        "service": "agmem-coordinator",
        "version": hub_version(),
        "status": "running",
        "endpoints": {"push": "POST /push", "pull": "GET /pull", "health": "GET /health"},
        "started_at": started_at.isoformat(),
        "total_pushes": standing.pushes if standing else 0,
        "total_agents": standing.agents if standing else 0,
    }


def pushed_json(agent_name: str, received_at: datetime) -> dict[str, Any]:
    return {
        "status": "accepted",
        "agent_id": agent_name,
        "timestamp": received_at.isoformat(timespec="microseconds"),
        "message": f"Summary from {agent_name} stored successfully",
    }


def merged_text(merged: Merged) -> str:
    """The body of a pull. `last_updated` is as its agent wrote it; of nothing it is now, and there is no metadata."""
    standing = merged.standing
    last = standing.last_text if standing.agents else now_text()
    metadata = {"total_facts": merged.labels, "total_topics": merged.topics} if standing.agents else None
    return (
        f'{{"merged_topic_counts":{{{merged.topics_text}}},"unique_fact_hashes":[{merged.labels_text}],'
        f'"contributing_agents":{standing.agents},"last_updated":{json.dumps(last)},"metadata":{json.dumps(metadata)}}}'
    )


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
