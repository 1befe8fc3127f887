"""`memoryhub snapshot`, put together."""

import typer

from memoryhub.cli import copies, policies, snapshots

commands = typer.Typer(help="Name, compare, copy states of a workspace.", no_args_is_help=True)
for part in (snapshots, copies, policies):
    commands.add_typer(part.commands)
