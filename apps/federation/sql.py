"""The statements that write the merged view, and the hot read of it.

They run on psycopg's own cursor: Django's writes each of a thousand labels into the text of the statement.
"""

import hashlib
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection
from psycopg.errors import SerializationFailure
from psycopg.types.json import Jsonb

from apps.common.database import hot_cursor
from apps.common.ids import uuid7
from apps.federation.summaries import Summary

# Lists go as binary values: written as text, a thousand labels cost a tenth of the whole push in the driver.
_PUSH = """
SELECT * FROM federation_push_v2(
    %s, %s, %s, %s, %s, %s, %s, %b::text[], %b::bigint[], %b::text[], %s, %s, %s)
"""

_STANDING = """
c.revision, coalesce(f.min_agents, 1), c.agents, c.pushes, c.last_at, c.last_text, c.started_at,
       f.noise_epsilon IS NOT NULL,
       CASE WHEN f.noise_epsilon IS NULL THEN 0 ELSE coalesce(
           (SELECT max(id) FROM federation_publication p WHERE p.workspace_id = c.workspace_id), 0) END
"""

_VIEW = f"""
SELECT {_STANDING}
  FROM federation_federationcounter c LEFT JOIN federation_federation f USING (workspace_id)
 WHERE c.workspace_id = %s
"""

_SHOWN_TOPICS = "federation_topic t WHERE t.workspace_id = c.workspace_id AND t.agents >= coalesce(f.min_agents, 1)"

# Of what was published only what would be shown without noise too: not what was withdrawn since.
_PUBLISHED_TOPICS = f"""
(SELECT topics, counts FROM federation_publication WHERE workspace_id = c.workspace_id ORDER BY id DESC LIMIT 1) p,
       unnest(p.topics, p.counts) AS published (topic, total),
       {_SHOWN_TOPICS} AND t.topic = published.topic COLLATE "C"
"""

# In one statement, so in one snapshot. Text is put together by the server: the rows never become Python objects.
_MERGED = """
SELECT {standing},
       coalesce(t.text, ''), t.count, coalesce(l.text, ''), l.count
  FROM federation_federationcounter c LEFT JOIN federation_federation f USING (workspace_id),
       LATERAL (SELECT string_agg(to_json(t.topic) || ':' || {total}, ',' ORDER BY t.topic) AS text, count(*)
                  FROM {topics}) t,
       LATERAL (SELECT string_agg(to_json(label)::text, ',' ORDER BY label) AS text, count(*)
                  FROM federation_label l
                 WHERE l.workspace_id = c.workspace_id AND l.agents >= coalesce(f.min_agents, 1)) l
 WHERE c.workspace_id = %s
"""
_EXACT = _MERGED.format(standing=_STANDING, topics=_SHOWN_TOPICS, total="t.total")
_NOISY = _MERGED.format(standing=_STANDING, topics=_PUBLISHED_TOPICS, total="published.total")

_PULLED = """
INSERT INTO federation_pull (workspace_id, puller, revision, pulled_at) VALUES (%s, %s, %s, clock_timestamp())
ON CONFLICT (workspace_id, puller, revision) DO NOTHING
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
    is_noisy: bool = False
    """Whether counts are shown as they were published last."""
    publication: int = 0
    """0 where there is none, or none is asked for."""

    @property
    def tag(self) -> str:
        """An ETag: equal for equal views. The times tell a database apart that was put back and went on."""
        plain = f"{self.revision} {self.started_at} {self.last_at} {self.pushes} {self.publication}"
        return f'W/"{hashlib.sha256(plain.encode()).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged view at one moment. The texts are the members of a JSON object and the items of a JSON array."""

    standing: Standing = Standing()
    topics_text: str = ""
    topics: int = 0
    labels_text: str = ""
    labels: int = 0


class KeyChanged(Exception):
    """Labels are hashed by another key by now, or no longer."""


def push(workspace_id: int, owner: str, summary: Summary, *, clear_labels: int, label_key: str) -> tuple[str, datetime]:
    """`accepted` or `repeated`, and when the hub received it first. One round trip, one lock, one flush.

    `label_key` is the one that its labels were hashed by, as it is kept. Raises KeyChanged, and nothing is taken in.
    """
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
        clear_labels,
        None if summary.metadata is None else Jsonb(summary.metadata),
        label_key,
    )
    try:
        with hot_cursor() as cursor:
            row = cursor.execute(_PUSH, values, prepare=True).fetchone()
    except OperationalError as error:
        if isinstance(error.__cause__, SerializationFailure):
            raise KeyChanged from error
        raise
    assert row is not None
    return row[0], row[1]


def standing(workspace_id: int) -> Standing:
    """One row by its key."""
    with hot_cursor() as cursor:
        row = cursor.execute(_VIEW, (workspace_id,), prepare=True).fetchone()
    return Standing() if row is None else Standing(*row)


def merged(workspace_id: int, *, is_noisy: bool = False) -> Merged:
    """Two ranges of keys: 10,000 labels in some 10 ms. With noise the counts are those of the last publication."""
    with hot_cursor() as cursor:
        row = cursor.execute(_NOISY if is_noisy else _EXACT, (workspace_id,), prepare=True).fetchone()
    width = len(fields(Standing))
    return Merged() if row is None else Merged(Standing(*row[:width]), *row[width:])


def note_pull(workspace_id: int, puller: str, revision: int) -> None:
    """Keep that `puller` has this revision now. Writes nothing where that is known."""
    with hot_cursor() as cursor:
        cursor.execute(_PULLED, (workspace_id, puller, revision), prepare=True)


def lock(workspace_id: int) -> None:
    """Wait until nobody changes the merged view. Call inside a transaction. Raises Busy."""
    _called("federation_lock_v1", workspace_id)


def withdraw(workspace_id: int, agent_id: UUID) -> bool:
    """Whether there was such an agent."""
    return bool(_called("federation_withdraw_v1", workspace_id, agent_id)[0])


def expire(workspace_id: int, before: datetime) -> tuple[int, int]:
    """Agents and summaries that went."""
    agents, summaries = _called("federation_expire_v1", workspace_id, before)
    return agents, summaries


def settle(workspace_id: int) -> None:
    """Tell that the view is shown otherwise. Call inside the transaction that changes how."""
    _called("federation_settle_v1", workspace_id)


def merge_anew(workspace_id: int) -> None:
    """Call inside the transaction that changes how agents are merged."""
    _called("federation_merge_anew_v1", workspace_id)


def reset(workspace_id: int) -> datetime:
    """The moment from which on it counts again."""
    moment: datetime = _called("federation_reset_v1", workspace_id)[0]
    return moment


def _called(function: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}({', '.join(['%s'] * len(values))})", values)
        return cursor.fetchone()
