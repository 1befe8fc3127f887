"""All commands, and nothing that is slow to import."""

from typing import Annotated

import typer

from memoryhub.cli import (
    files,
    identities,
    importing,
    jobs,
    login,
    members,
    policies,
    restoring,
    sync,
    targets,
    tokens,
    up,
    upkeep,
    users,
    workspaces,
)

application = typer.Typer(
    help="A memory hub for agents and people: files that sync, keep every version, and can be restored.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from apps.operations.version import hub_version

        print(hub_version())
        raise typer.Exit


@application.callback()
def every(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of the program itself."""


application.command("up")(up.up)
application.command("sync")(sync.sync)
application.command("login")(login.login)
for command in (files.ls, files.cat, files.put, files.rm, files.mv, files.log, files.diff, files.revert):
    application.command(command.__name__)(command)
application.command("status")(upkeep.status)
application.command("fsck")(upkeep.fsck)
application.add_typer(workspaces.commands, name="workspace", help="Make and list workspaces.")
application.add_typer(tokens.commands, name="token", help="Issue, list, grant and revoke tokens.")
application.add_typer(members.commands, name="member", help="The users of a workspace and their roles.")
application.add_typer(identities.commands, name="identity", help="Whom an outside checker vouches for.")
application.add_typer(users.commands, name="user", help="People who sign in to the console.")
application.add_typer(jobs.commands, name="jobs", help="What the hub does beside requests: list, retry, cancel.")
application.add_typer(
    policies.commands, name="snapshot", help="Name states of a workspace, compare them, and copy them elsewhere."
)
application.add_typer(targets.commands, name="target", help="Where copies of snapshots go.")
application.command("restore")(restoring.restore)
application.add_typer(importing.commands, name="import")
application.add_typer(upkeep.epoch_commands, name="epoch")
