"""`memoryhub login`."""

import os
from typing import Annotated

import typer

from memoryhub.cli.connecting import (
    DEFAULT_PROFILE,
    Connection,
    ProfileOption,
    UrlOption,
    WorkspaceOption,
    open_client,
)


def login(
    url: UrlOption = "",
    workspace: WorkspaceOption = "",
    token: Annotated[
        str, typer.Option(help="Better not: it is asked for, and no history of commands keeps it.", show_default=False)
    ] = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Try a token and remember it with the hub's address, for all other commands.

    memoryhub login --url https://hub.example.org --workspace notes
    """
    given = token or os.environ.get("MEMORYHUB_TOKEN", "") or typer.prompt("Token", hide_input=True)
    connection = Connection(url, given, workspace).completed(profile)
    with open_client(connection, profile) as client:
        info = client.info()
    from memoryhub.cli.profiles import Profile, save

    place = save(profile, Profile(connection.url, connection.workspace, connection.token))
    print(f"{connection.url}, workspace {info.slug}: {info.live_files} files. The token is kept in {place}.")
