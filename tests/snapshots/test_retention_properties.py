"""What retention promises for any snapshots and any policy."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from apps.snapshots.retention import UNLIMITED, Candidate, Duration, Policy, judge, parse_duration

NOW = datetime(2026, 3, 31, 22, 15, tzinfo=UTC)
COUNTED = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"])
# Close together around the turns of hours, days, weeks and years and the changes of the clock, and far apart.
TIMES = st.builds(
    lambda start, minutes, zone: (utc(start) - timedelta(minutes=minutes)).astimezone(ZoneInfo(zone)),
    st.sampled_from(["2026-04-01T00:00Z", "2026-03-29T03:00Z", "2025-10-26T02:00Z", "2026-01-05T00:00Z",
                     "2021-01-04T00:00Z"]),
    st.integers(0, 240) | st.integers(0, 20_000) | st.integers(0, 2_000_000),
    ZONES,
)  # fmt: skip
AHEAD = st.timedeltas(timedelta(minutes=5, seconds=1), timedelta(days=900)).map(lambda ahead: NOW + ahead)
TAGS = st.sets(st.sampled_from("abc"), max_size=2).map(frozenset)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        key=st.integers(0, 999),
        created_at=TIMES | TIMES | TIMES | AHEAD,
        tags=TAGS,
        is_pinned=st.sampled_from([False, False, False, True]),
        kind=st.sampled_from(["manual", "scheduled", "pre-import", "safety"]),
    ),
    max_size=16,
    unique_by=lambda candidate: candidate.key,
)
PLAIN = st.lists(st.builds(Candidate, st.integers(0, 999), TIMES), max_size=16, unique_by=lambda each: each.key)
COUNTS = st.sampled_from([0, 0, 0, 1, 2, 3, 5, 9, UNLIMITED])
WITHIN = st.sampled_from(["", "", "1h", "5h", "1d", "1m", "3m7d", "1y5m7d2h", "9y"])
POLICIES = st.builds(
    Policy,
    **dict.fromkeys(COUNTED, COUNTS),
    within=WITHIN,
    tags=st.sampled_from([(), (), ("a",), ("a", "b")]),
    zone=ZONES,
    safety_days=st.sampled_from([0, 1, 30, 400, UNLIMITED]),
)
SET = POLICIES.filter(lambda policy: not policy.is_empty)


def told(candidates: list[Candidate], policy: Policy, *, now: datetime = NOW) -> dict[Any, list[str]]:
    """The reasons by key, newest first, of those that stay."""
    return {
        verdict.candidate.key: list(verdict.reasons)
        for verdict in judge(candidates, policy, now=now)
        if verdict.is_kept
    }


def kept(candidates: list[Candidate], policy: Policy, *, now: datetime = NOW) -> set[Any]:
    return set(told(candidates, policy, now=now))


def is_real(candidate: Candidate) -> bool:
    return candidate.kind != "safety" and candidate.created_at <= NOW + timedelta(minutes=5)


def reference(candidates: list[Candidate], policy: Policy) -> set[Any]:
    """The keys that stay, each rule by itself and by the dullest means."""
    if policy.is_empty:
        return {each.key for each in candidates}
    zone = ZoneInfo(policy.zone)
    age = sorted(candidates, key=lambda each: (each.created_at.timestamp(), f"{each.key:03}"))
    real = [each for each in age if is_real(each)]
    rivals = [each for each in real if not each.is_pinned]
    staying = {each.key for each in age if each.is_pinned or each.tags & set(policy.tags)}
    staying |= {each.key for each in age if each.created_at > NOW + timedelta(minutes=5)}
    for each in age:
        days = (NOW.timestamp() - each.created_at.timestamp()) / 86_400
        if each.kind == "safety" and (days < policy.safety_days or policy.safety_days == UNLIMITED):
            staying.add(each.key)
    formats = ["", "%Y%m%d%H%z", "%Y%m%d", "%G%V", "%Y%m", "%Y"]
    for rule, pattern in zip(COUNTED, formats, strict=True):
        newest_of: dict[str, Candidate] = {}
        for each in rivals:
            newest_of[each.created_at.astimezone(zone).strftime(pattern) or str(each.key)] = each
        best = sorted(newest_of.values(), key=age.index, reverse=True)
        count = getattr(policy, rule)
        staying |= {each.key for each in (best if count == UNLIMITED else best[:count])}
    if policy.within and real:
        start = parse_duration(policy.within).before(real[-1].created_at.astimezone(zone))
        staying |= {each.key for each in rivals if each.created_at.timestamp() > start.timestamp()}
    if real or age:
        staying |= {real[-1].key} if real else {age[-1].key}
    return staying


@given(CANDIDATES, POLICIES)
def test_a_slow_and_obvious_way_keeps_the_same(candidates: list[Candidate], policy: Policy) -> None:
    assert kept(candidates, policy) == reference(candidates, policy)


@given(CANDIDATES, POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(candidates: list[Candidate], policy: Policy, random: Any) -> None:
    verdicts = judge(candidates, policy, now=NOW)
    shuffled = random.sample(candidates, len(candidates))

    assert judge(iter(shuffled), policy, now=NOW) == verdicts
    assert len(verdicts) == len(candidates)
    assert all(
        newer.candidate.created_at.timestamp() >= older.candidate.created_at.timestamp()
        for newer, older in pairwise(verdicts)
    )


@given(CANDIDATES, POLICIES)
def test_judging_what_was_kept_keeps_all_of_it_for_the_same_reasons(
    candidates: list[Candidate], policy: Policy
) -> None:
    stayed = [verdict for verdict in judge(candidates, policy, now=NOW) if verdict.is_kept]

    assert judge([verdict.candidate for verdict in stayed], policy, now=NOW) == stayed


@given(CANDIDATES, SET, st.sampled_from([*COUNTED, "safety_days"]), st.integers(1, 9) | st.just(UNLIMITED))
def test_a_larger_number_keeps_no_less(
    candidates: list[Candidate], policy: Policy, rule: str, more: int
) -> None:  # fmt: skip
    before = getattr(policy, rule)
    larger = replace(policy, **{rule: UNLIMITED if UNLIMITED in {before, more} else before + more})

    assert kept(candidates, policy) <= kept(candidates, larger)


@given(CANDIDATES, SET, st.sampled_from("ymdh"), st.integers(1, 40))
def test_a_longer_window_and_more_tags_keep_no_less(
    candidates: list[Candidate], policy: Policy, unit: str, more: int
) -> None:
    field = {"y": "years", "m": "months", "d": "days", "h": "hours"}[unit]
    window = parse_duration(policy.within) if policy.within else Duration()
    longer = replace(window, **{field: getattr(window, field) + more})

    assert kept(candidates, policy) <= kept(candidates, replace(policy, within=str(longer)))
    assert kept(candidates, policy) <= kept(candidates, replace(policy, tags=(*policy.tags, "c")))


@given(CANDIDATES.filter(bool), POLICIES)
def test_never_everything_goes_nor_the_newest_nor_a_pinned_one(candidates: list[Candidate], policy: Policy) -> None:
    staying = kept(candidates, policy)
    real = [verdict.candidate for verdict in judge(candidates, policy, now=NOW) if is_real(verdict.candidate)]

    assert staying
    assert {each.key for each in candidates if each.is_pinned} <= staying
    assert {each.key for each in real[:1]} <= staying


@given(CANDIDATES, POLICIES)
def test_no_rule_gives_more_reasons_than_its_number(candidates: list[Candidate], policy: Policy) -> None:
    reasons = [reason for why in told(candidates, policy).values() for reason in why]

    for rule in COUNTED:
        of_rule = [reason for reason in reasons if reason.startswith(f"{rule} snapshot ")]
        assert len(of_rule) == len(set(of_rule))
        assert getattr(policy, rule) == UNLIMITED or len(of_rule) <= getattr(policy, rule)


@given(CANDIDATES, SET, st.integers(0, 15))
def test_a_pin_changes_nothing_for_the_others_but_to_keep_more(
    candidates: list[Candidate], policy: Policy, place: int
) -> None:
    pinned = [replace(each, is_pinned=each.is_pinned or at == place) for at, each in enumerate(candidates)]

    assert kept(candidates, policy) <= kept(pinned, policy)


@given(CANDIDATES, SET)
def test_snapshots_from_the_future_and_safety_ones_change_nothing_for_the_others(
    candidates: list[Candidate], policy: Policy
) -> None:
    real = [each for each in candidates if is_real(each)]
    verdicts = [each for each in judge(candidates, policy, now=NOW) if is_real(each.candidate)]

    assert verdicts == judge(real, policy, now=NOW)


@given(PLAIN, POLICIES, st.integers(1, 100_000))
def test_one_more_snapshot_costs_each_rule_at_most_one(plain: list[Candidate], policy: Policy, minutes: int) -> None:
    newest_at = max((each.created_at.astimezone(UTC) for each in plain), default=NOW - timedelta(days=99))
    newer = Candidate("newer", min(newest_at + timedelta(minutes=minutes), NOW + timedelta(minutes=5)))
    start = newer.created_at
    if policy.within:
        start = parse_duration(policy.within).before(newer.created_at.astimezone(ZoneInfo(policy.zone)))

    before, after = told(plain, policy), told([*plain, newer], policy)

    created = {each.key: each.created_at.astimezone(UTC) for each in plain}
    assert "newer" in after
    for rule in COUNTED:
        lost = [key for key in before if says(before, key, rule) and not says(after, key, rule)]
        assert len(lost) <= 1
    assert all(created[key] <= start for key in before if says(before, key, "within") and key not in after)


def says(reasons: dict[Any, list[str]], key: Any, rule: str) -> bool:
    return any(reason.startswith(f"{rule} ") for reason in reasons.get(key, []))


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=60), st.integers(0, 9), st.integers(0, 9), st.integers(1, 9))
def test_pruning_after_each_snapshot_keeps_what_pruning_once_would(
    gaps: list[int], last: int, daily: int, monthly: int
) -> None:
    policy = Policy(last=last, daily=daily, monthly=monthly)
    moment, every, pruned = utc("2026-01-01T00:00Z"), [], []

    for gap in gaps:
        moment += timedelta(minutes=gap)
        every.append(Candidate(moment.isoformat(), moment))
        pruned = [each.candidate for each in judge([*pruned, every[-1]], policy, now=moment) if each.is_kept]

    assert {each.key for each in pruned} == kept(every, policy, now=moment)


def test_the_cost_grows_with_the_number_not_with_its_square() -> None:
    policy = Policy(last=7, hourly=UNLIMITED, daily=UNLIMITED, weekly=9, within="9y", zone="Europe/Berlin")

    def seconds(number: int) -> float:
        candidates = [Candidate(key, NOW - timedelta(minutes=key * 7919 % 999_983)) for key in range(number)]
        return min(_cpu_seconds(lambda: judge(candidates, policy, now=NOW)) for _ in range(3))

    assert seconds(16_000) < 10 * seconds(4_000)


def _cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
