"""`memoryhub login`."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from memoryhub.cli.connecting import (
    DEFAULT_PROFILE,
    Connection,
    ProfileOption,
    UrlOption,
    WorkspaceOption,
    connected,
    file_errors,
    profile_errors,
)
from memoryhub.cli.hub import CANNOT, complain


def login(
    url: UrlOption = "",
    workspace: WorkspaceOption = "",
    token: Annotated[
        str, typer.Option(help="Better not: it is asked for, and no history of commands keeps it.", show_default=False)
    ] = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Try a token and remember it for all other commands. With it the hub's address and the workspace.

    memoryhub login --url https://hub.example.org --workspace notes
    """
    from memoryhub.cli.profiles import Profile, save, set_damaged_aside

    with profile_errors():
        found = Connection(url, token, workspace).completed(profile, anew=True)
    if not found.token:
        found = replace(found, token=_asked_token(found.url))
    with connected(found) as client:
        info = client.info()
    with profile_errors():
        if (damaged := set_damaged_aside()) is not None:
            complain(f"The profiles so far could not be read; they are kept in {damaged}.")
        place = save(profile, Profile(found.url, found.workspace, client.target.token))
    with file_errors():
        print(f"{found.url}, workspace {info.slug}: {info.live_files} files. The token is kept in {place}.")


def _asked_token(url: str) -> str:
    """What is typed unseen at a terminal, else the first line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(f"Token for {url}", hide_input=True))
    token = sys.stdin.readline().strip()
    if not token:
        complain(f"There is no token for {url}, and nobody at a terminal to ask: give it on standard input.")
        raise typer.Exit(CANNOT)
    return token
