"""`memoryhub sync`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.connecting import (
    DEFAULT_PROFILE,
    Connection,
    ProfileOption,
    TokenOption,
    UrlOption,
    WorkspaceOption,
    file_errors,
    open_client,
)
from memoryhub.cli.hub import CANNOT, REFUSED, complain

if TYPE_CHECKING:
    from memoryhub.cli.telling import Teller
    from memoryhub.client import Client
    from memoryhub.client.folder.engine import Options
    from memoryhub.client.folder.errors import FolderError
    from memoryhub.client.folder.report import Report, TooManyDeletes

IN_USE, MANY_DELETES, ANOTHER_HUB, INTERRUPTED = 3, 4, 5, 130
"""Exit codes beside those of all commands."""


FolderArgument = Annotated[Path, typer.Argument(help="The folder to keep in step.", file_okay=False)]
PrefixOption = Annotated[str, typer.Option("--prefix", help="Only this folder of the workspace.", show_default=False)]
WatchOption = Annotated[bool, typer.Option("--watch", help="Stay, and sync whenever something changes.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
StatusOption = Annotated[bool, typer.Option("--status", help="Say how the folder stands, without asking the hub.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines, as into a pipe.")]
AllowOption = Annotated[bool, typer.Option("--allow-deletes", help="Many deletions at once are meant.")]


def sync(
    folder: FolderArgument,
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: PrefixOption = "",
    watch: WatchOption = False,
    dry_run: DryRunOption = False,
    status: StatusOption = False,
    as_json: JsonOption = False,
    allow_deletes: AllowOption = False,
) -> None:
    """Keep a folder in step with a workspace, both ways. Nothing that was written is ever lost.

    memoryhub sync notes

    memoryhub sync notes --prefix journal --watch

    Exit codes: 0 in step; 1 some files are not, and it says which and why; 2 it could not run; 3 another sync of the
    folder runs; 4 many files would be deleted at once; 5 the folder belongs to another workspace.
    """
    if watch and dry_run:
        complain("--dry-run ends when it has told its plan: leave out --watch.")
        raise typer.Exit(CANNOT)
    with file_errors(), _folder_errors():
        from memoryhub.cli.telling import teller_for
        from memoryhub.client.folder.engine import Options

        teller = teller_for(as_json=as_json)
        if status:
            _tell_status(folder, teller)
            return
        options = Options(prefix, deletes_limit=None) if allow_deletes else Options(prefix)
        with open_client(Connection(url, token, workspace), profile) as client:
            if dry_run:
                _tell_plan(folder, client, options, teller)
            elif watch:
                _watch(folder, client, options, teller)
            else:
                _sync(folder, client, options, teller)


@contextmanager
def _folder_errors() -> Iterator[None]:
    """What keeps a folder from being synced becomes a sentence and its exit code."""
    from memoryhub.client.folder.errors import FolderError

    try:
        yield
    except FolderError as error:
        complain(str(error))
        raise typer.Exit(_exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _exit_code(error: "FolderError") -> int:
    from memoryhub.client.folder.errors import AnotherHub, FolderInUse

    codes = {FolderInUse: IN_USE, AnotherHub: ANOTHER_HUB}
    return codes.get(type(error), CANNOT)


def _sync(folder: Path, client: "Client", options: "Options", teller: "Teller") -> None:
    from dataclasses import replace

    report = _sync_once(folder, client, options, teller)
    many = report.held_back
    if many is not None and teller.asks(f"Of {many.of} files delete {many.here} here and {many.there} on the hub?"):
        report = _sync_once(folder, client, replace(options, deletes_limit=None), teller)
    _end_if_many(report.held_back)
    if not report.is_whole:
        raise typer.Exit(REFUSED)


def _sync_once(folder: Path, client: "Client", options: "Options", teller: "Teller") -> "Report":
    from memoryhub.client.folder.engine import Folder

    with teller.running():
        report = Folder(folder, client, options, listener=teller.hear, expect=teller.expect).sync()
    teller.finished(report)
    return report


def _end_if_many(held_back: "TooManyDeletes | None") -> None:
    if held_back is not None:
        complain(str(held_back))
        raise typer.Exit(MANY_DELETES)


def _watch(folder: Path, client: "Client", options: "Options", teller: "Teller") -> None:
    from memoryhub.client.folder.watching import keep_in_step

    keep_in_step(folder, client, lambda: _sync_once(folder, client, options, teller), complain)


def _tell_plan(folder: Path, client: "Client", options: "Options", teller: "Teller") -> None:
    from memoryhub.client.folder.engine import Folder

    trial = Folder(folder, client, options, listener=teller.hear).plan()
    for step, path in trial.steps:
        teller.planned(step, path)
    _end_if_many(trial.held_back)


def _tell_status(folder: Path, teller: "Teller") -> None:
    from memoryhub.client.folder.status import status_of

    teller.stands(status_of(folder))
