"""What the hub throws away by itself, once an hour."""

from django.utils import timezone

from apps.accounts.actions import forget_kept_answers
from apps.accounts.sessions import SessionStore
from apps.jobs.runs import JobRun

KIND = "operations.housekeeping"
EVERY_S = 3600


def keep_house(run: JobRun) -> dict[str, int]:
    """Answers kept for `Idempotency-Key` longer than promised, and sessions that have ended. Safe to run twice."""
    SessionStore.clear_expired()
    return {"kept_answers": forget_kept_answers(now=timezone.now())}
