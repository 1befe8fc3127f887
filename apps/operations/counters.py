"""Lets the processes of one web server count together. Imports neither Django nor the metrics themselves."""

import os
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client when it is imported."""


def share_counters(directory: Path) -> bool:
    """Let this process count into a file in `directory`. Call before metrics are imported.

    Counts of an earlier server go when none of its processes is left. False when the directory cannot be used;
    then each process tells only its own counts.
    """
    if os.environ.get(VARIABLE):
        return True
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = list(directory.glob("*.db"))
        if not any(_is_alive(_process_of(file)) for file in files):
            for file in files:
                file.unlink(missing_ok=True)
    except OSError:
        return False
    os.environ[VARIABLE] = str(directory)
    return True


def _process_of(file: Path) -> int:
    """Files are called histogram_1234.db."""
    digits = file.stem.rpartition("_")[2]
    return int(digits) if digits.isdigit() else 0


def _is_alive(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
