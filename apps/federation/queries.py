"""Reads of what agents have pushed."""

from django.db.models import QuerySet

from apps.federation import sql
from apps.federation.models import Agent, Federation
from apps.federation.sql import Merged, Standing


def standing_of(workspace_id: int) -> Standing:
    """How the merged view stands; one row. Equal revisions are equal views."""
    return sql.standing(workspace_id)


def merged_view(workspace_id: int) -> Merged:
    """The merged view, without the topics and labels that too few agents sent."""
    return sql.merged(workspace_id)


def federation_of(workspace_id: int) -> Federation:
    """How the workspace federates: its row, or the defaults, unsaved."""
    return Federation.objects.filter(pk=workspace_id).first() or Federation(workspace_id=workspace_id)


def agents_of(workspace_id: int) -> QuerySet[Agent]:
    """By the last push, newest first; without what they sent."""
    return (
        Agent.objects.filter(workspace_id=workspace_id)
        .defer("topics", "counts", "labels")
        .order_by("-last_seen_at", "-id")
    )
