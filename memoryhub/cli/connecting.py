"""How commands reach a hub over HTTP: by options, a saved profile or the environment."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import update_wrapper
from inspect import Signature, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoryhub.cli.hub import CANNOT, REFUSED, complain

if TYPE_CHECKING:
    from memoryhub.client import Client, NotFound


def _saved_names(incomplete: str) -> list[str]:
    """The profiles whose names begin so, for the shell's completion."""
    from memoryhub.cli.profiles import ProfileError, names

    try:
        return [name for name in names() if name.startswith(incomplete)]
    except ProfileError:
        return []


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
ProfileOption = Annotated[
    str,
    typer.Option("--profile", help="What `memoryhub login` saved under this name.", autocompletion=_saved_names),
]
DEFAULT_PROFILE = "default"
DEFAULT_WORKSPACE = "default"
DEFAULT_URL = "http://127.0.0.1:8000"
READER_LEFT = 141
"""Exit code of a command whose output nobody reads any more: the shell's for a program that SIGPIPE ended."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to and with what. An empty value is still to be found."""

    url: str
    token: str = field(repr=False)
    workspace: str

    def completed(self, profile: str, *, anew: bool = False) -> "Connection":
        """What is not given is taken from the environment, then from the profile; a profile that is named comes first.

        With `anew`, for a login that is about to replace it, the profile may be missing or damaged, and its token is
        none to use. Raises `ProfileError`.
        """
        found = self
        if profile != DEFAULT_PROFILE:
            found = found.filled_from(_saved(profile, anew=anew))
        found = found.filled_from(_environment())
        if profile == DEFAULT_PROFILE and not (found.url and found.token and found.workspace):
            found = found.filled_from(_saved(profile, anew=anew))
        return Connection(found.url or DEFAULT_URL, found.token, found.workspace or DEFAULT_WORKSPACE)

    def filled_from(self, other: "Connection") -> "Connection":
        """With the other's values where there are none, unless it is about another hub: a token is for its own only."""
        if self.url and other.url and self.url.rstrip("/") != other.url.rstrip("/"):
            return self
        return Connection(self.url or other.url, self.token or other.token, self.workspace or other.workspace)


def _environment() -> Connection:
    get = os.environ.get
    return Connection(get("MEMORYHUB_URL", ""), get("MEMORYHUB_TOKEN", ""), get("MEMORYHUB_WORKSPACE", ""))


def _saved(name: str, *, anew: bool) -> Connection:
    from memoryhub.cli.profiles import DamagedProfiles, ProfileError, saved

    try:
        profile = saved(name, with_token=not anew)
    except DamagedProfiles:
        if not anew:
            raise
        profile = None
    if profile is not None:
        return Connection(profile.url, profile.token or "", profile.workspace)
    if not anew and name != DEFAULT_PROFILE:
        raise ProfileError(f"There is no profile {name}. `memoryhub login --profile {name}` makes it.")
    return Connection("", "", "")


@contextmanager
def open_client(connection: Connection, profile: str, *, refused: int = CANNOT) -> "Iterator[Client]":
    """A client of the workspace that a command's options, the environment and the profile name.

    Inside, a refusal is a sentence and exit code `refused`; a hub that is away, a token that it does not know, and a
    profile that cannot be read are one and exit code 2.
    """
    with profile_errors():
        found = connection.completed(profile)
    with connected(found, refused=refused) as client:
        yield client


@contextmanager
def connected(found: Connection, *, refused: int = CANNOT) -> "Iterator[Client]":
    """As `open_client`, of what is all given."""
    if not found.token:
        complain(
            f"There is no token for {found.url}: give --token or MEMORYHUB_TOKEN, or save a profile with "
            "`memoryhub login`."
        )
        raise typer.Exit(CANNOT)
    from memoryhub.client import Client, HubError, NotFound, Refused, Unauthorized

    try:
        with Client(found.url, found.token, found.workspace) as client:
            try:
                yield client
            except NotFound as error:
                raise _missing(client, error) from None
    except Unauthorized as error:
        complain(f"The hub does not know the token: {error}")
        raise typer.Exit(CANNOT) from None
    except Refused as error:
        complain(f"{error} ({error.code})")
        raise typer.Exit(CANNOT if error.code == "bad_url" else refused) from None
    except HubError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None


def _missing(client: "Client", error: "NotFound") -> "NotFound":
    """The error that tells what is missing: a path, or the whole workspace, which the first answer leaves open."""
    from memoryhub.client import HubError, NotFound

    try:
        client.info()
    except HubError as other:
        # Any other says nothing about the path, as that the token may not ask this.
        return other if isinstance(other, NotFound) else error
    return error


@contextmanager
def profile_errors() -> Iterator[None]:
    """Inside, a profile that cannot be read or kept is a sentence and exit code 2."""
    from memoryhub.cli.profiles import ProfileError

    try:
        yield
    except ProfileError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None


@contextmanager
def file_errors() -> Iterator[None]:
    """Inside, a file of this machine that cannot be read or written, standard output too, is a sentence and code 2.

    A reader of the output that has left, as `head` does, ends the command with `READER_LEFT` and without a word.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(READER_LEFT) from None
    except OSError as error:
        _drop_output()
        complain(str(error))
        raise typer.Exit(CANNOT) from None


def _drop_output() -> None:
    """What is not yet written would be tried again at the end of the process, and its failure told with a trace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def on_hub(command: Callable[..., None], *, refused: int = REFUSED) -> Callable[..., None]:
    """A command that gets a client as its first argument, and the options that say of which workspace.

    `refused` is its exit code where the hub says no.
    """

    def run(
        *,
        url: UrlOption = "",
        token: TokenOption = "",
        workspace: WorkspaceOption = "",
        profile: ProfileOption = DEFAULT_PROFILE,
        **given: Any,
    ) -> None:
        with file_errors(), open_client(Connection(url, token, workspace), profile, refused=refused) as client:
            command(client, **given)

    own = list(signature(command).parameters.values())[1:]
    where = list(signature(run).parameters.values())[:-1]
    update_wrapper(run, command)
    # Typer reads the options from these two.
    run.__signature__ = Signature([*own, *where])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*own, *where)}
    return run
