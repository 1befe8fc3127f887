"""All commands by their names, and nothing that is slow to import."""

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

COMMANDS = {
    "up": "up:up",
    "sync": "sync:sync",
    "login": "login:login",
    "ls": "files:ls",
    "cat": "files:cat",
    "put": "files:put",
    "rm": "files:rm",
    "mv": "files:mv",
    "log": "files:log",
    "diff": "files:diff",
    "revert": "files:revert",
    "status": "upkeep:status",
    "fsck": "upkeep:fsck",
    "restore": "restoring:restore",
    "workspace": "workspaces:commands",
    "token": "tokens:commands",
    "member": "members:commands",
    "identity": "identities:commands",
    "user": "users:commands",
    "jobs": "jobs:commands",
    "snapshot": "snapshot_group:commands",
    "target": "targets:commands",
    "federation": "federation_group:commands",
    "import": "importing:commands",
    "epoch": "upkeep:epoch_commands",
}
"""Where each is, in the order of the help: a function, or the commands of a group."""


def program(first: str | None) -> typer.Typer:
    """The program, for arguments that begin with `first`: where that is a command, no other is imported."""
    application = typer.Typer(
        help="A memory hub for agents and people: files that sync, keep every version, and can be restored.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    application.callback()(_every)
    _add(application, [first] if first in COMMANDS else COMMANDS)
    return application


def _add(application: typer.Typer, names: Iterable[str]) -> None:
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(f"memoryhub.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            application.add_typer(command, name=name)
        else:
            application.command(name)(command)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from apps.operations.version import hub_version

        print(hub_version())
        raise typer.Exit


def _every(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of the program itself."""
