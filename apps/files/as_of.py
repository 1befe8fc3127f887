"""Reading a workspace as it was at a sequence, and comparing two of its states."""

from collections.abc import Iterator

from apps.files import as_of_sql
from apps.files.as_of_sql import AsOfRow, DifferenceRow
from apps.files.paths import after_prefix

ROWS_AT_ONCE = 5000


def files_as_of(
    workspace_id: int, sequence: int, *, prefix: str = "", after: str = "", limit: int | None = None
) -> Iterator[AsOfRow]:
    """The paths that were live at a sequence, with their states, in the order of the paths' bytes.

    Below a checked `prefix`, behind the path `after`, at most `limit`. Whoever needs all of it holds the sequence:
    else retention may remove what it reads. A page of 5,000 a query; costs little more than listing the files now.
    """
    end = after_prefix(prefix) if prefix else ""
    last, left = max(after, prefix), limit
    while left is None or left > 0:
        wanted = ROWS_AT_ONCE if left is None else min(left, ROWS_AT_ONCE)
        rows = as_of_sql.as_of_rows(workspace_id, sequence, after=last, end=end, limit=wanted)
        yield from rows
        if len(rows) < wanted:
            return
        last, left = rows[-1].path, None if left is None else left - wanted


def differences(
    workspace_id: int, first: int, last: int, *, prefix: str = "", after: str = "", limit: int | None = None
) -> Iterator[DifferenceRow]:
    """The paths that differ in bytes or media type between two sequences, `first` not after `last`, in path order.

    As `files_as_of` otherwise. Costs as much as was written in between, for each page again.
    """
    end = after_prefix(prefix) if prefix else ""
    at, left = max(after, prefix), limit
    while left is None or left > 0:
        wanted = ROWS_AT_ONCE if left is None else min(left, ROWS_AT_ONCE)
        rows = as_of_sql.difference_rows(workspace_id, first, last, after=at, end=end, limit=wanted)
        yield from rows
        if len(rows) < wanted:
            return
        at, left = rows[-1].path, None if left is None else left - wanted
