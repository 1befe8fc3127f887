"""When a policy's work is due: tables."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.snapshots.timing import is_abandoned, is_settled, overdue_since, retry_at, verification_due

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


@pytest.mark.parametrize(
    ("since_s", "last_s", "is_due"),
    [
        (0, 0, False),
        (29, 29, False),
        (30, 30, True),
        (599, 0, False),
        (600, 0, True),
        (599, 29.9, False),
        (599, 30, True),
    ],
)
def test_changes_are_settled_when_it_is_quiet_or_lasts_too_long(since_s: float, last_s: float, is_due: bool) -> None:
    found = is_settled(ago(seconds=since_s), ago(seconds=last_s), quiet_s=30, longest_s=600, now=NOW)

    assert found is is_due


def test_without_a_quiet_time_changes_are_settled_at_once() -> None:
    assert is_settled(NOW, NOW, quiet_s=0, longest_s=0, now=NOW)


@pytest.mark.parametrize(
    ("failing_s", "wait_s"), [(0, 60), (59, 60), (60, 60), (120, 120), (1800, 1800), (3600, 3600), (90_000, 3600)]
)
def test_an_upload_is_tried_again_later_each_time(failing_s: int, wait_s: int) -> None:
    assert retry_at(ago(seconds=failing_s), NOW) == NOW + timedelta(seconds=wait_s)


def test_a_clock_that_went_back_does_not_hurry_a_retry() -> None:
    assert retry_at(NOW + timedelta(hours=1), NOW) == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ended_days", "is_superseded", "is_over"),
    [
        (6.9, False, False),
        (7, False, True),
        (0.9, True, False),
        (1, True, True),
        (None, False, True),
        (None, True, True),
    ],
)
def test_an_upload_is_abandoned_when_nobody_goes_on_with_it(
    ended_days: float | None, is_superseded: bool, is_over: bool
) -> None:
    ended_at = None if ended_days is None else ago(days=ended_days)

    assert is_abandoned(ended_at, is_superseded=is_superseded, now=NOW) is is_over


@pytest.mark.parametrize(
    ("begun", "sampled", "tried", "mode"),
    [
        (6.9, None, None, ""),
        (7, None, None, "sample"),
        (29.9, None, None, "sample"),
        (30, None, None, "trial"),
        (60, 6.9, 20, ""),
        (60, 7, 20, "sample"),
        (60, 20, 6.9, ""),
        (60, 20, 7, "sample"),
        (60, 1, 30, "trial"),
        (60, 1, None, "trial"),
    ],
)
def test_verifications_come_by_their_days_and_the_longer_one_counts_for_both(
    begun: float, sampled: float | None, tried: float | None, mode: str
) -> None:
    found = verification_due(
        ago(days=begun),
        None if sampled is None else ago(days=sampled),
        None if tried is None else ago(days=tried),
        sample_days=7,
        trial_days=30,
        now=NOW,
    )

    assert found == mode


@pytest.mark.parametrize(("sample_days", "trial_days", "mode"), [(0, 0, ""), (0, 30, "trial"), (7, 0, "sample")])
def test_zero_days_are_never(sample_days: int, trial_days: int, mode: str) -> None:
    found = verification_due(ago(days=900), None, None, sample_days=sample_days, trial_days=trial_days, now=NOW)

    assert found == mode


@pytest.mark.parametrize(
    ("newest", "behind", "skips", "since"),
    [
        (100, None, True, None),
        (100, 23, True, None),
        (100, 24, True, 24),
        (None, 24, True, 24),
        (None, None, True, None),
        (23, 50, False, None),
        (24, None, False, 24),
        (100, 23, False, 100),
        (None, 24, False, 24),
        (None, None, False, None),
    ],
)
def test_a_target_is_overdue_by_what_it_lacks(
    newest: int | None, behind: int | None, skips: bool, since: int | None
) -> None:
    found = overdue_since(
        newest_at=None if newest is None else ago(hours=newest),
        behind_since=None if behind is None else ago(hours=behind),
        skips_unchanged=skips,
        hours=24,
        now=NOW,
    )

    assert found == (None if since is None else ago(hours=since))


def test_no_hours_are_no_alarm() -> None:
    assert overdue_since(newest_at=None, behind_since=ago(days=9), skips_unchanged=True, hours=0, now=NOW) is None
