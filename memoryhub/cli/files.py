"""Single files of a hub: `ls`, `cat`, `put`, `rm`, `mv`, `log`, `diff`, `revert`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from memoryhub.cli.hub import REFUSED, JsonOption, complain

if TYPE_CHECKING:
    from memoryhub.client import Client

PathArgument = Annotated[str, typer.Argument(help="A path in the workspace.")]
VersionOption = Annotated[int | None, typer.Option("--version", help="An old version; `log` shows them.")]
MessageOption = Annotated[str, typer.Option("--message", "-m", help="Why; the history keeps it.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Whatever is there now.")]
DIFFERENT = 1


def ls(
    folder: Annotated[str, typer.Argument(help="Only below this folder.")] = "",
    as_json: JsonOption = False,
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """List files: size, time of the last change, version, path.

    memoryhub ls notes
    """
    with (
        open_client(Connection(url, token, workspace), profile) as client,
        client.index_stream(folder.strip("/")) as (_cursor, files),
    ):
        for file in files:
            if as_json:
                print(
                    json.dumps(
                        {
                            "path": file.path,
                            "version": file.version,
                            "size_bytes": file.size_bytes,
                            "sha256": file.sha256,
                            "changed_at": file.changed_at.isoformat(),
                        }
                    )
                )
            else:
                moment = f"{file.changed_at.astimezone():%Y-%m-%d %H:%M}"
                print(f"{file.size_bytes:>10}  {moment}  {file.version:>6}  {file.path}")


def cat(
    path: PathArgument,
    version: VersionOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Print a file, or one of its old versions.

    memoryhub cat notes/today.md
    """
    with open_client(Connection(url, token, workspace), profile) as client:
        for chunk in client.stream(path, version=version):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def put(
    source: Annotated[Path, typer.Argument(help="A file, or - for standard input.", allow_dash=True)],
    path: PathArgument,
    message: MessageOption = "",
    force: ForceOption = False,
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Store a file as the newest version of a path, unless somebody changes the path meanwhile.

    memoryhub put today.md notes/today.md -m "first thoughts"
    """
    import mimetypes

    from memoryhub.client import ANY

    content = sys.stdin.buffer.read() if str(source) == "-" else source
    if isinstance(content, Path) and not content.is_file():
        complain(f"{source} is not a file.")
        raise typer.Exit(2)
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    with open_client(Connection(url, token, workspace), profile) as client:
        expected = ANY if force else _version_of(client, path)
        change = client.put(path, content, if_version=expected, content_type=media_type, message=message)
    print(f"{change.result}: {change.path}, version {change.version}")


def rm(
    path: PathArgument,
    message: MessageOption = "",
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Delete a file. Its versions stay, and `revert` brings it back.

    memoryhub rm notes/today.md
    """
    with open_client(Connection(url, token, workspace), profile) as client:
        change = client.delete(path, if_version="any", message=message)
    print(f"deleted: {path}, version {change.version}")


def mv(
    source: PathArgument,
    target: PathArgument,
    message: MessageOption = "",
    force: ForceOption = False,
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Move a file. Its history stays at the old path.

    memoryhub mv notes/today.md notes/2026-05-04.md
    """
    from memoryhub.client import Transfer

    with open_client(Connection(url, token, workspace), profile) as client:
        (change,) = client.move([Transfer(source, target, "any" if force else 0)], message=message)
    print(f"{change.result}: {change.path}, version {change.version}")


def log(
    path: PathArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Show the versions of a file, newest first, with who wrote them.

    memoryhub log notes/today.md
    """
    with open_client(Connection(url, token, workspace), profile) as client:
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
            moment = f"{row.changed_at.astimezone():%Y-%m-%d %H:%M}"
            print(f"{row.version:>6}  {moment}  {size:>10}  {row.actor}  {row.message}".rstrip())


def diff(
    path: PathArgument,
    versions: Annotated[
        list[int] | None,
        typer.Argument(help="Two versions; one is compared with the newest, none is the newest with the one before."),
    ] = None,
    local: Annotated[Path | None, typer.Option(help="Compare with this file of the disk.", dir_okay=False)] = None,
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Show the lines that two versions differ in. Exit code 1 when they do.

    memoryhub diff notes/today.md 3 5

    memoryhub diff notes/today.md --local today.md
    """
    from difflib import unified_diff

    with open_client(Connection(url, token, workspace), profile) as client:
        before, after = _sides(client, path, versions or [], local)
    lines = list(unified_diff(before[1], after[1], before[0], after[0]))
    for line in lines:
        sys.stdout.write(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n")
    raise typer.Exit(DIFFERENT if lines else 0)


def revert(
    path: PathArgument,
    version: Annotated[int, typer.Argument(help="The version to bring back; `log` shows them.")],
    message: MessageOption = "",
    url: UrlOption = "",
    token: TokenOption = "",
    workspace: WorkspaceOption = "",
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Make an old version the newest. Nothing between them is lost.

    memoryhub revert notes/today.md 3
    """
    from memoryhub.client import Revert

    with open_client(Connection(url, token, workspace), profile) as client:
        (change,) = client.revert([Revert(path, version, "any")], message=message)
    print(f"{change.result}: {change.path}, version {change.version}")


def _version_of(client: "Client", path: str) -> int:
    """The newest version where the path is live, else 0."""
    from memoryhub.client import NotFound

    try:
        (newest,) = client.history(path, limit=1).items
    except NotFound:
        return 0
    return 0 if newest.is_deleted else newest.version


Side = tuple[str, list[str]]


def _sides(client: "Client", path: str, versions: list[int], local: Path | None) -> tuple[Side, Side]:
    """The names and lines of what is compared."""
    if local is not None:
        return _side(client, path, versions[0] if versions else None), (str(local), _lines(local.read_bytes()))
    if len(versions) >= 2:
        return _side(client, path, versions[0]), _side(client, path, versions[1])
    if versions:
        return _side(client, path, versions[0]), _side(client, path, None)
    written = [row.version for row in client.history(path, limit=2).items if not row.is_deleted]
    if len(written) < 2:
        complain("There are no two versions to compare.")
        raise typer.Exit(REFUSED)
    return _side(client, path, written[1]), _side(client, path, written[0])


def _side(client: "Client", path: str, version: int | None) -> Side:
    name = path if version is None else f"{path} (version {version})"
    return name, _lines(client.read(path, version=version))


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines(keepends=True)
