"""The command line. Importing this costs nothing: what a command needs is imported when it runs."""

import sys


def main() -> None:
    """Runs the command that the process's arguments name, and exits."""
    # As if it were not installed: this process never runs httpx's own command line, whose import takes 40 ms.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    from memoryhub.cli.application import application

    application(prog_name="memoryhub")
