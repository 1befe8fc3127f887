"""Doing a job that a command has asked for, or watching who does it."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from memoryhub.cli.hub import REFUSED, complain

if TYPE_CHECKING:
    from apps.jobs.models import Job

LOOK_EVERY_S = 0.3


def finish(job: "Job", what: str) -> "Job":
    """As `ended`, with a sentence and exit code 1 when it did not succeed."""
    if complaint := ended(job, what):
        complain(complaint)
        raise typer.Exit(REFUSED)
    return job


def ended(job: "Job", what: str) -> str:
    """Runs the job here, unless a worker has it: then waits for that. A bar on a terminal. Call inside `open_hub`.

    Why it did not succeed, or nothing.
    """
    from apps.jobs.models import JobState
    from apps.jobs.running import run_job
    from apps.jobs.waiting import has_stopped

    with _bar(job, what):
        if run_job(job.pk) is None:
            while not has_stopped(job):
                time.sleep(LOOK_EVERY_S)
                job.refresh_from_db()
    job.refresh_from_db()
    if job.state == JobState.SUCCEEDED:
        return ""
    again = " The hub will try it again." if job.state == JobState.QUEUED else ""
    return f"{what} did not succeed: {job.error_detail or job.state}{again}"


@contextmanager
def _bar(job: "Job", what: str) -> Iterator[None]:
    """Shows the job's progress while the block runs, where somebody sees it."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        done = threading.Event()

        def watch() -> None:
            from django.db import connection

            from apps.jobs.models import Job

            while not done.wait(LOOK_EVERY_S):
                row = Job.objects.get(pk=job.pk)
                note = f"{what}: {row.progress_note}" if row.progress_note else what
                progress.update(task, total=row.progress_total, completed=row.progress_done, description=note)
            connection.close()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
