"""Tables for people."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from memoryhub.cli.plain import plain

LONGEST_LINE = 10_000


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under headings. Cells are plain text: brackets in a name are not markup, an escape does nothing."""
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    # Into a pipe or a file a row is one line, however long.
    wide = None if sys.stdout.isatty() else LONGEST_LINE
    Console(width=wide).print(table)
