"""A web server's main process: `python -m memoryhub.embedded.web HOST PORT WORKERS APPLICATION`.

It imports the application, waits on standard input for the word that the database is ready, then serves. On Linux
the workers are forks of it, so Django is imported once and its memory is shared.
"""

import gc
import importlib
import multiprocessing
import os
import signal
import sys
from functools import partial
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from memoryhub.embedded.processes import die_with_parent

APPLICATIONS = "memoryhub.wsgi"
"""The module that holds them."""
# Each thread keeps a database connection. An upload or download holds a thread for as long as its client takes, so
# memoryhub.edge lets only some of them be held that way.
THREADS_PER_WORKER = 24
STOP_GRACE_S = 10


def load_application(name: str, parent_pid: int) -> Any:
    """The WSGI application `name`. Runs in each worker, which must not outlive the main process and hold its port.

    A main process that ends in peace waits for its workers first. One that was killed leaves nobody to press a worker
    that takes its time over SIGTERM.
    """
    die_with_parent(parent_pid, signal.SIGKILL)
    return getattr(importlib.import_module(APPLICATIONS), name)


def serve(host: str, port: int, workers: int, application: str) -> None:
    """Serves until SIGTERM or SIGINT, which let running requests end."""
    server = Granian(
        f"{APPLICATIONS}:{application}",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=workers,
        blocking_threads=THREADS_PER_WORKER,
        workers_kill_timeout=STOP_GRACE_S,
        respawn_failed_workers=True,
        # Its warnings are advice on the number of threads, at each start.
        log_level=LogLevels.error,
        log_access=False,
    )
    server.serve(target_loader=partial(load_application, application, os.getpid()), wrap_loader=False)


def _load_or_tell() -> None:
    """Loads the applications before the workers do. A wrong setting ends the process with its sentence."""
    from memoryhub.settings.env import SettingsError

    try:
        importlib.import_module(APPLICATIONS)
    except SettingsError as error:
        sys.exit(str(error))


def main() -> None:
    host, port, workers, application = sys.argv[1:]
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork")
        _load_or_tell()
        # What is loaded stays for good: the workers share these pages, and no collection should touch them.
        gc.collect()
        gc.freeze()
    if not sys.stdin.readline():
        return
    serve(host, int(port), int(workers), application)


if __name__ == "__main__":
    main()
