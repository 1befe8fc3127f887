"""Writers of one process that meet at one workspace share a transaction.

Commits into a workspace happen one after the other, because each holds the workspace's counter row until it is on
disk. Whoever comes while this process is writing to the workspace waits here instead, and the first of those who
waited writes for all of them: one lock, one round trip, one flush. A lone writer waits for nobody.
"""

from collections import deque
from dataclasses import dataclass, field
from threading import Event, Lock

import structlog
from django.db import DatabaseError, OperationalError, connection

from apps.common.errors import DomainError
from apps.files import sql
from apps.files.changes import Change, Write

logger = structlog.get_logger(__name__)

GROUP_MAX = 32
"""Writers that share a transaction; with bytes in the rows of at most BLOB_INLINE_MAX each."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """A writer in the queue. Once woken it has its answer, or an error, or leads `group`, or writes alone."""

    write: Write
    woken: Event = field(default_factory=Event)
    group: "list[_Waiter] | None" = None
    change: Change | None = None
    error: Exception | None = None


_queues: dict[int, deque[_Waiter]] = {}
"""Of the workspaces that this process is writing to."""
_lock = Lock()


def apply_change(workspace_id: int, write: Write) -> Change:
    """As `sql.apply_change`, perhaps in one transaction with the changes of other threads.

    Inside a transaction the change joins that one, and waits for nobody: others may wait for what it has locked.
    """
    if connection.in_atomic_block:
        return sql.apply_change(workspace_id, write)
    waiter = _enqueued(workspace_id, write)
    if waiter is not None:
        return _answer(workspace_id, waiter)
    try:
        return sql.apply_change(workspace_id, write)
    finally:
        _wake_next(workspace_id)


def _enqueued(workspace_id: int, write: Write) -> _Waiter | None:
    """The writer's place in the queue, or None where nobody of this process is writing: then it may."""
    with _lock:
        queue = _queues.get(workspace_id)
        if queue is None:
            _queues[workspace_id] = deque()
            return None
        waiter = _Waiter(write)
        queue.append(waiter)
        return waiter


def _answer(workspace_id: int, waiter: _Waiter) -> Change:
    waiter.woken.wait()
    if waiter.group is not None:
        try:
            _apply(workspace_id, waiter.group)
        finally:
            _wake_next(workspace_id)
    if waiter.error is not None:
        raise waiter.error
    return waiter.change or sql.apply_change(workspace_id, waiter.write)


def _apply(workspace_id: int, group: list[_Waiter]) -> None:
    """Writes for a group and wakes its members. Where one of them is at fault, each then writes alone."""
    try:
        if len(group) == 1:
            group[0].change = sql.apply_change(workspace_id, group[0].write)
            return
        changes = sql.apply_group(workspace_id, [waiter.write for waiter in group])
        for waiter, change in zip(group, changes, strict=True):
            waiter.change = change
    except Exception as error:
        if _is_undone(error):
            # The writer whose change cannot be made meets the same error again, alone.
            logger.info("group_commit_undone", writers=len(group), exc_info=True)
        else:
            # Whether it was written is not known, as for a lone writer: nobody may simply write again.
            for waiter in group:
                waiter.error = _copy(error)
    finally:
        for waiter in group[1:]:
            waiter.woken.set()


def _wake_next(workspace_id: int) -> None:
    """Hands the workspace on to those who came meanwhile, or leaves it to the next who comes."""
    with _lock:
        queue = _queues[workspace_id]
        if not queue:
            del _queues[workspace_id]
            return
        group = [queue.popleft() for _ in range(min(len(queue), GROUP_MAX))]
    group[0].group = group
    group[0].woken.set()


def _is_undone(error: Exception) -> bool:
    """Whether the database has surely written nothing: it refused, and was neither away nor too busy."""
    return isinstance(error, DomainError) or (
        isinstance(error, DatabaseError) and not isinstance(error, OperationalError)
    )


def _copy(error: Exception) -> Exception:
    """The same error for another thread: a raised one carries its own thread's traceback."""
    twin = type(error)(*error.args)
    twin.__cause__ = error.__cause__
    return twin
