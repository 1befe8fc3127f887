"""A workspace that agents push to, and who looks at it in the console."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.actors import Actor
from apps.federation.actions import push_summary
from apps.federation.models import Agent, Summary
from apps.workspaces.models import Workspace
from tests.console import Console
from tests.factories import ACTOR, make_user, make_workspace
from tests.federation.test_merging import summary

BELOW = "/admin/federation"
AGENTS, AGENT = f"{BELOW}/agent/", f"{BELOW}/agent/page/"
WITHDRAW, TOPICS, PULLS = f"{BELOW}/agent/withdraw/", f"{BELOW}/agent/topics/", f"{BELOW}/pull/"
SETTINGS, RESET = f"{BELOW}/federation/", f"{BELOW}/federation/reset/"
PEERS, PEER, NEW = f"{BELOW}/peer/", f"{BELOW}/peer/page/", f"{BELOW}/peer/new/"
EDIT, EXCHANGE, REMOVE = f"{BELOW}/peer/change/", f"{BELOW}/peer/exchange/", f"{BELOW}/peer/remove/"
YES = {"confirmed": "yes"}


def operator() -> Console:
    return Console(make_user("root", is_staff=True, is_superuser=True))


def filled() -> Workspace:
    """`mine`, where `ada` knows about a and b, and `bob` about b."""
    workspace = make_workspace("mine")
    push(workspace, "ada", {"a": 3, "b": 1}, ["secret-project-x"])
    push(workspace, "bob", {"b": 5}, ["0" * 64])
    return workspace


def push(
    workspace: Workspace,
    name: str,
    topics: dict[str, int],
    labels: Any = (),
    *,
    actor: Actor = ACTOR,
    ago_days: int = 0,
) -> Agent:
    """What an agent says now, or as if it had come so many days ago."""
    at = timezone.now() - timedelta(days=ago_days)
    push_summary(workspace, summary(name, at, topics, labels), actor=actor)
    agent = Agent.objects.filter(workspace=workspace, name=name).latest("last_seen_at")
    if ago_days:
        Summary.objects.filter(agent=agent, client_at=at).update(received_at=at, counts_from=at)
    return agent
