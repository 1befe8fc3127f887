"""Stays with a folder: syncs when something in it changes, and when the hub has news."""

from collections.abc import Callable, Iterator
from pathlib import Path

from watchfiles import DefaultFilter, watch

from memoryhub.client.folder.ignoring import OWN_FOLDER

SHORTEST_S, LONGEST_S, GROWTH = 1.0, 15.0, 1.5
"""How often the hub is asked: sooner after something happened, ever later while nothing does."""
SETTLE_MS = 300
"""Editors write a file in several steps."""


class Pace:
    """How long to wait until the hub is asked again. Pure."""

    def __init__(self) -> None:
        self.wait_s = SHORTEST_S

    def after(self, *, something_happened: bool) -> None:
        self.wait_s = SHORTEST_S if something_happened else min(LONGEST_S, self.wait_s * GROWTH)


def occasions(root: Path, pace: Pace, *, stopped: Callable[[], bool]) -> Iterator[bool]:
    """Yields True when files in the folder have changed, False when it is time to ask the hub; until `stopped`."""
    while not stopped():
        wait_ms = int(pace.wait_s * 1000)
        changes = watch(
            root,
            watch_filter=_NotOurOwn(root),
            debounce=SETTLE_MS,
            step=50,
            rust_timeout=wait_ms,
            yield_on_timeout=True,
            raise_interrupt=True,
        )
        try:
            yield bool(next(changes, ()))
        finally:
            changes.close()


class _NotOurOwn(DefaultFilter):
    """Everything but what the sync itself keeps in the folder."""

    ignore_dirs = ()
    ignore_entity_patterns = ()

    def __init__(self, root: Path) -> None:
        super().__init__(ignore_paths=[root / OWN_FOLDER])
