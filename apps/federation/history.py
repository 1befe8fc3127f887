"""What a workspace's merged view was at earlier moments, from the summaries that are kept.

What was withdrawn, has expired or was reset since is in none of these views: it is forgotten for the past too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.federation import history_sql
from apps.federation.models import MergeMode, Topic
from apps.federation.queries import federation_of

MOST_DAYS = 90
MOST_LABELS = 1000
"""Of the labels that came, and of those that went, so many are named."""


@dataclass(frozen=True, slots=True)
class TopicChange:
    """`was` and `now` are (total, agents), (0, 0) where the topic was not in the view."""

    topic: str
    was: tuple[int, int]
    now: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two views. Each list is in order; `labels_came` and `labels_went` may be cut."""

    topics: Sequence[TopicChange]
    labels_came: Sequence[str]
    labels_went: Sequence[str]
    labels_came_count: int
    labels_went_count: int


@dataclass(frozen=True, slots=True)
class Series:
    """The totals of one topic, at the end of each day."""

    topic: str
    totals: Sequence[int]


def changes_between(workspace_id: int, since: datetime, until: datetime) -> Changes:
    """What a pull at `until` shows that one at `since` did not, exactly and of any number of agents.

    In the mode `newest` some seconds for a million labels; in the mode `sum` it reads all summaries twice.
    """
    mode = _mode(workspace_id)
    was = history_sql.topics_at(workspace_id, since, mode=mode)
    now = history_sql.topics_at(workspace_id, until, mode=mode)
    topics = [
        TopicChange(topic, was.get(topic, (0, 0)), now.get(topic, (0, 0)))
        for topic in sorted(was.keys() | now.keys())
        if was.get(topic) != now.get(topic)
    ]
    labels_was = history_sql.labels_at(workspace_id, since, mode=mode)
    labels_now = history_sql.labels_at(workspace_id, until, mode=mode)
    came, went = sorted(labels_now - labels_was), sorted(labels_was - labels_now)
    return Changes(topics, came[:MOST_LABELS], went[:MOST_LABELS], len(came), len(went))


def topics_over_time(
    workspace_id: int, *, days: int, topics: int, now: datetime
) -> tuple[Sequence[datetime], Sequence[Series]]:
    """The days up to the one of `now`, each by its beginning in UTC, and the greatest topics' totals at their ends.

    Today's are those at `now`. As many look-ups as agents times days, and in the mode `sum` one read of all summaries.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    beginnings = [today - timedelta(days=back) for back in reversed(range(days))]
    ranked = Topic.objects.filter(workspace_id=workspace_id).order_by("-total", "topic")
    greatest = list(ranked.values_list("topic", flat=True)[:topics])
    ends = [min(day + timedelta(days=1), now) for day in beginnings]
    totals = history_sql.totals_at(workspace_id, ends, greatest, mode=_mode(workspace_id))
    return beginnings, [Series(topic, _row(totals, ends, topic)) for topic in greatest]


def _row(totals: Mapping[tuple[datetime, str], int], ends: Sequence[datetime], topic: str) -> list[int]:
    return [totals.get((end, topic), 0) for end in ends]


def _mode(workspace_id: int) -> MergeMode:
    return MergeMode(federation_of(workspace_id).mode)
