"""The transaction in which background work changes a workspace."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from apps.files import upkeep_sql
from apps.jobs.runs import JobRun


@contextmanager
def upkeep_step(run: JobRun, workspace_id: int) -> Iterator[None]:
    """Holds the job's fence, so that a worker that lost its lease changes nothing, and then the workspace's counter
    row, which every write of files locks. Raises `LeaseLost`, and `NotFound` for a workspace without a counter.
    """
    with transaction.atomic(durable=True):
        run.hold_fence()
        upkeep_sql.locked_counter(workspace_id)
        yield
