"""The statements that write the merged view, and the hot read of it.

They run on psycopg's own cursor: Django's writes each of a thousand labels into the text of the statement.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from apps.common.database import hot_cursor
from apps.common.ids import uuid7
from apps.federation.summaries import Summary

_PUSH = """
SELECT * FROM federation_push_v1(
    %s, %s, %s, %s, %s, %s, %s, %s::text[], %s::bigint[], %s::text[], %s, %s)
"""

_VIEW = """
SELECT c.revision, coalesce(f.min_agents, 1), c.agents, c.pushes, c.last_at, c.last_text, c.started_at
  FROM federation_federationcounter c LEFT JOIN federation_federation f USING (workspace_id)
 WHERE c.workspace_id = %s
"""

# In one statement, so in one snapshot. Text is put together by the server: the rows never become Python objects.
_MERGED = """
SELECT c.revision, coalesce(f.min_agents, 1), c.agents, c.pushes, c.last_at, c.last_text, c.started_at,
       coalesce(t.text, ''), t.count, coalesce(l.text, ''), l.count
  FROM federation_federationcounter c LEFT JOIN federation_federation f USING (workspace_id),
       LATERAL (SELECT string_agg(to_json(topic) || ':' || total, ',' ORDER BY topic) AS text, count(*)
                  FROM federation_topic t
                 WHERE t.workspace_id = c.workspace_id AND t.agents >= coalesce(f.min_agents, 1)) t,
       LATERAL (SELECT string_agg(to_json(label)::text, ',' ORDER BY label) AS text, count(*)
                  FROM federation_label l
                 WHERE l.workspace_id = c.workspace_id AND l.agents >= coalesce(f.min_agents, 1)) l
 WHERE c.workspace_id = %s
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the merged view of a workspace stands. `revision` is 0 where nothing was ever pushed."""

    revision: int = 0
    min_agents: int = 1
    agents: int = 0
    pushes: int = 0
    last_at: datetime | None = None
    last_text: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged view at one moment. The texts are the members of a JSON object and the items of a JSON array."""

    standing: Standing = Standing()
    topics_text: str = ""
    topics: int = 0
    labels_text: str = ""
    labels: int = 0


def push(workspace_id: int, owner: str, summary: Summary) -> tuple[str, datetime]:
    """`accepted` or `repeated`, and when the hub received it first. One round trip, one lock, one flush."""
    values = (
        workspace_id,
        uuid7(),
        owner,
        summary.agent_name,
        summary.client_text,
        summary.client_at,
        summary.digest,
        list(summary.topics),
        list(summary.topics.values()),
        list(summary.labels),
        summary.clear_labels,
        None if summary.metadata is None else Jsonb(summary.metadata),
    )
    with hot_cursor() as cursor:
        row = cursor.execute(_PUSH, values, prepare=True).fetchone()
    assert row is not None
    return row[0], row[1]


def standing(workspace_id: int) -> Standing:
    """One row by its key."""
    with hot_cursor() as cursor:
        row = cursor.execute(_VIEW, (workspace_id,), prepare=True).fetchone()
    return Standing() if row is None else Standing(*row)


def merged(workspace_id: int) -> Merged:
    """Two ranges of keys: 10,000 labels in some 10 ms."""
    with hot_cursor() as cursor:
        row = cursor.execute(_MERGED, (workspace_id,), prepare=True).fetchone()
    return Merged() if row is None else Merged(Standing(*row[:7]), *row[7:])


def withdraw(workspace_id: int, agent_id: UUID) -> bool:
    """Whether there was such an agent."""
    return bool(_called("federation_withdraw_v1", workspace_id, agent_id)[0])


def expire(workspace_id: int, before: datetime) -> tuple[int, int]:
    """Agents and summaries that went."""
    agents, summaries = _called("federation_expire_v1", workspace_id, before)
    return agents, summaries


def merge_anew(workspace_id: int) -> None:
    """Call inside the transaction that changes how agents are merged, or how the view is shown."""
    _called("federation_merge_anew_v1", workspace_id)


def reset(workspace_id: int) -> datetime:
    """The moment from which on it counts again."""
    moment: datetime = _called("federation_reset_v1", workspace_id)[0]
    return moment


def _called(function: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}({', '.join(['%s'] * len(values))})", values)
        return cursor.fetchone()
