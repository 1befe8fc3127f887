"""How policies and durations are read, and refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import Invalid
from apps.snapshots.retention import Duration, Policy, parse_duration

NOW = datetime(2026, 3, 31, 22, 15, tzinfo=UTC)
COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly", "safety_days")


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("30d", Duration(days=30), "30d"),
        ("1y5m7d2h", Duration(1, 5, 7, 2), "1y5m7d2h"),
        ("2h1y", Duration(years=1, hours=2), "1y2h"),
        ("007d", Duration(days=7), "7d"),
        ("0y3m", Duration(months=3), "3m"),
    ],
)
def test_durations_are_read_from_text(text: str, expected: Duration, shown: str) -> None:
    assert parse_duration(text) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "a duration reads like '30d' or '1y5m7d2h', not ''"),
        ("30", "a duration reads like '30d' or '1y5m7d2h', not '30'"),
        ("d", "a duration reads like '30d' or '1y5m7d2h', not 'd'"),
        ("-1d", "a duration reads like '30d' or '1y5m7d2h', not '-1d'"),
        ("1w", "a duration reads like '30d' or '1y5m7d2h', not '1w'"),
        ("1D", "a duration reads like '30d' or '1y5m7d2h', not '1D'"),
        ("1.5d", "a duration reads like '30d' or '1y5m7d2h', not '1.5d'"),
        ("1 d", "a duration reads like '30d' or '1y5m7d2h', not '1 d'"),
        ("٣d", "a duration reads like '30d' or '1y5m7d2h', not '٣d'"),
        ("100000d", "a duration reads like '30d' or '1y5m7d2h', not '100000d'"),
        ("1d\n", "a duration reads like '30d' or '1y5m7d2h', not '1d\ufffd'"),
        ("1d2d", "a duration names each unit once: '1d2d'"),
        ("0d", "a duration is longer than nothing"),
    ],
)
def test_a_wrong_duration_is_refused_with_a_sentence(text: str, detail: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_duration(text)

    assert caught.value.fields["errors"] == [{"field": "within", "code": "duration", "detail": detail}]


@given(st.text(max_size=12) | st.from_regex(r"([0-9]{1,6}[ymdh]){1,4}", fullmatch=True))
def test_any_text_is_a_duration_or_invalid(text: str) -> None:
    try:
        duration = parse_duration(text)
    except Invalid:
        return
    assert parse_duration(str(duration)) == duration
    assert duration.before(NOW) < NOW


@pytest.mark.parametrize(
    ("values", "field", "code", "detail"),
    [
        ({"hourly": -2}, "hourly", "count", "hourly is a number from 0 to 999999, or 'unlimited'"),
        ({"daily": 1_000_000}, "daily", "count", "daily is a number from 0 to 999999, or 'unlimited'"),
        ({"last": 1, "within": "1w"}, "within", "duration", "a duration reads like '30d' or '1y5m7d2h', not '1w'"),
        ({"zone": "Mars/Base"}, "zone", "timezone", "there is no time zone 'Mars/Base'; use 'Europe/Oslo'"),
        ({"zone": "Europe"}, "zone", "timezone", "there is no time zone 'Europe'; use 'Europe/Oslo'"),
        ({"zone": "localtime"}, "zone", "timezone", "there is no time zone 'localtime'; use 'Europe/Oslo'"),
        ({"zone": "../etc/passwd"}, "zone", "timezone", "there is no time zone '../etc/passwd'; use 'Europe/Oslo'"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused_by_the_name_of_its_field(
    values: dict[str, Any], field: str, code: str, detail: str
) -> None:
    with pytest.raises(Invalid) as caught:
        Policy(**values)

    assert caught.value.fields["errors"] == [{"field": field, "code": code, "detail": detail}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((rule, -2) for rule in COUNTS),
        ("last", 1_000_000), ("within", "soon"), ("zone", ""), ("zone", "a" * 5000), ("tags", ("",)),
    ],
)  # fmt: skip
def test_a_policy_that_could_not_be_applied_cannot_be_made(field: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        Policy(**{field: value})

    assert [error["field"] for error in caught.value.fields["errors"]] == [field]
