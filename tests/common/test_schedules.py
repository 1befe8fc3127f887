from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import Invalid
from apps.common.schedules import Cron, Due, Interval, Schedule, due, next_run, parse_schedule

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
ZONES = st.sampled_from(
    # Half an hour of summer time, midnight changes, southern seasons, odd offsets, none at all.
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo",
     "America/Santiago", "Asia/Kathmandu", "Asia/Beirut", "Africa/Casablanca"]
)  # fmt: skip
LINES = st.sampled_from(
    ["* * * * *", "*/15 * * * *", "30 * * * *", "30 2 * * *", "0,15,30,45 1-3 * * *", "0 0 * * *", "5 */2 * * *",
     "0 3 * * mon-fri", "0 12 L * *", "59 23 29 2 *", "15 0 * * 0", "45 1 1,15 * *"]
)  # fmt: skip
CRONS = st.builds(Cron, LINES, ZONES, st.integers(0, 7200))
INTERVALS = st.integers(60, 10**6).flatmap(lambda every: st.builds(Interval, st.just(every), st.integers(0, every - 1)))
SCHEDULES = st.one_of(CRONS, INTERVALS)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def following(schedule: Schedule, after: str, times: int) -> list[str]:
    """The next moments, on the wall clock of the schedule's zone with its offset."""
    zone = ZoneInfo(schedule.zone if isinstance(schedule, Cron) else "UTC")
    moments, at = [], utc(after)
    for _ in range(times):
        at = next_run(schedule, at)
        moments.append(at.astimezone(zone).isoformat(timespec="minutes"))
    return moments


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("every 60s", Interval(60), "every 1m"),
        ("every 90s", Interval(90), "every 1m30s"),
        ("  Every   15M ", Interval(900), "every 15m"),
        ("every 1h30m", Interval(5400), "every 1h30m"),
        ("every 366d", Interval(366 * 86_400), "every 366d"),
        ("0 3 * * *", Cron("0 3 * * *"), "0 3 * * *"),
        (" 0  3 * *   MON-fri ", Cron("0 3 * * MON-fri"), "0 3 * * MON-fri"),
        ("@daily", Cron("0 0 * * *"), "0 0 * * *"),
        ("@Weekly", Cron("0 0 * * 0"), "0 0 * * 0"),
        ("0 0 29 2 *", Cron("0 0 29 2 *"), "0 0 29 2 *"),
    ],
)
def test_schedules_are_read_from_text(text: str, expected: Schedule, shown: str) -> None:
    schedule = parse_schedule(text)

    assert schedule == expected
    assert str(schedule) == shown
    assert parse_schedule(str(schedule)) == schedule


