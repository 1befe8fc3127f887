"""Which snapshots a policy keeps, and why. Pure: no clock, no Django; all times are aware.

The names and rules are those of `restic forget` (its manual, "Removing snapshots according to a policy"). Each rule
looks at all snapshots, newest first, and one reason is enough to stay. `hourly` to `yearly` keep the newest snapshot
of each of the newest n hours, days, ISO weeks, months or years that have one; gaps do not count. Judging once more
what was kept, at the same `now`, keeps all of it. A larger number never keeps less, except that the first rule that
is set ends the peace of an empty policy.

Where restic would lose something that a hub must not lose, this keeps more:

- A pinned snapshot stays and takes no slot: what the policy promises holds for the others alone, so that nothing is
  missing on the day the pin is taken off. In restic a snapshot that is kept by its tag takes slots; so it does here.
- A snapshot dated in the future stays and takes no slot. A clock that ran ahead for a day cannot push out real ones.
- A safety snapshot takes no slot either. It stays for some days after its creation, which `now` decides.
- The newest snapshot stays whatever the rules say.
- The hour that comes twice in autumn is two hours.

`within` counts back from the newest snapshot, as in restic, not from `now`: a hub that lay idle for a year loses
nothing on the day it wakes up. From 0.16 on restic also keeps the oldest snapshot while a rule has slots left; this
does not.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from apps.common.errors import Invalid, shown
from apps.common.schedules import parse_zone

UNLIMITED = -1
SAFETY = "safety"
# Clocks of two machines differ by less than this.
TOLERANCE = timedelta(minutes=5)

_MOST = 999_999
_DURATION = re.compile(r"(?:[0-9]{1,5}[ymdh])+")


def _week(text: str) -> str:
    year, week, _ = date.fromisoformat(text[:10]).isocalendar()
    return f"{year:04}-W{week:02}"


# The bucket of a local time that reads `2026-10-25 02:17+02:00`. The offset tells apart the two passes of an hour that
# comes twice.
_BUCKETS: dict[str, Callable[[str], str]] = {
    "hourly": lambda text: f"{text[:14]}00{text[16:]}",
    "daily": lambda text: text[:10],
    "weekly": _week,
    "monthly": lambda text: text[:7],
    "yearly": lambda text: text[:4],
}
_COUNTS = ("last", *_BUCKETS, "safety_days")


@dataclass(frozen=True, slots=True)
class Duration:
    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def __str__(self) -> str:
        parts = {"y": self.years, "m": self.months, "d": self.days, "h": self.hours}
        return "".join(f"{count}{unit}" for unit, count in parts.items() if count)

    def before(self, moment: datetime) -> datetime:
        """`moment` less this, in UTC: years, months and days on the wall clock of its zone, then hours of real time.

        A day that the month does not have runs over into the next, as in restic: a month before 31 March is 3 March.
        """
        months = (moment.year - self.years) * 12 + moment.month - 1 - self.months
        try:
            first = moment.replace(year=months // 12, month=months % 12 + 1, day=1)
            wall = (first + timedelta(days=moment.day - 1 - self.days)).replace(fold=moment.fold)
            return wall.astimezone(UTC) - timedelta(hours=self.hours)
        except (ValueError, OverflowError):  # before the year 1
            return datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot as the rules see it. `key` is the caller's handle.

    Of two with the same time the one with the longer key is newer, then the one whose key sorts last as text: of
    numbers the larger, of UUIDs by time the later.
    """

    key: Hashable
    created_at: datetime
    tags: frozenset[str] = frozenset()
    is_pinned: bool = False
    kind: str = "manual"


@dataclass(frozen=True, slots=True)
class Policy:
    """How many of each to keep. 0 is a rule that is not set, UNLIMITED one that keeps all.

    Raises Invalid, which names the field, so that a policy that exists can be applied.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: str = ""  # as `parse_duration` takes it; "" is not set
    tags: tuple[str, ...] = ()  # keeps what has one of these, a safety snapshot as well
    zone: str = "UTC"  # whose days, weeks, months and years count
    safety_days: int = 30  # 0 lets safety snapshots go at once

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if not UNLIMITED <= getattr(self, name) <= _MOST:
                raise _wrong_count(name)
        if self.within:
            parse_duration(self.within)
        if not all(self.tags):
            raise Invalid.of("tags", "tag", "a tag is not empty")
        parse_zone(self.zone, field="zone")

    @property
    def is_empty(self) -> bool:
        """Whether no rule is set. Such a policy deletes nothing, not even old safety snapshots."""
        return not (self.last or any(getattr(self, name) for name in _BUCKETS) or self.within or self.tags)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A snapshot that goes has no reasons."""

    candidate: Candidate
    reasons: tuple[str, ...]

    @property
    def is_kept(self) -> bool:
        return bool(self.reasons)


