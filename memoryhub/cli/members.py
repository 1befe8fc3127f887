"""`memoryhub member`."""

import json
from typing import Annotated

import typer

from memoryhub.cli.hub import DataOption, JsonOption, named_workspace, open_hub

commands = typer.Typer(help="The users of a workspace and their roles.", no_args_is_help=True)
SlugArgument = Annotated[str, typer.Argument(help="The workspace.")]
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The name that the user signs in with.")]


@commands.command("set")
def set_role(
    slug: SlugArgument,
    user: UserArgument,
    role: Annotated[str, typer.Argument(help="viewer, editor, admin or owner; each may do all that those before may.")],
    data: DataOption = None,
) -> None:
    """Give a user a role in a workspace. The user's tokens follow within seconds."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.workspaces.actions import set_member
        from apps.workspaces.queries import user_named

        set_member(named_workspace(slug), user_named(user), role, actor=Actor.cli())


@commands.command("list")
def list_all(slug: SlugArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the members of a workspace and their roles."""
    with open_hub(data):
        from apps.common.times import rfc3339
        from apps.workspaces.queries import members_of

        rows = [
            {"username": member.user.username, "role": member.role, "created_at": rfc3339(member.created_at)}
            for member in members_of(named_workspace(slug).pk).order_by("user__username")
        ]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    print_table(["user", "role", "since"], [list(row.values()) for row in rows])


@commands.command("remove")
def remove(slug: SlugArgument, user: UserArgument, data: DataOption = None) -> None:
    """Take a user out of a workspace. The user's tokens stop working there within seconds."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.workspaces.actions import remove_member

        remove_member(named_workspace(slug), user, actor=Actor.cli())
