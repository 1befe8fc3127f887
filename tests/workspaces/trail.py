"""The audit trail as tests compare it."""

from apps.accounts.models import AuditEvent


def audit_lines():
    """Action, subject and details of every event, oldest first."""
    return [(event.action, event.subject, event.details) for event in AuditEvent.objects.order_by("id")]
