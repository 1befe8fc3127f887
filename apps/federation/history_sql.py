"""The statements that put earlier views together. They are asked by people, at a page at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from apps.federation.models import MergeMode
from apps.federation.summaries import CLOCKS_AHEAD

# What counts of each agent at a moment. A summary that had come by then counts from no later than so much after it:
# where the index on an agent's newest summary is entered, so that what came later is not read.
_COUNTED = {
    MergeMode.NEWEST: """
federation_agent a, LATERAL (
    SELECT * FROM federation_summary s
     WHERE s.agent_id = a.id AND s.received_at <= {moment} AND s.counts_from <= {moment}::timestamptz + %(ahead)s
     ORDER BY s.counts_from DESC, s.received_at DESC, s.id DESC LIMIT 1) s
""",
    MergeMode.SUM: """
federation_agent a, LATERAL (
    SELECT * FROM federation_summary s WHERE s.agent_id = a.id AND s.received_at <= {moment}) s
""",
}

_TOPICS = """
SELECT topic, sum(count), count(DISTINCT a.id)
  FROM {counted}, unnest(s.topics, s.counts) AS t (topic, count)
 WHERE a.workspace_id = %(workspace)s GROUP BY topic
"""

_LABELS = """
SELECT DISTINCT label FROM {counted}, unnest(s.labels) AS l (label) WHERE a.workspace_id = %(workspace)s
"""

_TOTALS = """
SELECT m.moment, t.topic, sum(t.count)
  FROM unnest(%(moments)s::timestamptz[]) AS m (moment), {counted}, unnest(s.topics, s.counts) AS t (topic, count)
 WHERE a.workspace_id = %(workspace)s AND t.topic = ANY (%(topics)s::text[]) GROUP BY m.moment, t.topic
"""


def topics_at(workspace_id: int, moment: datetime, *, mode: MergeMode) -> dict[str, tuple[int, int]]:
    """Total and number of agents by topic. One look-up for each agent; all summaries in the mode `sum`."""
    rows = _rows(_TOPICS, mode, {"workspace": workspace_id, "moment": moment})
    return {topic: (int(total), agents) for topic, total, agents in rows}


def labels_at(workspace_id: int, moment: datetime, *, mode: MergeMode) -> set[str]:
    """As `topics_at`; a million labels of a thousand agents in about a second."""
    return {label for (label,) in _rows(_LABELS, mode, {"workspace": workspace_id, "moment": moment})}


def totals_at(
    workspace_id: int, moments: Sequence[datetime], topics: Sequence[str], *, mode: MergeMode
) -> dict[tuple[datetime, str], int]:
    """The totals of these topics at each moment. One look-up for each agent and moment."""
    values = {"workspace": workspace_id, "moments": list(moments), "topics": list(topics)}
    rows = _rows(_TOTALS, mode, values, moment="m.moment")
    return {(moment, topic): int(total) for moment, topic, total in rows}


def _rows(statement: str, mode: MergeMode, values: dict[str, Any], moment: str = "%(moment)s") -> list[tuple[Any, ...]]:
    counted = _COUNTED[mode].format(moment=moment)
    with connection.cursor() as cursor:
        cursor.execute(statement.format(counted=counted), values | {"ahead": CLOCKS_AHEAD})
        return list(cursor.fetchall())