def judge(candidates: Iterable[Candidate], policy: Policy, *, now: datetime) -> list[Verdict]:
    """A verdict on each, newest first. The order of the input does not matter. 100,000 take about a second."""
    ordered = sorted(candidates, key=_newness, reverse=True)
    if policy.is_empty:
        return [Verdict(candidate, ("the policy is empty",)) for candidate in ordered]
    # In UTC, because Python compares two times of one zone by the wall and misses the hour that comes twice.
    now = now.astimezone(UTC)
    newest = _newest(ordered, now)
    slots = _Slots(policy, None if newest is None else ordered[newest].created_at)
    verdicts = [Verdict(candidate, _reasons(candidate, policy, slots, now)) for candidate in ordered]
    # Where there is none but safety snapshots, the first of them stays.
    spared = newest or 0
    if verdicts and not verdicts[spared].is_kept:
        verdicts[spared] = Verdict(ordered[spared], ("the last one",))
    return verdicts


def parse_duration(text: str) -> Duration:
    """From `30d` or `1y5m7d2h`: years, months, days, hours, each at most once. Raises Invalid on the field `within`."""
    if _DURATION.fullmatch(text) is None:
        raise _wrong_duration(f"a duration reads like '30d' or '1y5m7d2h', not {shown(text)!r}")
    parts = [(unit, int(count)) for count, unit in re.findall(r"([0-9]+)([ymdh])", text)]
    counts = dict(parts)
    if len(counts) < len(parts):
        raise _wrong_duration(f"a duration names each unit once: {shown(text)!r}")
    if not any(counts.values()):
        raise _wrong_duration("a duration is longer than nothing")
    return Duration(counts.get("y", 0), counts.get("m", 0), counts.get("d", 0), counts.get("h", 0))


def _newness(candidate: Candidate) -> tuple[datetime, int, str]:
    key = str(candidate.key)
    return candidate.created_at.astimezone(UTC), len(key), key


def _is_future(candidate: Candidate, now: datetime) -> bool:
    return candidate.created_at > now + TOLERANCE


def _newest(ordered: Sequence[Candidate], now: datetime) -> int | None:
    """The place of the newest one that is neither a safety snapshot nor dated in the future."""
    places = (at for at, each in enumerate(ordered) if each.kind != SAFETY and not _is_future(each, now))
    return next(places, None)


def _reasons(candidate: Candidate, policy: Policy, slots: "_Slots", now: datetime) -> tuple[str, ...]:
    reasons = []
    is_future, is_safety = _is_future(candidate, now), candidate.kind == SAFETY
    if candidate.is_pinned:
        reasons.append("pinned")
    if is_future:
        reasons.append("dated in the future")
    elif is_safety:
        reasons += _safety_reasons(candidate, policy.safety_days, now)
    if candidate.tags:
        reasons += [f"tag {tag}" for tag in policy.tags if tag in candidate.tags]
    if not (candidate.is_pinned or is_future or is_safety):
        reasons += slots.reasons(candidate)
    return tuple(reasons)


def _safety_reasons(candidate: Candidate, days: int, now: datetime) -> list[str]:
    if days == UNLIMITED:
        return ["safety snapshot"]
    if now - candidate.created_at < timedelta(days=days):
        return [f"safety snapshot younger than {days} day{'' if days == 1 else 's'}"]
    return []


@dataclass(slots=True)
class _Rule:
    """One of `hourly` to `yearly` and the buckets it has met, while the snapshots go by, newest first."""

    name: str
    count: int
    taken: set[str] = field(default_factory=set)

    def reason(self, text: str) -> str | None:
        """The reason to keep the snapshot of this local time, which takes a slot; None if its bucket has one."""
        bucket = _BUCKETS[self.name](text)
        # Not only the bucket before: a clock set back over midnight comes to the same day twice.
        if bucket in self.taken:
            return None
        self.taken.add(bucket)
        return f"{self.name} snapshot of {bucket}"


class _Slots:
    """The reasons that depend on the other snapshots: the window behind the newest one, and the numbers."""

    def __init__(self, policy: Policy, newest_at: datetime | None) -> None:
        self._zone = parse_zone(policy.zone, field="zone")
        self._start: datetime | None = None
        if policy.within and newest_at is not None:
            window = parse_duration(policy.within)
            self._start = window.before(newest_at.astimezone(self._zone))
            self._within = f"within {window}"
        self._last, self._lasts = policy.last, 0
        self._rules = [_Rule(name, getattr(policy, name)) for name in _BUCKETS if getattr(policy, name)]

    def reasons(self, candidate: Candidate) -> list[str]:
        """To be asked once for each that takes slots, newest first."""
        reasons = []
        local = candidate.created_at.astimezone(self._zone)
        if self._start is not None and local > self._start:
            reasons.append(self._within)
        if self._lasts != self._last:
            self._lasts += 1
            reasons.append(f"last snapshot {self._lasts}" + ("" if self._last == UNLIMITED else f" of {self._last}"))
        if self._rules:
            text = local.isoformat(" ", "minutes")
            reasons += [reason for rule in self._rules if (reason := rule.reason(text))]
            self._rules = [rule for rule in self._rules if len(rule.taken) != rule.count]
        return reasons


def _wrong_count(name: str) -> Invalid:
    return Invalid.of(name, "count", f"{name} is a number from 0 to {_MOST}, or 'unlimited'")


def _wrong_duration(detail: str) -> Invalid:
    return Invalid.of("within", "duration", detail)