@pytest.mark.parametrize(
    ("text", "options", "field", "detail"),
    [
        ("", {}, "schedule", "a cron line has five fields: minute, hour, day of month, month, day of week"),
        ("hourly", {}, "schedule", "a cron line has five fields: minute, hour, day of month, month, day of week"),
        ("0 0 3 * * *", {}, "schedule", "a cron line has five fields: minute, hour, day of month, month, day of week"),
        ("60 * * * *", {}, "schedule", "the cron line '60 * * * *' is wrong: bad minute"),
        ("* 24 * * *", {}, "schedule", "the cron line '* 24 * * *' is wrong: bad hour"),
        ("* * 0 * *", {}, "schedule", "the cron line '* * 0 * *' is wrong: bad day-of-month"),
        ("* * * foo *", {}, "schedule", "the cron line '* * * foo *' is wrong: bad month"),
        ("*/0 * * * *", {}, "schedule", "the cron line '*/0 * * * *' is wrong: bad minute"),
        ("0 0 30 2 *", {}, "schedule", "the cron line '0 0 30 2 *' is wrong: bad day-of-month"),
        ("every", {}, "schedule", "an interval reads like 'every 15m' or 'every 1h30m', not 'every'"),
        ("every 5", {}, "schedule", "an interval reads like 'every 15m' or 'every 1h30m', not 'every 5'"),
        ("every -5m", {}, "schedule", "an interval reads like 'every 15m' or 'every 1h30m', not 'every -5m'"),
        ("every 59s", {}, "schedule", "an interval lasts from 60 seconds to 366 days"),
        ("every 9s", {"shortest_s": 10}, "schedule", "an interval lasts from 10 seconds to 366 days"),
        ("every 367d", {}, "schedule", "an interval lasts from 60 seconds to 366 days"),
        ("x" * 201, {}, "schedule", "a schedule has at most 200 characters"),
        ("every 1m", {"jitter_s": 60}, "jitter_s", "jitter_s is shorter than the interval"),
        ("every 1m", {"jitter_s": -1}, "jitter_s", "jitter_s is not negative"),
        ("@daily", {"zone": "Mars/Base"}, "timezone", "there is no time zone 'Mars/Base'; use 'Europe/Oslo'"),
        ("@daily", {"zone": ""}, "timezone", "there is no time zone ''; use 'Europe/Oslo'"),
        ("@daily", {"zone": "Europe"}, "timezone", "there is no time zone 'Europe'; use 'Europe/Oslo'"),
        ("@daily", {"zone": "../etc/passwd"}, "timezone", "there is no time zone '../etc/passwd'; use 'Europe/Oslo'"),
        ("@daily", {"zone": "localtime"}, "timezone", "there is no time zone 'localtime'; use 'Europe/Oslo'"),
        ("@daily", {"zone": "a\0b"}, "timezone", "there is no time zone 'a\ufffdb'; use 'Europe/Oslo'"),
    ],
)
def test_a_wrong_schedule_is_refused_with_a_sentence(
    text: str, options: dict[str, Any], field: str, detail: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_schedule(text, **options)

    [error] = caught.value.fields["errors"]
    assert (error["field"], error["detail"]) == (field, detail)


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_text_is_a_schedule_or_invalid(text: str, zone: str) -> None:
    try:
        schedule = parse_schedule(text, zone=zone)
    except Invalid:
        return
    assert next_run(schedule, utc("2026-01-01T00:00Z")) > utc("2026-01-01T00:00Z")


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        # Spring in Berlin: 02:00 becomes 03:00 on 2026-03-29. A fixed time in the gap runs right after it, once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z",
         ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z",
         ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00Z",
         ["2026-03-29T03:00+02:00", "2026-03-30T03:00+02:00"]),
        ("30 * * * *", "Europe/Berlin", "2026-03-29T00:00Z",
         ["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"]),
        # Autumn in Berlin: 03:00 becomes 02:00 on 2026-10-25. A fixed time runs the first time only.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z",
         ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z",
         ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:00+01:00"]),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T00:00Z",
         ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T03:30+01:00"]),
        # Asked from inside the second pass.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", ["2026-10-26T02:30+01:00"]),
        # Half an hour of summer time on Lord Howe: 02:00 becomes 02:30 on 2026-10-04, 02:00 becomes 01:30 on 04-05.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00Z",
         ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00Z",
         ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
        # Cairo skips the hour after midnight on 2026-04-24.
        ("0 0 * * *", "Africa/Cairo", "2026-04-22T23:00Z",
         ["2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"]),
        # No summer time at all, and an odd offset.
        ("0 9 * * *", "Asia/Kathmandu", "2026-03-28T12:00Z", ["2026-03-29T09:00+05:45"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
        ("0 0 * * 0", "UTC", "2026-01-01T00:00Z", ["2026-01-04T00:00+00:00"]),
        # Exactly on a moment: the next one, not the same again. A fraction before it: that one.
        ("0 * * * *", "UTC", "2026-01-01T05:00:00Z", ["2026-01-01T06:00+00:00"]),
        ("0 * * * *", "UTC", "2026-01-01T04:59:59.999999Z", ["2026-01-01T05:00+00:00"]),
    ],
)  # fmt: skip
def test_cron_lines_follow_the_wall_clock_of_their_zone(line: str, zone: str, after: str, expected: list[str]) -> None:
    assert following(parse_schedule(line, zone=zone), after, len(expected)) == expected


@given(SCHEDULES, MOMENTS, st.text(max_size=5))
def test_the_next_moment_is_later_and_nothing_lies_between(schedule: Schedule, after: datetime, seed: str) -> None:
    first = next_run(schedule, after, seed=seed)
    between = after + (first - after) / 2

    assert first > after
    assert first.tzinfo is UTC
    assert next_run(schedule, between, seed=seed) == first
    assert next_run(schedule, first - timedelta(microseconds=1), seed=seed) == first
    assert next_run(schedule, first, seed=seed) > first


