import pytest

from apps.jobs.backoff import backoff_s


@pytest.mark.parametrize(
    "attempt,seconds", [(1, 2.0), (2, 4.0), (3, 8.0), (11, 2048.0), (12, 3600.0), (20, 3600.0), (5000, 3600.0)]
)
def test_each_attempt_waits_twice_as_long_up_to_an_hour(attempt, seconds):
    assert backoff_s(attempt, chance=0.0) == seconds


def test_chance_takes_off_up_to_half():
    assert backoff_s(3, chance=0.5) == 6.0
    assert backoff_s(3, chance=1.0) == 4.0


def test_a_longer_wait_that_the_other_side_asked_for_is_kept():
    assert backoff_s(1, chance=0.0, asked_s=120.0) == 120.0
    assert backoff_s(3, chance=0.0, asked_s=1.0) == 8.0


def test_nobody_can_ask_for_more_than_a_day():
    assert backoff_s(1, chance=0.0, asked_s=1e9) == 86_400.0
