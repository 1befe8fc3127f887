"""When something is due: intervals and cron lines. Pure: no clock, no Django; all times are aware.

A schedule is a fixed grid of moments. `next_run` depends on nothing but the schedule, the seed and the time asked
about, so two schedulers that share no memory plan the same moment.

Cron in a zone with summer time follows Debian's cron. A line with fixed hours and minutes runs once for each day: a
time that the clock skips runs right after the gap, a time that comes twice runs the first time. A line whose hour or
minute field starts with `*` runs by real elapsed time: not inside the gap, and in both passes of the repeated hour.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from apps.common.errors import Invalid, shown

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_INTERVAL = re.compile(r"every\s+((?:[0-9]{1,6}[smhd])+)")
_LONGEST_S = 366 * 86_400
LONGEST_TEXT = 200
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
# Files of the zone database that are no zones, or that mean something else on each machine.
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})


@dataclass(frozen=True, slots=True)
class Interval:
    """Every `every_s` seconds, counted from an anchor. Not stretched or squeezed by summer time."""

    every_s: int
    jitter_s: int = 0

    def __str__(self) -> str:
        rest, text = self.every_s, ""
        for unit in "dhms":
            count, rest = divmod(rest, _UNITS_S[unit])
            text += f"{count}{unit}" if count else ""
        return f"every {text}"


@dataclass(frozen=True, slots=True)
class Cron:
    """A line of five fields, on the wall clock of an IANA zone."""

    line: str
    zone: str = "UTC"
    jitter_s: int = 0

    def __str__(self) -> str:
        return self.line


Schedule = Interval | Cron


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is owed: the moment it was planned for, and the one to plan next."""

    planned: datetime
    next_run_at: datetime


def parse_schedule(text: str, *, zone: str = "UTC", jitter_s: int = 0, shortest_s: int = 60) -> Schedule:
    """From `every 90s`, `every 1h30m`, `0 3 * * mon-fri` or `@daily`.

    `zone` is for cron lines. `jitter_s` delays the whole schedule by a share of it, another one for each seed; it must
    be shorter than an interval. Raises Invalid on the field `schedule`, `timezone` or `jitter_s`.
    """
    words = " ".join(text[: LONGEST_TEXT + 1].split())
    if len(words) > LONGEST_TEXT:
        raise _wrong(f"a schedule has at most {LONGEST_TEXT} characters")
    if jitter_s < 0:
        raise Invalid.of("jitter_s", "jitter", "jitter_s is not negative")
    if words.lower().startswith("every"):
        return _interval(words.lower(), jitter_s, shortest_s)
    return _cron(words, zone, jitter_s)


def parse_zone(name: str, *, field: str = "timezone") -> ZoneInfo:
    """The IANA time zone of that name. Raises Invalid on `field`."""
    try:
        if name in _NOT_ZONES or len(name) > 64:
            raise ValueError(name)
        return ZoneInfo(name)
    # A directory of the zone database gives OSError, a name that is not there KeyError.
    except (KeyError, ValueError, OSError) as error:
        raise Invalid.of(field, "timezone", f"there is no time zone {shown(name)!r}; use 'Europe/Oslo'") from error


def next_run(schedule: Schedule, after: datetime, *, seed: str = "", anchor: datetime = EPOCH) -> datetime:
    """The first moment of the schedule later than `after`, in UTC.

    `seed` (the schedule's id, say) picks the share of the jitter. `anchor` is where an interval counts from: pass the
    time of creation, else daily intervals all fall on midnight UTC.
    """
    delay = timedelta(seconds=_share(seed, schedule.jitter_s))
    start = after.astimezone(UTC) - delay
    if isinstance(schedule, Interval):
        every = timedelta(seconds=schedule.every_s)
        counted = (start - anchor) // every + 1
        return (anchor + counted * every).astimezone(UTC) + delay
    return _after(schedule, start) + delay


