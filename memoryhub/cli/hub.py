"""How a command reaches a hub, and how it tells that it could not."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

CANNOT = 2
REFUSED = 1

if TYPE_CHECKING:
    from apps.workspaces.models import Workspace


def complain(sentence: str) -> None:
    """Tells the operator on standard error; standard output is for results."""
    print(sentence, file=sys.stderr)


def _directory(text: str) -> Path:
    """Path("") would be the directory that the operator happens to be in, as after `--data "$FORGOTTEN"`."""
    if not text.strip():
        complain("--data is empty: name a directory, or leave the option out.")
        raise typer.Exit(CANNOT)
    return Path(text)


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        parser=_directory,
        metavar="DIRECTORY",
        help="The hub's data directory. Default: MEMORYHUB_DATA, else ~/.local/share/memoryhub.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@contextmanager
def hub_errors() -> Iterator[None]:
    """Turns what stops a hub or a command before its work into a sentence and exit code 2."""
    from memoryhub.embedded.errors import HubError

    try:
        yield
    except HubError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None


@contextmanager
def open_hub(data: Path | None, *, patient: bool = False) -> Iterator[None]:
    """Sets Django up for the hub on `data`, or the one that DATABASE_URL names. `patient` lets statements take long.

    Inside, a refusal by an action becomes a sentence and exit code 1, a database that is away one and exit code 2.
    """
    with hub_errors():
        from memoryhub.embedded.running import environment_of

        environment = environment_of(data, os.environ, Path.cwd())
        # Results go to standard output and refusals are sentences: events would only stand between them.
        os.environ.update(environment, LOG_LEVEL="ERROR", LOG_FORMAT="text")
        if patient:
            os.environ["MEMORYHUB_STATEMENT_TIMEOUT_S"] = "0"
        import django

        django.setup()

    from django.db import OperationalError

    from apps.common.errors import DomainError

    try:
        yield
    except DomainError as error:
        complain(str(error))
        raise typer.Exit(REFUSED) from None
    except OperationalError as error:
        complain(f"The hub's database does not answer: {str(error).strip().splitlines()[0]}")
        raise typer.Exit(CANNOT) from None


def named_workspace(slug: str) -> "Workspace":
    """The workspace that the operator named; a sentence and exit code 1 when there is none. Call inside `open_hub`."""
    from apps.workspaces.models import Workspace
    from apps.workspaces.queries import workspace_by_slug

    try:
        return workspace_by_slug(slug)
    except Workspace.DoesNotExist:
        complain("There is no workspace of this name; `memoryhub workspace list` shows them.")
        raise typer.Exit(REFUSED) from None
