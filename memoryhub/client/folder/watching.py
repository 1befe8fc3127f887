"""Stays with a folder: syncs when something in it changes, and when the hub has news."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from watchfiles import watch

from memoryhub.client.blocking import Client
from memoryhub.client.errors import CursorExpired, HubError, Invalid, ScopeMissing, Unauthorized
from memoryhub.client.folder.errors import AnotherHub, FolderError
from memoryhub.client.folder.hubside import CURSOR
from memoryhub.client.folder.ignoring import OWN_FOLDER
from memoryhub.client.folder.opening import sentences, state_file
from memoryhub.client.folder.report import Done, Report
from memoryhub.client.folder.state import State

SHORTEST_S, LONGEST_S, GROWTH = 1.0, 15.0, 1.5
"""How often the hub is asked: sooner after something happened, ever later while nothing does."""
RESCAN_S = 60.0
"""How often the folder is looked through without an event: some file systems have none for what others write."""
TICK_MS = 500
SETTLE_MS = 300
"""Editors write a file in several steps."""
ENDS_IT = (Unauthorized, ScopeMissing, AnotherHub)
"""What only a person can set right."""


class Pace:
    """How long to wait until the hub is asked again. Pure."""

    def __init__(self) -> None:
        self.wait_s = SHORTEST_S

    def after(self, *, something_happened: bool) -> None:
        self.wait_s = SHORTEST_S if something_happened else min(LONGEST_S, self.wait_s * GROWTH)


def keep_in_step(
    root: Path,
    client: Client,
    sync: Callable[[], Report],
    complain: Callable[[str], None],
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Calls `sync` at each occasion until `stopped`; what keeps it from its work for now is complained of.

    Deletions that are held back are complained of once; a sync of somebody who allows them carries them out. Raises
    what no waiting can set right: `Unauthorized`, `ScopeMissing`, `AnotherHub`; and `FolderError` where the folder
    cannot be watched.
    """
    pace, news = Pace(), News(root, client)
    is_due, held_back = True, None
    for files_changed in occasions(root, pace, stopped=stopped):
        something_happened = False
        try:
            if is_due or files_changed or news.are_there():
                is_due = True
                report = sync()
                is_due, something_happened = bool(report.counts[Done.FAILED]), report.changed > 0
                if report.held_back not in (None, held_back):
                    complain(str(report.held_back))
                held_back = report.held_back
        except ENDS_IT:
            raise
        except (HubError, FolderError) as error:
            complain(str(error))
        pace.after(something_happened=something_happened)


class News:
    """What the hub has since the last sync."""

    def __init__(self, root: Path, client: Client) -> None:
        self._state_file = state_file(root)
        self._client = client
        self._asked = ("", "")

    def are_there(self) -> bool:
        """One small request, which the hub mostly answers without a body. Raises `HubError`, `FolderError`."""
        with sentences(self._state_file), closing(State.open(self._state_file)) as state:
            cursor = state.about(CURSOR)
        if cursor is None:
            return True
        asked, etag = self._asked
        try:
            page = self._client.changes(cursor, limit=1, etag=etag if asked == cursor else None)
        except (CursorExpired, Invalid):
            return True
        if page is None:
            return False
        self._asked = (cursor, page.etag)
        return bool(page.items)


def occasions(root: Path, pace: Pace, *, stopped: Callable[[], bool]) -> Iterator[bool]:
    """Yields True when it is time to look through the folder, False when it is time to ask the hub; until `stopped`.

    The folder is watched from before the first occasion on, so that what happens between two of them is not missed.
    Raises `FolderError`.
    """
    folder = str(root.resolve())
    changes = watch(
        folder,
        watch_filter=lambda _, path: f"/{OWN_FOLDER}/" not in f"{path[len(folder) :]}/",
        debounce=SETTLE_MS,
        step=50,
        rust_timeout=TICK_MS,
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    looked_at = asked_at = -RESCAN_S
    with closing(changes):
        while not stopped():
            try:
                changed = next(changes)
            except OSError as error:
                raise FolderError(f"{root} cannot be watched: {error}.") from error
            now = time.monotonic()
            if changed or now - looked_at >= RESCAN_S:
                yield True
                looked_at = asked_at = time.monotonic()
            elif now - asked_at >= pace.wait_s:
                yield False
                asked_at = time.monotonic()
