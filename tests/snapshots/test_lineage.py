"""Which copy grew from which."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.snapshots.lineage import Copies, Known, Line, common_ancestor, grown, is_behind, unrelated


def copy(number: int) -> UUID:
    return UUID(int=number)


ONE_HUB = UUID(int=1000)


def tree(**parents: int | None) -> dict[UUID, Known]:
    """`c2=1`: the second copy grew from the first."""
    return {
        copy(int(name[1:])): Known(ONE_HUB, None if parent is None else copy(parent))
        for name, parent in parents.items()
    }


#     1 - 2 - 3
#          \
#           4 - 5        6
FORKED = tree(c1=None, c2=1, c3=2, c4=2, c5=4, c6=None)


@pytest.mark.parametrize(("of", "line"), [(1, [1]), (3, [3, 2, 1]), (5, [5, 4, 2, 1]), (6, [6]), (9, [9])])
def test_a_copy_has_all_before_it(of: int, line: list[int]) -> None:
    assert Line(copy(of), FORKED).known == [copy(number) for number in line]


def test_nothing_has_nothing_before_it() -> None:
    assert Line(None, FORKED).known == []
    assert not is_behind(None, copy(1), FORKED)
    assert not is_behind(copy(1), None, FORKED)
    assert common_ancestor(None, copy(1), FORKED) is None


def test_a_parent_that_is_not_known_is_the_end() -> None:
    assert Line(copy(2), tree(c2=1)).known == [copy(2), copy(1)]


def test_a_circle_has_an_end() -> None:
    circle = tree(c1=3, c2=1, c3=2)

    assert Line(copy(3), circle).known == [copy(3), copy(2), copy(1)]
    assert is_behind(copy(3), copy(2), circle)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(1, 1, True), (1, 3, True), (3, 1, False), (4, 3, False), (2, 5, True), (6, 5, False)],
)
def test_one_is_behind_another(old: int, new: int, expected: bool) -> None:
    assert is_behind(copy(old), copy(new), FORKED) is expected


@pytest.mark.parametrize(
    ("one", "other", "ancestor"), [(3, 5, 2), (5, 3, 2), (2, 5, 2), (3, 3, 3), (1, 5, 1), (3, 6, None)]
)
def test_two_have_a_last_copy_in_common(one: int, other: int, ancestor: int | None) -> None:
    assert common_ancestor(copy(one), copy(other), FORKED) == (None if ancestor is None else copy(ancestor))


@pytest.mark.parametrize(
    ("copies", "apart"),
    [({1, 2, 3}, {3}), ({3, 5}, {3, 5}), ({2, 3, 4, 5, 6}, {3, 5, 6}), ({1, 5}, {5}), (set(), set()), ({6}, {6})],
)
def test_copies_that_no_other_grew_from_are_apart(copies: set[int], apart: set[int]) -> None:
    assert unrelated({copy(number) for number in copies}, FORKED) == {copy(number) for number in apart}


# --- Where retention has deleted copies in between


def hubs(*copies: tuple[int, int, int | None]) -> dict[UUID, Known]:
    """Copies as (number, hub, parent), with the version vectors that they would have."""
    made: dict[UUID, Known] = {}
    for number, hub, parent in copies:
        before = made[copy(parent)] if parent is not None else None
        vector = grown(before.vector, {before.writer: copy(parent or 0)}) if before is not None else {}
        made[copy(number)] = Known(UUID(int=1000 + hub), copy(parent) if parent is not None else None, vector)
    return made


# The second hub started with the fifth copy of the first, and went on; so did the third with what that had sent.
FOLLOWED = hubs((3, 1, None), (5, 1, 3), (10, 2, 5), (11, 2, 10), (12, 2, 11), (20, 3, 12), (21, 3, 20))


@pytest.mark.parametrize("deleted", [{10}, {10, 11}, {11, 20}, {3, 10, 11, 20}])
def test_what_followed_is_no_fork_where_copies_between_are_gone(deleted: set[int]) -> None:
    left = {each: known for each, known in FOLLOWED.items() if each not in {copy(number) for number in deleted}}

    assert unrelated({copy(5), copy(12), copy(21)}, left) == {copy(21)}
    assert is_behind(copy(5), copy(12), left)
    assert not is_behind(copy(12), copy(5), left)
    assert common_ancestor(copy(12), copy(21), left) == copy(12)


def test_one_that_is_gone_itself_is_still_known_to_be_behind() -> None:
    left = {each: known for each, known in FOLLOWED.items() if each not in {copy(10), copy(11), copy(20)}}

    assert is_behind(copy(20), copy(21), left)
    assert not is_behind(copy(99), copy(21), left)


def test_a_fork_is_told_where_copies_between_are_gone() -> None:
    forked = hubs((1, 1, None), (2, 1, 1), (3, 1, 2), (10, 2, 1), (11, 2, 10))
    left = {each: known for each, known in forked.items() if each not in {copy(2), copy(10)}}

    assert unrelated({copy(3), copy(11)}, left) == {copy(3), copy(11)}
    assert common_ancestor(copy(3), copy(11), left) == copy(1)


def test_vectors_hold_the_newest_of_each_hub() -> None:
    a, b, c = (UUID(int=1000 + number) for number in range(3))

    assert grown({a: copy(1), b: copy(9)}, {}, {a: copy(2), b: copy(3), c: copy(4)}) == {
        a: copy(2),
        b: copy(9),
        c: copy(4),
    }


# --- Whatever the tree


@st.composite
def forests(draw: st.DrawFn) -> Copies:
    """Copies each of which grew from an older one, or from none."""
    count = draw(st.integers(1, 15))
    made = []
    for number in range(1, count + 1):
        parent = draw(st.integers(0, number - 1))
        made.append((number, draw(st.integers(1, 3)), parent or None))
    return hubs(*made)


@given(forests(), st.data())
def test_what_two_have_in_common_is_the_newest_that_is_behind_both(copies: Copies, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(sorted(copies))) for _ in range(2))

    both = [each for each in copies if is_behind(each, one, copies) and is_behind(each, other, copies)]

    # A copy is older than all that grew from it, and ids go up.
    assert common_ancestor(one, other, copies) == max(both, default=None)
    assert common_ancestor(one, other, copies) == common_ancestor(other, one, copies)


@given(forests(), st.data())
def test_each_copy_is_apart_or_behind_one_that_is(copies: Copies, data: st.DataObject) -> None:
    some = data.draw(st.sets(st.sampled_from(sorted(copies)), min_size=1))

    apart = unrelated(some, copies)

    assert apart <= some
    for each in some:
        ahead = [other for other in apart if is_behind(each, other, copies)]
        assert ahead == [each] if each in apart else ahead