@given(CRONS, MOMENTS, st.integers(0, 10**6))
def test_jitter_moves_the_whole_schedule_by_one_constant(schedule: Cron, after: datetime, seed: int) -> None:
    plain = Cron(schedule.line, schedule.zone)
    day = utc("2026-01-01T00:00Z")
    delay = next_run(Interval(10**6, schedule.jitter_s), day, seed=str(seed)) - next_run(Interval(10**6), day)
    delay %= timedelta(seconds=10**6)

    assert next_run(schedule, after, seed=str(seed)) == next_run(plain, after - delay) + delay


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana"])
@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("*/20 * * * *", lambda wall: wall.minute % 20 == 0),
        ("10 * * * *", lambda wall: wall.minute == 10),
        ("* 1-2 * * *", lambda wall: wall.hour in {1, 2}),
        ("5 */2 * * *", lambda wall: wall.minute == 5 and wall.hour % 2 == 0),
    ],
)
def test_a_line_with_a_star_runs_in_every_real_minute_that_matches(
    line: str, matches: Callable[[datetime], bool], zone: str
) -> None:
    schedule = parse_schedule(line, zone=zone)
    changes = [utc("2026-01-01T00:00Z") + timedelta(hours=hour) for hour in range(365 * 24)]
    changes = [hour for hour in changes if _offset(hour, zone) != _offset(hour + timedelta(hours=1), zone)]

    for change in changes:
        start, end = change - timedelta(hours=30), change + timedelta(hours=30)
        minutes = [start + timedelta(minutes=count) for count in range(1, 60 * 60)]
        expected = [minute for minute in minutes if matches(minute.astimezone(ZoneInfo(zone)))]
        planned, at = [], start
        while (at := next_run(schedule, at)) < end:
            planned.append(at)
        assert planned == expected
    assert len(changes) == 2


def _offset(moment: datetime, zone: str) -> timedelta | None:
    return moment.astimezone(ZoneInfo(zone)).utcoffset()


def test_jitter_depends_on_the_seed_alone() -> None:
    schedule = parse_schedule("every 1h", jitter_s=600)
    after = utc("2026-01-01T00:30Z")

    moments = {seed: next_run(schedule, after, seed=seed) for seed in map(str, range(200))}

    offsets = [(moment - utc("2026-01-01T01:00Z")).total_seconds() for moment in moments.values()]
    assert moments == {seed: next_run(schedule, after, seed=seed) for seed in map(str, range(200))}
    assert (min(offsets) >= 0, max(offsets) <= 600, len(set(offsets)) > 100) == (True, True, True)


def test_an_interval_counts_from_its_anchor() -> None:
    schedule = parse_schedule("every 1d")
    anchor = utc("2026-01-01T09:17:30Z")

    assert next_run(schedule, anchor, anchor=anchor) == utc("2026-01-02T09:17:30Z")
    assert next_run(schedule, utc("2026-03-01T00:00Z"), anchor=anchor) == utc("2026-03-01T09:17:30Z")
    assert next_run(schedule, utc("2025-12-31T23:00Z"), anchor=anchor) == anchor


def test_nothing_is_due_before_its_time() -> None:
    schedule = parse_schedule("every 1h")

    assert due(schedule, utc("2026-01-01T01:00Z"), utc("2026-01-01T00:59:59Z")) is None


def test_a_run_is_due_at_its_very_moment() -> None:
    schedule = parse_schedule("every 1h")
    planned = utc("2026-01-01T01:00Z")

    assert due(schedule, planned, planned) == Due(planned, utc("2026-01-01T02:00Z"))


def test_an_outage_of_a_day_owes_one_run_and_plans_the_next_ahead() -> None:
    schedule = parse_schedule("*/15 * * * *")
    planned = utc("2026-01-01T01:00Z")

    owed = due(schedule, planned, utc("2026-01-02T01:07Z"))

    assert owed == Due(planned, utc("2026-01-02T01:15Z"))
    assert due(schedule, owed.next_run_at, utc("2026-01-02T01:07Z")) is None


@given(SCHEDULES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=400)), st.text(max_size=5))
def test_catching_up_is_one_run_however_long_it_took(
    schedule: Schedule, planned: datetime, late: timedelta, seed: str
) -> None:
    now = planned + late

    owed = due(schedule, planned, now, seed=seed)

    assert owed is not None
    assert owed.planned == planned
    assert owed.next_run_at > now
    assert owed.next_run_at == next_run(schedule, now, seed=seed)
    assert due(schedule, owed.next_run_at, now, seed=seed) is None
