"""Tells readers of the feed, at most once a second for each workspace and process, that there is something new.

Nothing depends on it: they look by themselves every few seconds. What it needs after a write is one look at a clock,
because a message for each write would cost more than the write's whole request.
"""

import time
from threading import Lock

from django.dispatch import Signal

written = Signal()
"""Sent with `workspace_id` after a commit; receivers enqueue a job that looks at the feed."""

_EVERY_S = 1.0
_last: dict[int, float] = {}
_lock = Lock()


def note_write(workspace_id: int) -> None:
    """Call after files of the workspace were written."""
    now = time.monotonic()
    with _lock:
        if now - _last.get(workspace_id, -_EVERY_S) < _EVERY_S:
            return
        _last[workspace_id] = now
    written.send_robust(None, workspace_id=workspace_id)
