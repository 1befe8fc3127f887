"""Does pieces of work in processes of their own, so that each can be killed: `python -m tests.system.victims`.

A line of its input is a wish: `job ID`, or `snapshot WORKSPACE NAME`. It says the pid of who works on it, and then with
which status that ended.
"""

import os
import sys
import traceback


def job(key: str) -> None:
    from apps.jobs.running import run_job

    run_job(int(key))


def snapshot(workspace: str, name: str) -> None:
    from apps.snapshots.actions import create_snapshot
    from apps.workspaces.models import Workspace
    from tests.factories import ACTOR

    create_snapshot(Workspace.objects.get(pk=int(workspace)), name=name, actor=ACTOR)


WORK = {"job": job, "snapshot": snapshot}


def main() -> None:
    for line in sys.stdin:
        kind, *arguments = line.split()
        pid = os.fork()
        if pid == 0:
            work_and_leave(kind, arguments)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


def work_and_leave(kind: str, arguments: list[str]) -> None:
    try:
        WORK[kind](*arguments)
    except BaseException:  # noqa: BLE001 - told by the status
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    import django

    django.setup()
    # What every one of them would load for itself.
    import boto3

    boto3.session.Session().client("s3", region_name="us-east-1")
    main()
