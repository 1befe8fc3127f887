"""Write conditions: what headers and batch items may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.conditions import (
    ABSENT,
    ANY,
    LIVE,
    MAX_VERSION,
    Condition,
    ConditionKind,
    condition_from_headers,
    condition_from_item,
    names_tag,
    version_of_tag,
)
from apps.common.errors import BadPrecondition, PreconditionRequired


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "overwrite", "condition"),
    [
        ("*", None, False, LIVE),
        (" * ", None, False, LIVE),
        (None, "*", False, ABSENT),
        (None, None, True, ANY),
        ('"12"', None, False, Condition(ConditionKind.VERSION, version=12)),
        (' "12" ', None, False, Condition(ConditionKind.VERSION, version=12)),
        ('W/"12"', None, False, Condition(ConditionKind.VERSION, version=12)),
        ('"0"', None, False, Condition(ConditionKind.VERSION, version=0)),
        (f'"{MAX_VERSION - 1}"', None, False, Condition(ConditionKind.VERSION, version=MAX_VERSION - 1)),
    ],
)
def test_headers_become_one_condition(if_match, if_none_match, overwrite, condition):
    assert condition_from_headers(if_match, if_none_match, overwrite=overwrite) == condition


def test_headers_that_say_nothing_are_refused():
    with pytest.raises(PreconditionRequired):
        condition_from_headers(None, None, overwrite=False)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "overwrite"),
    [
        ('"1"', "*", False),
        ('"1"', None, True),
        (None, "*", True),
        ("", None, False),
        ("12", None, False),
        ('"a"', None, False),
        ('"1", "2"', None, False),
        ('"-1"', None, False),
        ('"1.0"', None, False),
        ('"١"', None, False),
        (f'"{MAX_VERSION}"', None, False),
        ('"99999999999999"', None, False),
        (None, '"1"', False),
        (None, "", False),
    ],
)
def test_headers_that_cannot_be_read_are_refused(if_match, if_none_match, overwrite):
    with pytest.raises(BadPrecondition):
        condition_from_headers(if_match, if_none_match, overwrite=overwrite)


@pytest.mark.parametrize(
    ("if_version", "condition"),
    [
        ("any", ANY),
        (0, ABSENT),
        (1, Condition.at_version(1)),
        (MAX_VERSION - 1, Condition.at_version(MAX_VERSION - 1)),
    ],
)
def test_an_item_says_its_version(if_version, condition):
    assert condition_from_item(if_version) == condition


@pytest.mark.parametrize("if_version", [-1, MAX_VERSION, True, False, "ANY", "1", "", 1.0, [], {}])
def test_an_item_with_anything_else_is_refused(if_version):
    with pytest.raises(BadPrecondition):
        condition_from_item(if_version)


def test_an_item_without_a_version_is_refused():
    with pytest.raises(PreconditionRequired):
        condition_from_item(None)


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ("*", True),
        ('"7"', True),
        ('W/"7"', True),
        ('"6", "7"', True),
        ('"6","8"', False),
        ('"77"', False),
        ("7", False),
        ("", False),
        ('"abc", "7"', True),
    ],
)
def test_a_list_of_tags_names_the_tag_that_is_in_it(header, matches):
    assert names_tag(header, '"7"') is matches
    assert names_tag(header, 'W/"7"') is matches


@given(st.integers(min_value=0, max_value=MAX_VERSION - 1))
def test_every_version_comes_back_out_of_its_tag(version):
    assert version_of_tag(f'"{version}"') == version


@given(st.text(), st.text(), st.booleans())
def test_any_text_gives_a_condition_or_a_refusal(if_match, if_none_match, overwrite):
    try:
        condition = condition_from_headers(if_match, if_none_match, overwrite=overwrite)
    except BadPrecondition:
        return
    assert isinstance(condition, Condition)
