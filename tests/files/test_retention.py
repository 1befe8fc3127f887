"""Which versions may go."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.files.retention import is_held, removable

SEQUENCES = st.integers(1, 30)


@pytest.mark.parametrize(
    ("holds", "held"),
    [
        ([], False),
        ([4], False),
        ([5], True),
        ([8], True),
        ([9], True),
        ([10], False),
        ([4, 10], False),
        ([1, 7, 20], True),
    ],
)
def test_a_hold_needs_the_version_that_was_newest_then(holds, held):
    assert is_held(5, 10, holds) is held


@pytest.mark.parametrize(("cutoff", "gone"), [(0, []), (9, []), (10, [5]), (11, [5]), (20, [5, 10]), (100, [5, 10])])
def test_a_version_goes_when_its_successor_is_old_enough(cutoff, gone):
    assert removable([(5, 10), (10, 20)], cutoff=cutoff, holds=[]) == gone


@given(st.sets(SEQUENCES, min_size=1), SEQUENCES, st.lists(SEQUENCES))
def test_what_a_hold_saw_stays(versions, cutoff, holds):
    ordered = sorted(versions)
    pairs = list(pairwise(ordered))

    left = versions - set(removable(pairs, cutoff=cutoff, holds=sorted(holds)))

    assert max(versions) in left
    for moment in [*holds, *range(cutoff, 31)]:
        assert max((v for v in versions if v <= moment), default=0) == max((v for v in left if v <= moment), default=0)


@given(st.sets(SEQUENCES, min_size=1), SEQUENCES, st.lists(SEQUENCES))
def test_nothing_stays_without_a_reason(versions, cutoff, holds):
    ordered = sorted(versions)
    pairs = list(pairwise(ordered))

    left = versions - set(removable(pairs, cutoff=cutoff, holds=sorted(holds)))

    for version, successor in pairs:
        needed = successor > cutoff or any(version <= hold < successor for hold in holds)
        assert (version in left) is needed
