"""Single files of a hub: `ls`, `cat`, `put`, `rm`, `mv`, `log`, `diff`, `revert`."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoryhub.cli.connecting import on_hub
from memoryhub.cli.hub import CANNOT, JsonOption, complain
from memoryhub.cli.lines import Side, print_lines

if TYPE_CHECKING:
    from memoryhub.client import Change, Client


def _path(text: str) -> str:
    """Paths begin at the workspace, whether they say so by a slash or not."""
    return text.lstrip("/")


PathArgument = Annotated[str, typer.Argument(help="A path in the workspace.", callback=_path)]
VersionOption = Annotated[int | None, typer.Option("--version", help="An old version; `log` shows them.")]
MessageOption = Annotated[str, typer.Option("--message", "-m", help="Why; the history keeps it.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Whatever is there now.")]
DIFFERENT = 1
"""Exit code of `diff`."""


@on_hub
def ls(
    client: "Client",
    folder: Annotated[str, typer.Argument(help="Only below this folder.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List files: size, time of the last change, version, path.

    memoryhub ls notes
    """
    with client.index_stream(folder.strip("/")) as (_cursor, files):
        for file in files:
            if as_json:
                shown = {
                    "path": file.path,
                    "version": file.version,
                    "size_bytes": file.size_bytes,
                    "sha256": file.sha256,
                    "changed_at": file.changed_at.isoformat(),
                }
                print(json.dumps(shown))
            else:
                print(f"{file.size_bytes:>10}  {_moment(file.changed_at)}  {file.version:>6}  {file.path}")


@on_hub
def cat(
    client: "Client",
    path: PathArgument,
    version: VersionOption = None,
) -> None:
    """Print a file, or one of its old versions.

    memoryhub cat notes/today.md
    """
    for chunk in client.stream(path, version=version):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


@on_hub
def put(
    client: "Client",
    source: Annotated[Path, typer.Argument(help="A file, or - for standard input.", allow_dash=True)],
    path: PathArgument,
    message: MessageOption = "",
    force: ForceOption = False,
) -> None:
    """Store a file as the newest version of a path. Not where somebody changes the path meanwhile.

    memoryhub put today.md notes/today.md -m "first thoughts"
    """
    import mimetypes

    from memoryhub.client import ANY

    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    with _sent_file(source) as file:
        expected = ANY if force else _version_of(client, path)
        change = client.put(path, file, if_version=expected, content_type=media_type, message=message)
    _tell(change)


@contextmanager
def _sent_file(source: Path) -> Iterator[Path]:
    """A file of the disk that holds what is to be sent: its digest is sent ahead, and standard input comes once."""
    from shutil import copyfileobj
    from tempfile import NamedTemporaryFile

    if str(source) == "-":
        with NamedTemporaryFile(prefix="memoryhub-") as spooled:
            copyfileobj(sys.stdin.buffer, spooled)
            spooled.flush()
            yield Path(spooled.name)
        return
    if not (source.is_file() and os.access(source, os.R_OK)):
        complain(f"{source} is no file that can be read.")
        raise typer.Exit(CANNOT)
    yield source


@on_hub
def rm(
    client: "Client",
    path: PathArgument,
    message: MessageOption = "",
) -> None:
    """Delete a file. Its versions stay, and `revert` brings it back.

    memoryhub rm notes/today.md
    """
    from memoryhub.client import ANY

    _tell(client.delete(path, if_version=ANY, message=message))


@on_hub
def mv(
    client: "Client",
    source: PathArgument,
    target: PathArgument,
    message: MessageOption = "",
    force: ForceOption = False,
) -> None:
    """Move a file. Its history stays at the old path.

    memoryhub mv notes/today.md notes/2026-05-04.md
    """
    from memoryhub.client import ANY, Transfer

    if source == target:
        complain(f"{source} cannot be moved to where it is.")
        raise typer.Exit(CANNOT)
    (change,) = client.move([Transfer(source, target, ANY if force else 0)], message=message)
    _tell(change)


