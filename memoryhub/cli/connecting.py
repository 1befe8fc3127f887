"""How commands reach a hub over HTTP: by options, the environment or a saved profile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.hub import CANNOT, REFUSED, complain

if TYPE_CHECKING:
    from memoryhub.client import Client

UrlOption = Annotated[
    str,
    typer.Option("--url", help="Default: MEMORYHUB_URL, else the profile's.", show_default=False),
]
TokenOption = Annotated[
    str, typer.Option("--token", help="Default: MEMORYHUB_TOKEN, else the profile's.", show_default=False)
]
WorkspaceOption = Annotated[
    str,
    typer.Option(
        "--workspace", help="Default: MEMORYHUB_WORKSPACE, else the profile's, else `default`.", show_default=False
    ),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="A profile that `memoryhub login` has saved.")]
DEFAULT_PROFILE = "default"
DEFAULT_WORKSPACE = "default"
DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to and with what. An empty value is still to be found."""

    url: str
    token: str
    workspace: str

    def completed(self, profile: str) -> "Connection":
        """What is not given is taken from the environment, then from the profile."""
        from memoryhub.cli.profiles import saved

        environment = os.environ.get
        kept = saved(profile)
        return Connection(
            self.url or environment("MEMORYHUB_URL", "") or (kept.url if kept else DEFAULT_URL),
            self.token or environment("MEMORYHUB_TOKEN", "") or (kept.token if kept and kept.token else ""),
            self.workspace or environment("MEMORYHUB_WORKSPACE", "") or (kept.workspace if kept else DEFAULT_WORKSPACE),
        )


@contextmanager
def open_client(connection: Connection, profile: str) -> "Iterator[Client]":
    """A client of the workspace. Inside, a refusal is a sentence and exit code 1, a hub that is away one and 2."""
    found = connection.completed(profile)
    if not found.token:
        complain("There is no token: give --token or MEMORYHUB_TOKEN, or save a profile with `memoryhub login`.")
        raise typer.Exit(CANNOT)
    from memoryhub.client import Client, HubError, Refused, Unauthorized

    try:
        with Client(found.url, found.token, found.workspace) as client:
            yield client
    except Unauthorized as error:
        complain(f"The hub does not know the token: {error}")
        raise typer.Exit(CANNOT) from None
    except Refused as error:
        complain(f"{error} ({error.code})")
        raise typer.Exit(REFUSED) from None
    except HubError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None
