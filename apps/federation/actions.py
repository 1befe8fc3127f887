"""Writes of federation: pushes, and what takes them back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import NotFound
from apps.federation import sql
from apps.federation.choices import check_choices
from apps.federation.models import Agent, Federation
from apps.federation.queries import federation_of
from apps.federation.summaries import LABEL_KEY_BYTES, Summary
from apps.jobs.endpoints import secret_box
from apps.workspaces.actions import AnyWorkspace
from apps.workspaces.standing import require_owner

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """`is_new` is False for a summary that the agent has pushed before: it changed nothing."""

    is_new: bool
    received_at: datetime
    clear_labels: int
    """Labels that tell what they are about and are kept so."""


def push_summary(workspace: AnyWorkspace, summary: Summary, *, actor: Actor) -> Pushed:
    """Take in what an agent of the actor says it knows about. Committed when it returns. Raises Busy."""
    key = federation_of(workspace.id).label_key
    clear = 0 if key else summary.clear_labels
    kept = summary.with_hashed_labels(bytes.fromhex(secret_box().decrypt(key))) if key else summary
    status, received_at = sql.push(workspace.id, owner_of(actor), kept)
    is_new = status == "accepted"
    if is_new and clear:
        logger.warning("labels_in_clear", workspace_id=workspace.id, labels=clear)
    return Pushed(is_new, received_at, clear)


def owner_of(actor: Actor) -> str:
    """Whose agents the actor's are: a user's whichever token pushes, else the token's own."""
    return str(actor) if actor.user_pk is None else f"user:{actor.user_pk}"


def withdraw_agent(workspace: AnyWorkspace, agent_id: UUID, *, actor: Actor) -> None:
    """Take an agent out with all that it ever pushed. NotFound where there is none."""
    with transaction.atomic():
        agent = Agent.objects.filter(pk=agent_id, workspace_id=workspace.id).only("owner", "name", "pushes").first()
        if agent is None or not sql.withdraw(workspace.id, agent_id):
            raise NotFound("There is no such agent.")
        record_audit(
            "agent.withdrawn",
            actor=actor,
            workspace_id=workspace.id,
            subject=agent.name,
            details={"owner": agent.owner, "pushes": agent.pushes},
        )


def expire_summaries(workspace_id: int, *, before: datetime) -> tuple[int, int]:
    """Take out what was received before a moment: agents that have nothing newer, and summaries, of all agents."""
    with transaction.atomic():
        agents, summaries = sql.expire(workspace_id, before)
        if summaries:
            record_audit(
                "summaries.expired",
                actor=Actor.system(),
                workspace_id=workspace_id,
                details={"agents": agents, "summaries": summaries},
            )
    return agents, summaries


def reset_federation(workspace: AnyWorkspace, *, acting_role: str, actor: Actor) -> datetime:
    """Take everything out; the moment from which on it counts again. ScopeMissing for who is no owner."""
    require_owner(acting_role)
    with transaction.atomic():
        moment = sql.reset(workspace.id)
        record_audit("federation.reset", actor=actor, workspace_id=workspace.id)
    return moment


def configure_federation(workspace: AnyWorkspace, changes: Mapping[str, Any], *, actor: Actor) -> Federation:
    """Change how the workspace merges and shows: any of `mode`, `min_agents`, `hash_labels`, `expire_days`.

    Another mode merges everything anew, about a millisecond for each summary. Labels that came before they were to be
    hashed stay as they are, and after hashing was off it begins with a new key. Raises Invalid.
    """
    check_choices(changes)
    wanted = dict(changes)
    with transaction.atomic():
        row = federation_of(workspace.id)
        if "hash_labels" in wanted and (hashes := wanted.pop("hash_labels")) != bool(row.label_key):
            wanted["label_key"] = secret_box().encrypt(secrets.token_hex(LABEL_KEY_BYTES)) if hashes else ""
        row, _ = Federation.objects.update_or_create(workspace_id=workspace.id, defaults=wanted)
        sql.merge_anew(workspace.id)
        record_audit("federation.configured", actor=actor, workspace_id=workspace.id, details=dict(changes))
    return row