@on_hub
def log(
    client: "Client",
    path: PathArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the versions of a file, newest first, with who wrote them.

    memoryhub log notes/today.md
    """
    rows = client.history(path, limit=limit).items
    for row in rows:
        if as_json:
            shown: dict[str, Any] = {
                "version": row.version,
                "is_deleted": row.is_deleted,
                "size_bytes": row.size_bytes,
                "sha256": row.sha256,
                "changed_at": row.changed_at.isoformat(),
                "actor": row.actor,
                "origin": row.origin,
                "message": row.message,
            }
            print(json.dumps(shown))
        else:
            size = "deleted" if row.is_deleted else str(row.size_bytes)
            why = "".join(character if character.isprintable() else " " for character in row.message)
            print(f"{row.version:>6}  {_moment(row.changed_at)}  {size:>10}  {row.actor}  {why}".rstrip())


@partial(on_hub, refused=CANNOT)
def diff(
    client: "Client",
    path: PathArgument,
    versions: Annotated[
        list[int] | None,
        typer.Argument(help="Two versions; one is compared with the newest, none is the newest with the one before."),
    ] = None,
    local: Annotated[
        Path | None, typer.Option(help="Compare with this file of the disk.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Show the lines that two versions differ in. Exit code 0 when they do not, 1 when they do, 2 for trouble.

    memoryhub diff notes/today.md 3 5

    memoryhub diff notes/today.md --local today.md
    """
    if len(versions or []) > (2 if local is None else 1):
        raise typer.BadParameter("Two are compared, no more.")
    before, after = _sides(client, path, versions or [], local)
    if before.data != after.data:
        print_lines(before, after)
        raise typer.Exit(DIFFERENT)


@on_hub
def revert(
    client: "Client",
    path: PathArgument,
    version: Annotated[int, typer.Argument(help="The version to bring back; `log` shows them.")],
    message: MessageOption = "",
) -> None:
    """Make an old version the newest. Nothing between them is lost.

    memoryhub revert notes/today.md 3
    """
    from memoryhub.client import ANY, Revert

    (change,) = client.revert([Revert(path, version, ANY)], message=message)
    _tell(change)


def _moment(time: datetime) -> str:
    """In this machine's time zone."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def _tell(change: "Change") -> None:
    version = f", version {change.version}" if change.version is not None else ""
    print(f"{change.result}: {change.path}{version}")


def _version_of(client: "Client", path: str) -> int:
    """The newest version where the path is live, else 0."""
    from memoryhub.client import NotFound

    try:
        (newest,) = client.history(path, limit=1).items
    except NotFound:
        return 0
    return 0 if newest.is_deleted else newest.version


def _sides(client: "Client", path: str, versions: list[int], local: Path | None) -> tuple[Side, Side]:
    if local is not None:
        return _side(client, path, versions[0] if versions else None), Side(str(local), local.read_bytes())
    if len(versions) == 2:
        return _side(client, path, versions[0]), _side(client, path, versions[1])
    if versions:
        return _side(client, path, versions[0]), _side(client, path, None)
    written = list(islice(_written(client, path), 2))
    if len(written) < 2:
        complain(f"There are no two versions of {path} to compare.")
        raise typer.Exit(CANNOT)
    return _side(client, path, written[1]), _side(client, path, written[0])


def _written(client: "Client", path: str) -> Iterator[int]:
    """The versions that have bytes, newest first."""
    cursor = None
    while True:
        page = client.history(path, cursor=cursor)
        yield from (row.version for row in page.items if not row.is_deleted)
        if (cursor := page.next_cursor) is None:
            return


def _side(client: "Client", path: str, version: int | None) -> Side:
    name = path if version is None else f"{path} (version {version})"
    return Side(name, client.read(path, version=version))
