"""Workers for tests, and a process that runs one job with them: `python -m tests.jobs.workers <job id>`.

A worker appends what it did to the file that its subject names, so that tests see it whatever process it ran in.
"""

import os
import sys
import time
from pathlib import Path

LEASE_S = 1.0


def note(run, text: str) -> None:
    """Adds a line to the subject's file; one write, so that lines of two processes do not mix."""
    with Path(run.subject).open("ab", buffering=0) as file:
        file.write(f"{os.getpid()} {run.attempt} {text}\n".encode())


def append(run):
    note(run, "ran")
    return {"attempt": run.attempt}


def two_steps(run):
    """Hangs between its steps in the first attempt, as if it were killed there."""
    note(run, "first")
    if run.attempt == 1:
        time.sleep(600)
    note(run, "second")


def patient(run):
    """Runs until somebody ends it; checks often."""
    note(run, "started")
    while True:
        time.sleep(0.02)
        run.check()


KINDS = {"test.append": append, "test.two_steps": two_steps, "test.patient": patient}


def register_all() -> None:
    from apps.jobs.registry import register

    for kind, worker in KINDS.items():
        register(kind, worker, lease_s=LEASE_S)


def main() -> None:
    import django

    django.setup()
    register_all()
    from apps.jobs.running import run_job

    print(run_job(int(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