def due(
    schedule: Schedule, planned: datetime, now: datetime, *, seed: str = "", anchor: datetime = EPOCH
) -> Due | None:
    """What is owed at `now` when the next run was planned for `planned`; None when it is not yet time.

    However many moments passed while nothing ran, one run makes up for them all, and the next is planned after `now`.
    """
    if planned > now:
        return None
    return Due(planned.astimezone(UTC), next_run(schedule, now, seed=seed, anchor=anchor))


def _interval(words: str, jitter_s: int, shortest_s: int) -> Interval:
    match = _INTERVAL.fullmatch(words)
    if match is None:
        raise _wrong(f"an interval reads like 'every 15m' or 'every 1h30m', not {shown(words)!r}")
    every_s = sum(int(count) * _UNITS_S[unit] for count, unit in re.findall(r"([0-9]+)([smhd])", match[1]))
    if not shortest_s <= every_s <= _LONGEST_S:
        raise _wrong(f"an interval lasts from {shortest_s} seconds to 366 days")
    if jitter_s >= every_s:
        raise Invalid.of("jitter_s", "jitter", "jitter_s is shorter than the interval")
    return Interval(every_s, jitter_s)


def _cron(words: str, zone: str, jitter_s: int) -> Cron:
    line = _NAMED.get(words.lower(), words)
    if len(line.split()) != 5:
        raise _wrong("a cron line has five fields: minute, hour, day of month, month, day of week")
    parse_zone(zone)
    schedule = Cron(line, zone, jitter_s)
    try:
        next_run(schedule, EPOCH)
    except CronSimError as error:
        raise _wrong(f"the cron line {shown(line)!r} is wrong: {str(error).lower()}") from error
    except StopIteration as error:
        raise _wrong(f"the cron line {shown(line)!r} never comes due") from error
    return schedule


def _after(schedule: Cron, start: datetime) -> datetime:
    """The first moment of a cron line later than `start`. Raises CronSimError or StopIteration for a bad line."""
    zone = ZoneInfo(schedule.zone)
    minute, hour, *_ = schedule.line.split()
    if minute.startswith("*") or hour.startswith("*"):
        return _by_elapsed_time(schedule.line, zone, start)
    # cronsim works on the wall clock here: asked from within the second pass of a repeated hour it may answer with
    # the first pass, which shows as a moment that is not later.
    moments = (moment.astimezone(UTC) for moment in CronSim(schedule.line, start.astimezone(zone)))
    return next(moment for moment in moments if moment > start)


def _by_elapsed_time(line: str, zone: ZoneInfo, start: datetime) -> datetime:
    """The first minute later than `start` whose wall clock matches, whatever the clock does in between.

    Between two changes of the clock the wall is the real time and a constant. cronsim's own way walks in whole hours
    and misses a run where the change is half an hour.
    """
    while True:
        offset = _offset(start, zone)
        moment = next(CronSim(line, (start + offset).replace(tzinfo=None))).replace(tzinfo=UTC) - offset
        change = _clock_change(zone, start, moment)
        if change is None:
            return moment
        # The change itself may match; cronsim answers with what is later than it is asked from.
        wall = (change + _offset(change, zone)).replace(tzinfo=None)
        if next(CronSim(line, wall - timedelta(seconds=1))) == wall:
            return change
        start = change


def _clock_change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """The first moment later than `start`, up to `end`, at which the zone's offset changes. Costs 1 us a day."""
    offset = _offset(start, zone)
    before = start
    while before < end and _offset(after := min(before + timedelta(days=1), end), zone) == offset:
        before = after
    if before >= end:
        return None
    low, high = math.floor(before.timestamp()), math.ceil(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _share(seed: str, jitter_s: int) -> int:
    """0 to `jitter_s` seconds, the same for the same seed."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") % (jitter_s + 1)


def _wrong(detail: str) -> Invalid:
    return Invalid.of("schedule", "schedule", detail)
