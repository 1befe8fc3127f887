"""The command line. Importing this costs nothing: what a command needs is imported when it runs."""


def main() -> None:
    """Runs the command that the process's arguments name, and exits."""
    from memoryhub.cli.application import application

    application(prog_name="memoryhub")
