"""The command line. Importing this costs nothing: what a command needs is imported when it runs."""

import atexit
import gc
import sys


def main() -> None:
    """Runs the command that the process's arguments name, and exits."""
    # As if it were not installed: this process never runs httpx's own command line, whose import takes 40 ms.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    # The end of the process has nothing to collect: looking for it takes a tenth of a short command's time.
    atexit.register(gc.freeze)
    from memoryhub.cli.application import program

    program(next(iter(sys.argv[1:]), None))(prog_name="memoryhub")
