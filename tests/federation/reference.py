"""The merge as the documents say it, over all pushes at once: what the hub keeps up step by step must equal this."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

AHEAD = timedelta(minutes=5)
"""So far may an agent's clock run ahead of the hub's."""


@dataclass(frozen=True)
class Push:
    """`received_at` in the order of arrival."""

    agent: tuple[str, str]
    client_at: datetime
    received_at: datetime
    topics: dict[str, int]
    labels: Sequence[str]

    @property
    def counts_from(self) -> datetime:
        return min(self.client_at, self.received_at + AHEAD)


@dataclass
class View:
    """Topics with total and number of agents, labels with number of agents."""

    topics: dict[str, tuple[int, int]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    agents: int = 0


def merged(pushes: Iterable[Push], *, mode: str) -> View:
    by_agent: dict[tuple[str, str], list[Push]] = {}
    for push in pushes:
        by_agent.setdefault(push.agent, []).append(push)
    totals: Counter[str] = Counter()
    topic_agents: Counter[str] = Counter()
    label_agents: Counter[str] = Counter()
    for theirs in by_agent.values():
        newest = max(theirs, key=lambda push: (push.counts_from, push.received_at))
        counted = theirs if mode == "sum" else [newest]
        topic_agents.update({topic for push in counted for topic in push.topics})
        label_agents.update({label for push in counted for label in push.labels})
        for push in counted:
            for topic, count in push.topics.items():
                totals[topic] += count
    topics = {topic: (totals[topic], agents) for topic, agents in topic_agents.items()}
    return View(topics, dict(label_agents), len(by_agent))
