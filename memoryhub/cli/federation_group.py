"""`memoryhub federation`, put together."""

import typer

from memoryhub.cli import federation, peers, summaries

commands = typer.Typer(help="Which agents know about what, and whom the hub tells.", no_args_is_help=True)
for part in (summaries, federation):
    commands.add_typer(part.commands)
commands.add_typer(peers.commands, name="peer")
