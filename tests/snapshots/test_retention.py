"""What each rule keeps, and the reason it gives."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from apps.snapshots.retention import UNLIMITED, Candidate, Policy, Verdict, judge

NOW = datetime(2026, 3, 31, 22, 15, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
COUNTED = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def at(*texts: str, **options: Any) -> list[Candidate]:
    """One for each time, whose key is the time as it was written."""
    return [Candidate(text, utc(text), **options) for text in texts]


def told(candidates: list[Candidate], policy: Policy, *, now: datetime = NOW) -> dict[Any, list[str]]:
    """The reasons by key, newest first, of those that stay."""
    return {
        verdict.candidate.key: list(verdict.reasons)
        for verdict in judge(candidates, policy, now=now)
        if verdict.is_kept
    }


def kept(candidates: list[Candidate], policy: Policy, *, now: datetime = NOW) -> set[Any]:
    return set(told(candidates, policy, now=now))


DAYS = ("2026-03-31T22:00Z", "2026-03-31T09:00Z", "2026-03-30T23:59Z", "2026-03-28T00:00Z", "2026-02-28T12:00Z",
        "2025-12-31T12:00Z", "2025-12-28T12:00Z", "2024-06-01T12:00Z")  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(last=2), {"2026-03-31T22:00Z": ["last snapshot 1 of 2"],
                          "2026-03-31T09:00Z": ["last snapshot 2 of 2"]}),
        (Policy(hourly=2), {"2026-03-31T22:00Z": ["hourly snapshot of 2026-03-31 22:00+00:00"],
                            "2026-03-31T09:00Z": ["hourly snapshot of 2026-03-31 09:00+00:00"]}),
        # Days without a snapshot do not count.
        (Policy(daily=3), {"2026-03-31T22:00Z": ["daily snapshot of 2026-03-31"],
                           "2026-03-30T23:59Z": ["daily snapshot of 2026-03-30"],
                           "2026-03-28T00:00Z": ["daily snapshot of 2026-03-28"]}),
        # 31 December 2025 lies in the first ISO week of 2026, the 28th in the last of 2025.
        (Policy(weekly=5), {"2026-03-31T22:00Z": ["weekly snapshot of 2026-W14"],
                            "2026-03-28T00:00Z": ["weekly snapshot of 2026-W13"],
                            "2026-02-28T12:00Z": ["weekly snapshot of 2026-W09"],
                            "2025-12-31T12:00Z": ["weekly snapshot of 2026-W01"],
                            "2025-12-28T12:00Z": ["weekly snapshot of 2025-W52"]}),
        (Policy(monthly=3), {"2026-03-31T22:00Z": ["monthly snapshot of 2026-03"],
                             "2026-02-28T12:00Z": ["monthly snapshot of 2026-02"],
                             "2025-12-31T12:00Z": ["monthly snapshot of 2025-12"]}),
        (Policy(yearly=9), {"2026-03-31T22:00Z": ["yearly snapshot of 2026"],
                            "2025-12-31T12:00Z": ["yearly snapshot of 2025"],
                            "2024-06-01T12:00Z": ["yearly snapshot of 2024"]}),
        (Policy(within="1d2h"), {"2026-03-31T22:00Z": ["within 1d2h"], "2026-03-31T09:00Z": ["within 1d2h"],
                                 "2026-03-30T23:59Z": ["within 1d2h"]}),
        (Policy(last=1, daily=2, yearly=1, within="1h"),
         {"2026-03-31T22:00Z": ["within 1h", "last snapshot 1 of 1", "daily snapshot of 2026-03-31",
                                "yearly snapshot of 2026"],
          "2026-03-30T23:59Z": ["daily snapshot of 2026-03-30"]}),
    ],
)  # fmt: skip
def test_each_rule_keeps_what_it_says_with_a_reason(policy: Policy, expected: dict[str, list[str]]) -> None:
    assert told(at(*DAYS), policy) == expected


@pytest.mark.parametrize("rule", COUNTED)
def test_unlimited_keeps_one_of_every_bucket_there_is(rule: str) -> None:
    unlimited, large = Policy(**{rule: UNLIMITED}), Policy(**{rule: 100})

    assert kept(at(*DAYS), unlimited) == kept(at(*DAYS), large)
    assert kept(at(*DAYS), Policy(last=UNLIMITED)) == set(DAYS)
    assert told(at(*DAYS), Policy(last=UNLIMITED))[DAYS[2]] == ["last snapshot 3"]


def test_verdicts_come_newest_first_with_those_that_go() -> None:
    candidates = at(*DAYS)

    verdicts = judge(reversed(candidates), Policy(last=1), now=NOW)

    assert verdicts[0] == Verdict(candidates[0], ("last snapshot 1 of 1",))
    assert verdicts[1:] == [Verdict(candidate, ()) for candidate in candidates[1:]]
    assert [verdict.is_kept for verdict in verdicts] == [True] + [False] * 7


def test_no_candidates_give_no_verdicts() -> None:
    assert judge([], Policy(last=1), now=NOW) == []
    assert judge([], Policy(), now=NOW) == []


@pytest.mark.parametrize("policy", [Policy(), Policy(safety_days=0), Policy(zone="Europe/Berlin")])
def test_an_empty_policy_deletes_nothing_not_even_old_safety_snapshots(policy: Policy) -> None:
    candidates = at(*DAYS) + at("2020-01-01T00:00Z", kind="safety")

    reasons = told(candidates, policy)

    assert policy.is_empty
    assert reasons == {candidate.key: ["the policy is empty"] for candidate in candidates}


@pytest.mark.parametrize(
    "policy",
    [*(Policy(**{rule: 1}) for rule in COUNTED), Policy(within="1h"), Policy(tags=("a",)), Policy(last=UNLIMITED)],
)
def test_a_policy_with_one_rule_is_not_empty(policy: Policy) -> None:
    assert not policy.is_empty


def test_a_tag_keeps_whatever_has_one_of_the_tags() -> None:
    candidates = [
        Candidate(1, utc("2020-01-01T00:00Z"), frozenset({"gold", "other"})),
        Candidate(2, utc("2021-01-01T00:00Z"), frozenset({"gold", "release"})),
        Candidate(3, utc("2022-01-01T00:00Z"), frozenset({"Gold"})),
        Candidate(4, utc("2023-01-01T00:00Z"), frozenset({"gold"}), kind="safety"),
        Candidate(5, utc("2024-01-01T00:00Z")),
    ]

    assert told(candidates, Policy(last=1, tags=("release", "gold"))) == {
        5: ["last snapshot 1 of 1"],
        4: ["tag gold"],
        2: ["tag release", "tag gold"],
        1: ["tag gold"],
    }


def test_what_a_tag_keeps_takes_slots_all_the_same() -> None:
    candidates = [
        Candidate("old", utc("2026-03-30T00:00Z")),
        Candidate("tagged", utc("2026-03-31T00:00Z"), frozenset({"a"})),
    ]

    assert told(candidates, Policy(last=1, tags=("a",))) == {"tagged": ["tag a", "last snapshot 1 of 1"]}


# At least one stays.


def test_the_newest_stays_where_no_rule_wants_it() -> None:
    assert told(at(*DAYS), Policy(tags=("none",))) == {DAYS[0]: ["the last one"]}


def test_a_newer_safety_snapshot_is_not_the_last_one() -> None:
    candidates = at(*DAYS[1:]) + at(DAYS[0], kind="safety")

    assert told(candidates, Policy(tags=("none",), safety_days=0)) == {DAYS[1]: ["the last one"]}


def test_of_nothing_but_old_safety_snapshots_the_newest_stays() -> None:
    assert told(at(*DAYS, kind="safety"), Policy(last=5, safety_days=0)) == {DAYS[0]: ["the last one"]}


# Pins, the future and safety snapshots take no slots.


def test_a_pinned_snapshot_stays_and_takes_no_slot() -> None:
    candidates = at(DAYS[0], DAYS[4], is_pinned=True) + at(*DAYS[1:4], *DAYS[5:])

    assert told(candidates, Policy(last=2, daily=1, within="1d")) == {
        DAYS[0]: ["pinned"],
        DAYS[1]: ["within 1d", "last snapshot 1 of 2", "daily snapshot of 2026-03-31"],
        DAYS[2]: ["within 1d", "last snapshot 2 of 2"],
        DAYS[4]: ["pinned"],
    }


def test_within_counts_from_a_pinned_snapshot_too() -> None:
    candidates = at("2026-03-31T00:00Z", is_pinned=True) + at("2026-03-30T00:00Z", "2026-03-29T12:00Z")

    assert kept(candidates, Policy(within="36h")) == {"2026-03-31T00:00Z", "2026-03-30T00:00Z"}


def test_a_snapshot_from_the_future_stays_and_pushes_out_none() -> None:
    ahead = at("2026-03-31T22:20:01Z", "2027-01-01T00:00Z", "9999-12-31T23:59:59Z")
    policy = Policy(last=1, hourly=1, daily=1, weekly=1, monthly=1, yearly=1, within="1h", zone="Asia/Tokyo")

    reasons = told(ahead + at(*DAYS), policy)

    assert reasons == {each.key: ["dated in the future"] for each in ahead} | told(at(*DAYS), policy)


def test_five_minutes_ahead_is_not_the_future() -> None:
    assert told(at("2026-03-31T22:20Z"), Policy(last=1)) == {"2026-03-31T22:20Z": ["last snapshot 1 of 1"]}


def test_the_last_one_is_not_one_from_the_future() -> None:
    reasons = told(at("2027-01-01T00:00Z", *DAYS), Policy(tags=("none",)))

    assert reasons == {"2027-01-01T00:00Z": ["dated in the future"], DAYS[0]: ["the last one"]}


@pytest.mark.parametrize(
    ("days", "age", "reasons"),
    [
        (30, timedelta(days=30, seconds=-1), ["safety snapshot younger than 30 days"]),
        (30, timedelta(days=30), []),
        (1, timedelta(hours=23), ["safety snapshot younger than 1 day"]),
        (0, timedelta(0), []),
        (UNLIMITED, timedelta(days=9999), ["safety snapshot"]),
        (0, timedelta(days=-1), ["dated in the future"]),
    ],
)
def test_a_safety_snapshot_stays_for_its_days(days: int, age: timedelta, reasons: list[str]) -> None:
    safety = Candidate("safety", NOW - age, kind="safety")

    [verdict] = [
        verdict
        for verdict in judge([*at(*DAYS), safety], Policy(last=1, safety_days=days), now=NOW)
        if verdict.candidate == safety
    ]

    assert list(verdict.reasons) == reasons


def test_a_safety_snapshot_takes_no_slot_and_moves_no_window() -> None:
    idle = at("2025-03-01T12:00Z", "2025-02-28T12:00Z", "2025-01-01T12:00Z")
    safety = Candidate("safety", NOW, kind="safety", is_pinned=True)

    assert told([*idle, safety], Policy(last=1, yearly=1, within="30d")) == {
        "safety": ["pinned", "safety snapshot younger than 30 days"],
        "2025-03-01T12:00Z": ["within 30d", "last snapshot 1 of 1", "yearly snapshot of 2025"],
        "2025-02-28T12:00Z": ["within 30d"],
    }


def test_other_kinds_count_like_a_manual_one() -> None:
    candidates = at(DAYS[0], kind="scheduled") + at(DAYS[1], kind="pre-import") + at(DAYS[2])

    assert kept(candidates, Policy(last=2)) == {DAYS[0], DAYS[1]}


# The window of `within`.


@pytest.mark.parametrize(
    ("within", "newest", "zone", "start"),
    [
        ("3h", "2026-03-31T22:15Z", "UTC", "2026-03-31T19:15Z"),
        ("1d", "2026-03-31T22:15Z", "UTC", "2026-03-30T22:15Z"),
        # As in restic, a day that the month does not have runs over into the next.
        ("1m", "2026-03-31T22:15Z", "UTC", "2026-03-03T22:15Z"),
        ("1y", "2024-02-29T00:00Z", "UTC", "2023-03-01T00:00Z"),
        ("3m", "2026-03-15T00:00Z", "UTC", "2025-12-15T00:00Z"),
        ("1y5m7d2h", "2026-03-31T22:15Z", "UTC", "2024-10-24T20:15Z"),
        # The day that ends a Sunday of 23 hours, and a span of real hours.
        ("1d", "2026-03-29T20:00+02:00", "Europe/Berlin", "2026-03-28T20:00+01:00"),
        ("24h", "2026-03-29T20:00+02:00", "Europe/Berlin", "2026-03-28T19:00+01:00"),
        ("1d", "2026-03-29T20:00+02:00", "UTC", "2026-03-28T19:00+01:00"),
        # From the second pass of the hour that comes twice.
        ("1h", "2026-10-25T02:30+01:00", "Europe/Berlin", "2026-10-25T02:30+02:00"),
        ("9999y", "2026-03-31T22:15Z", "UTC", "0001-01-01T00:00Z"),
        ("99999d", "2026-03-31T22:15Z", "UTC", "1752-06-16T22:15Z"),
        ("1900y99999d", "2026-03-31T22:15Z", "UTC", "0001-01-01T00:00Z"),
    ],
)
def test_within_counts_back_from_the_newest_by_the_calendar(within: str, newest: str, zone: str, start: str) -> None:
    edge = utc(start)
    later = edge + timedelta(microseconds=1)
    candidates = [Candidate("edge", edge), Candidate("later", later), Candidate("newest", utc(newest))]

    assert kept(candidates, Policy(within=within, zone=zone), now=LATER) == {"later", "newest"}


def test_a_hub_that_lay_idle_for_a_year_keeps_its_window() -> None:
    candidates = at("2025-03-01T00:00Z", "2025-02-28T00:00Z", "2025-01-01T00:00Z")

    assert kept(candidates, Policy(within="7d")) == {"2025-03-01T00:00Z", "2025-02-28T00:00Z"}


# Days and hours of a zone.


@pytest.mark.parametrize(
    ("policy", "times", "expected"),
    [
        # 23:30 and 00:30 in Berlin are one day in UTC.
        (Policy(daily=9), ["2026-07-01T21:30Z", "2026-07-01T22:30Z"], ["2026-07-01T22:30Z"]),
        (Policy(daily=9, zone="Europe/Berlin"), ["2026-07-01T21:30Z", "2026-07-01T22:30Z"],
         ["2026-07-01T21:30Z", "2026-07-01T22:30Z"]),
        (Policy(monthly=9, zone="Pacific/Auckland"), ["2026-06-30T11:59Z", "2026-06-30T12:00Z"],
         ["2026-06-30T11:59Z", "2026-06-30T12:00Z"]),
        (Policy(yearly=9, zone="America/New_York"), ["2026-01-01T04:59Z", "2026-01-01T05:00Z"],
         ["2026-01-01T04:59Z", "2026-01-01T05:00Z"]),
        (Policy(weekly=9, zone="America/New_York"), ["2026-03-30T03:59Z", "2026-03-30T04:00Z"],
         ["2026-03-30T03:59Z", "2026-03-30T04:00Z"]),
        # Both passes of 02:xx in Berlin are hours of their own, of one day of 25 hours.
        (Policy(hourly=9, zone="Europe/Berlin"), ["2026-10-25T00:10Z", "2026-10-25T00:50Z", "2026-10-25T01:10Z"],
         ["2026-10-25T00:50Z", "2026-10-25T01:10Z"]),
        (Policy(daily=9, zone="Europe/Berlin"), ["2026-10-24T22:00Z", "2026-10-25T22:59Z"], ["2026-10-25T22:59Z"]),
        # Half an hour comes twice on Lord Howe: 01:45 at +11:00 and, 30 minutes later, at +10:30.
        (Policy(hourly=9, zone="Australia/Lord_Howe"), ["2026-04-04T14:45Z", "2026-04-04T15:15Z"],
         ["2026-04-04T14:45Z", "2026-04-04T15:15Z"]),
        # In St. John's one minute after midnight became 23:01, so that 7 November was followed by the 6th again.
        (Policy(daily=3, zone="America/St_Johns"),
         ["2010-11-05T12:00Z", "2010-11-07T02:00Z", "2010-11-07T02:30:30Z", "2010-11-07T02:45Z", "2010-11-07T12:00Z"],
         ["2010-11-05T12:00Z", "2010-11-07T02:45Z", "2010-11-07T12:00Z"]),
        (Policy(daily=UNLIMITED, zone="America/St_Johns"),
         ["2010-11-07T02:30:30Z", "2010-11-07T02:45Z", "2010-11-07T12:00Z"],
         ["2010-11-07T02:45Z", "2010-11-07T12:00Z"]),
    ],
)  # fmt: skip
def test_days_and_hours_are_those_of_the_zone(policy: Policy, times: list[str], expected: list[str]) -> None:
    assert kept(at(*times), policy, now=LATER) == set(expected)


def test_the_offset_tells_the_two_passes_of_an_hour_apart() -> None:
    policy = Policy(hourly=2, zone="Europe/Berlin")

    reasons = told(at("2026-10-25T00:10Z", "2026-10-25T01:10Z"), policy, now=LATER)

    assert reasons == {
        "2026-10-25T01:10Z": ["hourly snapshot of 2026-10-25 02:00+01:00"],
        "2026-10-25T00:10Z": ["hourly snapshot of 2026-10-25 02:00+02:00"],
    }


def test_times_on_the_wall_of_one_zone_are_ordered_by_real_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = Candidate("first", datetime(2026, 10, 25, 2, 50, tzinfo=berlin))
    second = Candidate("second", datetime(2026, 10, 25, 2, 10, tzinfo=berlin, fold=1))

    assert kept([first, second], Policy(last=1), now=second.created_at) == {"second"}
    assert told([first], Policy(last=1), now=second.created_at) == {"first": ["last snapshot 1 of 1"]}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (9, 10),
        ("a", "b"),
        ("b", "aa"),
        (UUID("0195f000-0000-7000-8000-000000000001"), UUID("0195f000-0001-7000-8000-000000000000")),
    ],
)
def test_of_two_with_the_same_time_the_key_decides(older: Any, newer: Any) -> None:
    candidates = [Candidate(newer, NOW), Candidate(older, NOW)]

    assert kept(candidates, Policy(last=1)) == kept(candidates[::-1], Policy(last=1)) == {newer}
