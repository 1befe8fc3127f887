"""`memoryhub sync`."""

import json
import sys
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
    open_client,
)
from memoryhub.cli.hub import REFUSED, complain

if TYPE_CHECKING:
    from memoryhub.cli.telling import Teller
    from memoryhub.client import Client
    from memoryhub.client.folder.engine import Options
    from memoryhub.client.folder.report import Report

MOST_DELETES = 50
INTERRUPTED = 130


def sync(
    folder: Annotated[Path, typer.Argument(help="The folder to keep in step.", file_okay=False)],
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
    prefix: Annotated[str, typer.Option(help="Only this folder of the workspace.", show_default=False)] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and sync whenever something changes.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say how the folder stands, without asking the hub.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as into a pipe.")] = False,
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help=f"More than {MOST_DELETES} deletions at once are meant.")
    ] = False,
) -> None:
    """Keep a folder in step with a workspace, both ways. Nothing that was written is ever lost.

    memoryhub sync notes

    memoryhub sync notes --prefix journal --watch

    Exit codes: 0 in step; 1 some files are not, and it says which and why; 2 it could not run; 3 another sync of the
    folder runs; 4 many files would be deleted at once; 5 the folder belongs to another workspace.
    """
    from memoryhub.cli.telling import JsonLines, teller_for
    from memoryhub.client.folder.engine import Options
    from memoryhub.client.folder.errors import FolderError

    teller = teller_for(as_json=as_json)
    options = Options(prefix=prefix, deletes_limit=None if allow_deletes else MOST_DELETES)
    try:
        if status:
            _tell_status(folder, as_json=isinstance(teller, JsonLines))
            return
        with open_client(Connection(url, token, workspace), profile) as client:
            if dry_run:
                _tell_plan(folder, client, options, teller)
            elif watch:
                _watch(folder, client, options, teller)
            elif not _sync_once(folder, client, options, teller).is_whole:
                raise typer.Exit(REFUSED)
    except FolderError as error:
        complain(str(error))
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _sync_once(folder: Path, client: "Client", options: "Options", teller: "Teller") -> "Report":
    from dataclasses import replace

    from memoryhub.client.folder.engine import Folder
    from memoryhub.client.folder.errors import TooManyDeletes

    with teller.running():
        try:
            report = Folder(folder, client, options, listener=teller.hear, expect=teller.expect).sync()
        except TooManyDeletes as error:
            if not teller.asks(f"Delete {error.here} files here and {error.there} on the hub?"):
                raise
            meant = replace(options, deletes_limit=None)
            report = Folder(folder, client, meant, listener=teller.hear, expect=teller.expect).sync()
    teller.finished(report)
    return report


def _watch(folder: Path, client: "Client", options: "Options", teller: "Teller") -> None:
    from memoryhub.client import ConnectionFailed, TryLater
    from memoryhub.client.folder.watching import Pace, occasions

    pace = Pace()
    _sync_once(folder, client, options, teller)
    for files_changed in occasions(folder, pace, stopped=lambda: False):
        try:
            report = _sync_once(folder, client, options, teller)
        except (ConnectionFailed, TryLater) as error:
            complain(str(error))
            pace.after(something_happened=False)
        else:
            pace.after(something_happened=files_changed or bool(report.done))


def _tell_plan(folder: Path, client: "Client", options: "Options", teller: "Teller") -> None:
    from memoryhub.client.folder.engine import Folder

    for step, path in Folder(folder, client, options).plan():
        teller.planned(step, path)


def _tell_status(folder: Path, *, as_json: bool) -> None:
    from memoryhub.client.folder.status import status_of

    status = status_of(folder)
    if as_json:
        print(json.dumps(status))
        return
    for name, value in status.items():
        print(f"{name.replace('_', ' '):16} {value if value is not None else '-'}", file=sys.stdout)
