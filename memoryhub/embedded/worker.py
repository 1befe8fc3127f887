"""The worker with the scheduler inside: `python -m memoryhub.embedded.worker BEAT_SCHEDULE LEVEL`.

It is `celery -A memoryhub worker -B -P threads`, but for two things: Celery's own command would look for `memoryhub`
in the operator's directory first, and would leave its scheduler running when it is killed.
"""

import os
import sys
from functools import partial
from typing import Any

from celery.signals import beat_embedded_init

from memoryhub.celery import app
from memoryhub.embedded.processes import die_with_parent

THREADS = 4


def _die_with_worker(worker_pid: int, **_: Any) -> None:
    die_with_parent(worker_pid)


def main() -> None:
    beat_schedule, level = sys.argv[1], sys.argv[2]
    beat_embedded_init.connect(partial(_die_with_worker, os.getpid()), weak=False)
    options = ["-B", "-P", "threads", "-c", str(THREADS), "-s", beat_schedule, "-l", level]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.start(["-q", "--skip-checks", "worker", *options, *alone])


if __name__ == "__main__":
    main()
