"""`memoryhub user`."""

import secrets
import sys
from typing import Annotated

import typer

from memoryhub.cli.hub import REFUSED, DataOption, complain, named_workspace, open_hub

commands = typer.Typer(help="People who sign in to the console.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The name to sign in with.")]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@commands.command("create")
def create(
    name: NameArgument,
    administrator: Annotated[bool, typer.Option("--admin", help="May do everything in the console.")] = False,
    workspace: Annotated[str | None, typer.Option(help="A workspace to make the user a member of.")] = None,
    role: Annotated[str, typer.Option(help="In that workspace: viewer, editor, admin or owner.")] = "editor",
    password_stdin: StdinOption = False,
    data: DataOption = None,
) -> None:
    """Make a user. Without --password-stdin a password is made and printed, this once."""
    password = _password(password_stdin)
    with open_hub(data):
        from django.db import transaction

        from apps.accounts.actions import create_user
        from apps.accounts.actors import Actor
        from apps.workspaces.actions import set_member

        found = named_workspace(workspace) if workspace is not None else None
        # A refused role leaves no user behind whose password nobody was shown.
        with transaction.atomic():
            user = create_user(name, password=password, is_administrator=administrator, actor=Actor.cli())
            if found is not None:
                set_member(found, user, role, actor=Actor.cli())
    if not password_stdin:
        print(password)


@commands.command("password")
def password(name: NameArgument, password_stdin: StdinOption = False, data: DataOption = None) -> None:
    """Give a user a new password. Without --password-stdin one is made and printed, this once."""
    text = _password(password_stdin)
    with open_hub(data):
        from apps.accounts.actions import set_password
        from apps.accounts.actors import Actor
        from apps.accounts.models import User

        user = User.objects.filter(username=name).first()
        if user is None:
            complain("There is no user of this name.")
            raise typer.Exit(REFUSED)
        set_password(user, password=text, actor=Actor.cli())
    if not password_stdin:
        print(text)


def _password(from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else secrets.token_urlsafe(15)
