"""Every summary that was accepted counts once, after kill -9 of the web server and of the whole hub.

Sixteen agents' programs push into two workspaces, one for each way of merging, and send again what got no answer.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from memoryhub.embedded.running import environment_of
from tests.federation.reference import Push, View, merged
from tests.live import LiveWorkspace
from tests.system.hubs import Hub, clone_environment
from tests.system.processes import children_of, kill, processes_of
from tests.waiting import wait_until

pytestmark = pytest.mark.system

PUSHERS = 16
SHARED_BY = 4
"""So many pushers of the second half are one agent."""
UNLIMITED = {"MEMORYHUB_RATE_LIMIT_PUSH": "off", "MEMORYHUB_RATE_LIMIT_TOKEN": "off"}
QUIET = ("--log-level", "warning")
MODES = {"default": "newest", "sums": "sum"}
RECOVERY_TIMEOUT_S = 60.0
DAY = datetime(2026, 2, 1, tzinfo=UTC)
MINUTES = 100_000
AFTER_ALL = DAY + timedelta(minutes=MINUTES)
"""No push names a later moment, so none counts from another than it names, whenever it arrives."""
FAILURES = {502, 503}
"""Statuses that leave open whether a push was taken."""

_TOPICS = """
SELECT topic, total, agents FROM federation_topic t JOIN workspaces_workspace w ON w.id = workspace_id WHERE slug = %s
"""
_LABELS = """
SELECT label, agents FROM federation_label l JOIN workspaces_workspace w ON w.id = workspace_id WHERE slug = %s
"""
_SUMMARIES = """
SELECT a.name, count(*) FROM federation_summary s JOIN federation_agent a ON a.id = s.agent_id
  JOIN workspaces_workspace w ON w.id = a.workspace_id WHERE slug = %s GROUP BY a.name
"""


class Pusher:
    """One program of an agent. `sent` was accepted in each workspace, at least once."""

    def __init__(self, number: int, workspaces: list[LiveWorkspace]) -> None:
        own = number < PUSHERS // 2
        self.agent = f"agent-{number if own else PUSHERS // 2 + number // SHARED_BY}"
        self.sent: list[Push] = []
        self.unexpected: list[str] = []
        self._number = number
        self._random = random.Random(number)
        self._workspaces = workspaces

    def run(self, stop: threading.Event) -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not stop.is_set():
                push = self._next()
                for workspace in self._workspaces:
                    answer = self._accepted(client, workspace, push)
                    if self._random.random() < 0.2 and self._accepted(client, workspace, push) != answer:
                        self.unexpected.append("a repeat was answered otherwise")
                self.sent.append(push)

    def _next(self) -> Push:
        """At a moment that no other pusher names, and often before the one of the push before it."""
        minute = self._random.randrange(MINUTES)
        at = DAY + timedelta(minutes=minute, seconds=self._number, microseconds=len(self.sent))
        topics = {f"topic-{topic}": self._random.randrange(1, 100) for topic in self._random.sample(range(20), 5)}
        labels = [f"label-{label}" for label in self._random.sample(range(200), 40)]
        return Push(("", self.agent), at, AFTER_ALL, topics, labels)

    def _accepted(self, client: httpx.Client, workspace: LiveWorkspace, push: Push) -> Any:
        """The answer, after as many sendings of the same body as it takes."""
        summary = {
            "agent_id": self.agent,
            "timestamp": push.client_at.isoformat(),
            "topic_counts": push.topics,
            "fact_hashes": push.labels,
        }
        address = f"{workspace.hub_url}/w/{workspace.slug}/coordinator/push"
        while True:
            try:
                answer = client.post(
                    address, json={"summary": summary}, headers={"Authorization": f"Bearer {workspace.token}"}
                )
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == httpx.codes.OK:
                return answer.json()
            if answer.status_code not in FAILURES:
                self.unexpected.append(f"{answer.status_code} {answer.text}")
            time.sleep(0.05)


@contextmanager
def pushing(pushers: list[Pusher]) -> Iterator[None]:
    stop = threading.Event()
    with ThreadPoolExecutor(len(pushers)) as threads:
        running = [threads.submit(pusher.run, stop) for pusher in pushers]
        try:
            yield
        finally:
            stop.set()
    for each in running:
        each.result()


def wait_for_more(pushers: list[Pusher], each: int = 2) -> None:
    wanted = {pusher: len(pusher.sent) + each for pusher in pushers}
    wait_until(lambda: all(len(pusher.sent) >= wanted[pusher] for pusher in pushers), timeout_s=RECOVERY_TIMEOUT_S)


def view_of(database: psycopg.Connection[Any], slug: str) -> View:
    topics = {topic: (int(total), agents) for topic, total, agents in database.execute(_TOPICS, (slug,))}
    labels = dict(database.execute(_LABELS, (slug,)).fetchall())
    return View(topics, labels, len(database.execute(_SUMMARIES, (slug,)).fetchall()))


def test_every_accepted_push_counts_once_after_kills_in_both_modes(hub_place: Path) -> None:
    hub = Hub(hub_place / "data", environment=clone_environment() | UNLIMITED)
    hub.start(*QUIET)
    assert hub.command("workspace", "create", "sums").returncode == 0
    assert hub.command("federation", "configure", "sums", "--mode", "sum").returncode == 0
    workspaces = [hub.workspace(slug) for slug in MODES]
    pushers = [Pusher(number, workspaces) for number in range(PUSHERS)]
    web_processes = len(children_of(hub.pid("web")))

    with pushing(pushers):
        wait_for_more(pushers)
        kill(hub.pid("web"))
        wait_for_more(pushers)
        kill(hub.process.pid, *processes_of(hub.data))
        hub.process.wait(10)
        hub.start(*QUIET)
        wait_for_more(pushers)

    sent = [push for pusher in pushers for push in pusher.sent]
    address = environment_of(hub.data, hub.environment, Path("/"))["DATABASE_URL"]
    with psycopg.connect(address) as database:
        for workspace in workspaces:
            kept = dict(database.execute(_SUMMARIES, (workspace.slug,)).fetchall())
            assert kept == Counter(push.agent[1] for push in sent)
            assert view_of(database, workspace.slug) == merged(sent, mode=MODES[workspace.slug])
            banner = httpx.get(
                f"{hub.url}/w/{workspace.slug}/coordinator/", headers={"Authorization": f"Bearer {workspace.token}"}
            ).json()
            assert (banner["total_pushes"], banner["total_agents"]) == (len(sent), len(kept))
    assert [pusher.unexpected for pusher in pushers] == [[]] * PUSHERS
    assert web_processes == 2
    assert hub.interrupt() == 0
    assert hub.left_running() == {}
