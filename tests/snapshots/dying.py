"""Prunes a workspace in processes that are killed, one before each step that pruning takes, until one is not.

Run as `python -m tests.snapshots.dying WORKSPACE MOMENT DEATHS`; the file DEATHS holds the steps that a process was
killed before, and those of this run are appended to it: SQL statements, and the removal of each kind of file. Ends
with 0 when each of them left a sound state, and so did the last.
"""

import os
import re
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

MOST = 500


def main(workspace_id: int, now: datetime, deaths: Path) -> None:
    for _ in range(MOST):
        child = os.fork()
        if not child:
            _work_in_a_child(workspace_id, now, deaths)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
    sys.exit("it never comes to its end")


def _work_in_a_child(workspace_id: int, now: datetime, deaths: Path) -> None:
    try:
        _look(workspace_id)
        _prune(workspace_id, now, deaths)
        _look(workspace_id)
    except BaseException:  # noqa: BLE001 - a process of its own ends here, whatever happened
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _prune(workspace_id: int, now: datetime, deaths: Path) -> None:
    from django.db import connection

    from apps.jobs import leases
    from apps.jobs.actions import enqueue
    from apps.jobs.models import Job
    from apps.jobs.runs import JobRun
    from apps.snapshots import pruning
    from apps.snapshots.format.names import MANIFEST

    Job.objects.filter(kind=pruning.KIND).delete()
    claim = leases.claim(enqueue(pruning.KIND, str(workspace_id), workspace_id=workspace_id).pk)
    if claim is None:
        raise AssertionError("the job is there to be claimed")
    known = set(deaths.read_text().splitlines())

    def die_once_before(step: str) -> None:
        if step not in known:
            with deaths.open("a") as file:
                file.write(f"{step}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def before_statement(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        die_once_before(re.sub(r"\s+|(?:, )?%s|s\d+_x\d+", " ", str(sql)).strip())
        return execute(sql, params, many, context)

    def before_removal(event: str, arguments: Any) -> None:
        if event == "os.remove":
            die_once_before(f"REMOVE {'manifest' if str(arguments[0]).endswith(MANIFEST) else 'pack'}")

    sys.addaudithook(before_removal)
    with connection.execute_wrapper(before_statement):
        pruning.prune_workspace(JobRun(claim), now=now)


def _look(workspace_id: int) -> None:
    """Every snapshot has its hold and every hold its snapshot; a copy that can be restored has all that it needs."""
    from apps.files.models import Hold
    from apps.snapshots.format.names import manifest_name, pack_name
    from apps.snapshots.models import CopyPack, RemoteCopy, Snapshot
    from apps.snapshots.targets import place_of_repository

    holders = set(Hold.objects.filter(workspace_id=workspace_id).values_list("holder", flat=True))
    if holders != {f"snapshot:{snapshot.public_id}" for snapshot in Snapshot.objects.filter(workspace_id=workspace_id)}:
        raise AssertionError("holds and snapshots differ")
    if not holders:
        raise AssertionError("no snapshot is left")
    listed = RemoteCopy.objects.filter(repository__workspace_id=workspace_id)
    for copy in listed.select_related("repository__target", "repository__workspace"):
        place = place_of_repository(copy.repository)
        if copy.state == "sealed" and place.stat(manifest_name(copy.name)) is None:
            raise AssertionError("a whole copy has no manifest")
        for link in CopyPack.objects.filter(copy=copy).select_related("pack"):
            if place.stat(pack_name(bytes(link.pack.digest))) is None:
                raise AssertionError("a pack of a copy is gone")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memoryhub.settings")
    import django

    django.setup()
    main(int(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
