"""Two texts beside each other."""

from hypothesis import given
from hypothesis import strategies as st

from apps.files.admin.side_by_side import Comparison, Piece, Row, compare

LINES = st.lists(st.text("ab ", max_size=6), max_size=30)


def shown(row: Row) -> tuple[str, str | None, str | None]:
    """Kind and both texts; what differs inside a line stands in brackets."""

    def text(pieces: list[Piece]) -> str:
        return "".join(f"[{piece.text}]" if piece.changed else piece.text for piece in pieces)

    return (
        row.kind,
        None if row.before is None else text(row.before.pieces),
        None if row.after is None else text(row.after.pieces),
    )


def rows(comparison: Comparison) -> list[tuple[str, str | None, str | None]]:
    return [shown(row) for hunk in comparison.hunks for row in hunk.rows]


def test_a_changed_line_shows_the_words_that_differ():
    comparison = compare("one fine day\n", "one grand day\n")

    assert rows(comparison) == [("changed", "one [fine] day", "one [grand] day")]
    assert (comparison.added, comparison.removed) == (1, 1)


def test_lines_with_little_in_common_are_shown_whole():
    assert rows(compare("abc\n", "xyz\n")) == [("changed", "abc", "xyz")]


def test_added_and_removed_lines_have_no_other_side():
    assert rows(compare("a\nb\n", "a\n")) == [("same", "a", "a"), ("removed", "b", None)]
    assert rows(compare("", "x\n")) == [("added", None, "x")]


def test_equal_lines_far_from_a_difference_are_only_counted():
    lines = [f"line {number}" for number in range(20)]
    changed = [*lines]
    changed[10] = "other"

    comparison = compare("\n".join(lines), "\n".join(changed))

    assert [hunk.skipped for hunk in comparison.hunks] == [7]
    assert len(comparison.hunks[0].rows) == 7
    assert comparison.skipped == 6
    first = comparison.hunks[0].rows[0]
    assert first.before is not None
    assert first.before.number == 8


def test_equal_texts_have_no_hunk():
    assert compare("a\nb\n", "a\nb\n") == Comparison([], 2, 0, 0)


@given(LINES, LINES)
def test_what_is_shown_and_what_is_counted_is_all_of_both_texts(left: list[str], right: list[str]):
    before, after = "".join(f"{line}\n" for line in left), "".join(f"{line}\n" for line in right)

    comparison = compare(before, after)

    ours = [row.before for hunk in comparison.hunks for row in hunk.rows if row.before is not None]
    theirs = [row.after for hunk in comparison.hunks for row in hunk.rows if row.after is not None]
    hidden = comparison.skipped + sum(hunk.skipped for hunk in comparison.hunks)
    assert len(ours) + hidden == len(left)
    assert len(theirs) + hidden == len(right)
    assert all("".join(piece.text for piece in line.pieces) == left[line.number - 1] for line in ours)
    assert all("".join(piece.text for piece in line.pieces) == right[line.number - 1] for line in theirs)
