"""When a policy's work is due. Pure: no clock, no Django; all times are aware."""

from datetime import datetime, timedelta
from typing import Literal

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)
ABANDONED_AFTER = timedelta(days=7)
SUPERSEDED_AFTER = timedelta(days=1)


def is_settled(since: datetime, last: datetime, *, quiet_s: int, longest_s: int, now: datetime) -> bool:
    """Whether changes, noticed from `since` to `last`, have waited long enough for a snapshot.

    It is quiet by now, or it never is quiet and the first of them must not wait any longer.
    """
    return now - last >= timedelta(seconds=quiet_s) or now - since >= timedelta(seconds=longest_s)


def retry_at(failing_since: datetime, failed_at: datetime) -> datetime:
    """When an upload is tried again that failed for good, to a target that has been failing for a while.

    The wait grows with that while, so that it about doubles: from a minute up to an hour.
    """
    return failed_at + min(max(failed_at - failing_since, FIRST_RETRY), LONGEST_RETRY)


def is_abandoned(ended_at: datetime | None, *, is_superseded: bool, now: datetime) -> bool:
    """Whether nobody goes on with an upload that has no open job: its last one ended long ago, or left no trace.

    One that a newer copy has overtaken is not tried again by itself, and waits only for somebody who would.
    """
    wait = SUPERSEDED_AFTER if is_superseded else ABANDONED_AFTER
    return ended_at is None or now - ended_at >= wait


def verification_due(
    begun_at: datetime,
    sampled_at: datetime | None,
    tried_at: datetime | None,
    *,
    sample_days: int,
    trial_days: int,
    now: datetime,
) -> Literal["", "sample", "trial"]:
    """Which verification it is time for. Of both the trial restore, which reads everything a sample does.

    `begun_at` is when there was nothing to verify yet; 0 days are never.
    """
    if _is_due(tried_at or begun_at, trial_days, now):
        return "trial"
    if _is_due(max(sampled_at or begun_at, tried_at or begun_at), sample_days, now):
        return "sample"
    return ""


def _is_due(last: datetime, days: int, now: datetime) -> bool:
    return days > 0 and now - last >= timedelta(days=days)


def overdue_since(
    *, newest_at: datetime | None, behind_since: datetime | None, skips_unchanged: bool, hours: int, now: datetime
) -> datetime | None:
    """Since when a target has lacked a fresh enough copy, for an alarm after so many hours; None where it does not.

    `newest_at` is the time of its newest copy, `behind_since` that of the first change which that one lacks. Where
    nothing is copied while nothing changes, an old copy of the newest state is fresh.
    """
    since = behind_since if skips_unchanged or newest_at is None else newest_at
    return since if since is not None and hours > 0 and now - since >= timedelta(hours=hours) else None
