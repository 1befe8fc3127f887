"""Reads of accounts."""

from functools import lru_cache

from django.conf import settings
from django.db.models import QuerySet

from apps.accounts.models import AuditEvent
from apps.accounts.tokens import KeyRing


@lru_cache(maxsize=4)
def _parsed_ring(text: str) -> KeyRing:
    return KeyRing.parse(text)


def key_ring() -> KeyRing:
    """The keys for token digests that MEMORYHUB_TOKEN_KEY names."""
    return _parsed_ring(settings.MEMORYHUB_TOKEN_KEY)


def audit_events(workspace_id: int, *, action: str = "") -> QuerySet[AuditEvent]:
    """The audit trail of a workspace, newest first, only of `action` when it is given."""
    events = AuditEvent.objects.filter(workspace_id=workspace_id).order_by("-id")
    return events.filter(action=action) if action else events
