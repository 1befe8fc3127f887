"""Writes of federation: pushes, and what takes them back."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import NotFound
from apps.federation import sql
from apps.federation.choices import check_choices
from apps.federation.models import Agent, Federation, Publication
from apps.federation.noise import DELTA, may_publish, noisy_sums
from apps.federation.queries import (
    federation_of,
    last_publication,
    merged_view,
    owner_labels,
    parts_of,
    spent_epsilon,
    standing_of,
)
from apps.federation.sql import Merged, Standing
from apps.federation.summaries import LABEL_KEY_BYTES, Summary
from apps.jobs.endpoints import secret_box
from apps.workspaces.actions import AnyWorkspace
from apps.workspaces.standing import require_owner

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """`outcome` is accepted, or repeated for a summary that the agent has pushed before: it changed nothing."""

    outcome: str
    received_at: datetime
    clear_labels: int
    """Labels that tell what they are about and are kept so."""

    @property
    def is_new(self) -> bool:
        return self.outcome == "accepted"


def push_summary(workspace: AnyWorkspace, summary: Summary, *, actor: Actor) -> Pushed:
    """Take in what an agent of the actor says it knows about. Committed when it returns. Raises Busy."""
    while True:
        key = federation_of(workspace.id).label_key
        clear = 0 if key else summary.clear_labels
        kept = summary.with_hashed_labels(bytes.fromhex(secret_box().decrypt(key))) if key else summary
        with suppress(sql.KeyChanged):
            outcome, received_at = sql.push(workspace.id, owner_of(actor), kept, clear_labels=clear, label_key=key)
            break
    pushed = Pushed(outcome, received_at, clear)
    if pushed.is_new and clear:
        logger.warning("labels_in_clear", workspace_id=workspace.id, labels=clear)
    return pushed


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
            details={"owner": owner_labels([agent.owner]).get(agent.owner, agent.owner), "pushes": agent.pushes},
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
        # What they spent stays spent.
        Publication.objects.filter(workspace_id=workspace.id).update(topics=[], counts=[])
        record_audit("federation.reset", actor=actor, workspace_id=workspace.id)
    return moment


def configure_federation(workspace: AnyWorkspace, changes: Mapping[str, Any], *, actor: Actor) -> Federation:
    """Change how the workspace merges and shows: any of the choices in `choices.py`.

    Another mode merges everything anew, about a millisecond for each summary. Labels that came before they were to be
    hashed stay as they are, and after hashing was off it begins with a new key. Raises Invalid.
    """
    check_choices(changes)
    wanted = dict(changes)
    if not wanted:
        return federation_of(workspace.id)
    with transaction.atomic():
        # First: no push that was hashed by the former key comes after this.
        sql.lock(workspace.id)
        before = federation_of(workspace.id)
        if "hash_labels" in wanted and (hashes := wanted.pop("hash_labels")) != bool(before.label_key):
            wanted["label_key"] = secret_box().encrypt(secrets.token_hex(LABEL_KEY_BYTES)) if hashes else ""
        row, _ = Federation.objects.update_or_create(workspace_id=workspace.id, defaults=wanted)
        if row.mode != before.mode:
            sql.merge_anew(workspace.id)
        else:
            sql.settle(workspace.id)
        record_audit("federation.configured", actor=actor, workspace_id=workspace.id, details=dict(changes))
    return row


def standing_for_pull(workspace: AnyWorkspace) -> Standing:
    """How the merged view stands that a pull shows now. Where noise is asked for and it is time, publishes anew."""
    standing = standing_of(workspace.id)
    return _published(workspace.id, standing) if standing.is_noisy else standing


def pull_view(workspace: AnyWorkspace, standing: Standing, *, actor: Actor) -> Merged:
    """The merged view as the workspace shows it, at `standing` or later. Keeps that the actor has it now."""
    merged = merged_view(workspace.id, is_noisy=standing.is_noisy)
    note_pull(workspace, merged.standing, actor=actor)
    return merged


def note_pull(workspace: AnyWorkspace, standing: Standing, *, actor: Actor) -> None:
    """Keep that the actor has this state of the merged view, and since when. Again is nothing."""
    sql.note_pull(workspace.id, str(actor), standing.revision)


def _published(workspace_id: int, standing: Standing) -> Standing:
    """Publishes the counts with fresh noise, unless nothing changed, the last are fresh, or the budget is spent.

    A budget is spent by what is shown, not by how often: until then everybody is shown the last publication.
    """
    if not _is_due(workspace_id, standing):
        return standing
    with transaction.atomic():
        sql.lock(workspace_id)
        standing, federation = standing_of(workspace_id), federation_of(workspace_id)
        # Somebody else may have been first.
        if federation.noise_epsilon is None or not _is_due(workspace_id, standing):
            return standing
        sums = noisy_sums(
            parts_of(workspace_id),
            epsilon=federation.noise_epsilon,
            bound=federation.noise_bound,
            gauss=secrets.SystemRandom().gauss,
        )
        Publication.objects.create(
            workspace_id=workspace_id,
            published_at=timezone.now(),
            revision=standing.revision,
            epsilon=federation.noise_epsilon,
            delta=DELTA,
            topics=list(sums),
            counts=list(sums.values()),
        )
    logger.info("counts_published", workspace_id=workspace_id, epsilon=federation.noise_epsilon)
    return standing_of(workspace_id)


def _is_due(workspace_id: int, standing: Standing) -> bool:
    federation, last = federation_of(workspace_id), last_publication(workspace_id)
    if federation.noise_epsilon is None or not standing.agents:
        return False
    if last is not None and standing.started_at is not None and last.published_at >= standing.started_at:
        is_fresh = timezone.now() - last.published_at < timedelta(hours=federation.noise_hours)
        if is_fresh or last.revision == standing.revision:
            return False
    spent = spent_epsilon(workspace_id)
    return may_publish(spent=spent, epsilon=federation.noise_epsilon, budget=federation.noise_budget)
