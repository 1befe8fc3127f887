"""`memoryhub snapshot`, but what concerns copies in targets."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.extracting import extract
from memoryhub.cli.hub import DataOption, JsonOption, named_workspace, open_hub

if TYPE_CHECKING:
    from apps.files.as_of_sql import DifferenceRow
    from apps.snapshots.models import Snapshot
    from apps.workspaces.models import Workspace

MOST_LINES_BYTES = 1024 * 1024

commands = typer.Typer()
SlugArgument = Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace.")]
NameArgument = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="As `memoryhub snapshot list` shows it.")]
PathOption = Annotated[str, typer.Option("--path", help="Only this folder, or this file.", show_default=False)]


@commands.command("create")
def create(
    slug: SlugArgument,
    name: Annotated[str, typer.Option(help="Default: manual_ and the time.", show_default=False)] = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by; may be given often.")] = None,
    data: DataOption = None,
) -> None:
    """Name the state that a workspace has now. Its history stays from then on; nothing is copied.

    memoryhub snapshot create default --name before-the-move
    """
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.actions import create_snapshot

        workspace = named_workspace(slug)
        snapshot = create_snapshot(workspace, name=name, message=message, tags=tag or (), actor=Actor.cli())
        print(snapshot.name)


@commands.command("list")
def list_all(slug: SlugArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the snapshots of a workspace, newest first."""
    with open_hub(data):
        from apps.snapshots.queries import snapshots_of

        rows = [_row(snapshot) for snapshot in snapshots_of(named_workspace(slug).pk)]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    shown = ("name", "kind", "created_at", "files", "size_bytes", "is_pinned", "message")
    headings = ["snapshot", "kind", "made", "files", "bytes", "pinned", "why"]
    print_table(headings, [[_cell(row[field]) for field in shown] for row in rows])


@commands.command("show")
def show(slug: SlugArgument, name: NameArgument, path: PathOption = "", data: DataOption = None) -> None:
    """List the files that a snapshot holds: size, version, path."""
    with open_hub(data, patient=True):
        from apps.files.paths import checked_prefix
        from apps.snapshots.queries import files_of, snapshot_of

        snapshot = snapshot_of(named_workspace(slug).pk, name)
        for row in files_of(snapshot, prefix=checked_prefix(path.strip("/"))):
            print(f"{row.size_bytes:>10}  {row.version:>6}  {row.path}")


@commands.command("diff")
def diff(
    slug: SlugArgument,
    name: NameArgument,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another snapshot, or `now`.")] = "now",
    path: PathOption = "",
    lines: Annotated[bool, typer.Option("--lines", help="Show the lines that differ, of texts up to 1 MiB.")] = False,
    data: DataOption = None,
) -> None:
    """List what was added, changed and deleted from a snapshot to another, or to now.

    memoryhub snapshot diff default before-the-move --lines
    """
    with open_hub(data, patient=True):
        from apps.files.paths import checked_prefix
        from apps.snapshots.queries import differences_of

        counts: Counter[str] = Counter()
        workspace, prefix = named_workspace(slug), checked_prefix(path.strip("/"))
        for difference in differences_of(workspace.pk, name, other, prefix=prefix):
            counts[difference.kind] += 1
            print(f"{difference.kind:8} {difference.row.path}")
            if lines:
                _print_lines(workspace, difference.row, name, other)
        print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "There is no difference.")


@commands.command("pin")
def pin(
    slug: SlugArgument,
    name: NameArgument,
    off: Annotated[bool, typer.Option("--off", help="Let it go again.")] = False,
    data: DataOption = None,
) -> None:
    """Keep a snapshot from being deleted."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.actions import pin_snapshot
        from apps.snapshots.queries import snapshot_of

        pin_snapshot(snapshot_of(named_workspace(slug).pk, name), is_pinned=not off, actor=Actor.cli())


@commands.command("delete")
def delete(slug: SlugArgument, name: NameArgument, data: DataOption = None) -> None:
    """Delete a snapshot. The files stay; its history goes where the workspace does not want to keep it."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.actions import delete_snapshot
        from apps.snapshots.queries import snapshot_of

        workspace = named_workspace(slug)
        delete_snapshot(workspace, snapshot_of(workspace.pk, name), actor=Actor.cli())


commands.command("extract")(extract)


def _print_lines(workspace: "Workspace", row: "DifferenceRow", before: str, after: str) -> None:
    from memoryhub.cli.lines import Side, print_lines

    if max(row.before_bytes or 0, row.after_bytes or 0) > MOST_LINES_BYTES:
        print("         (too large to be compared by line)")
        return
    old = Side(f"{row.path} ({before})", _bytes_of(workspace, row.before_sha256))
    print_lines(old, Side(f"{row.path} ({after})", _bytes_of(workspace, row.after_sha256)))


def _bytes_of(workspace: "Workspace", sha256: bytes | None) -> bytes:
    """Of a content; none where there is none."""
    from apps.blobs.objects import blob_chunks
    from apps.blobs.queries import stored_blobs

    if sha256 is None:
        return b""
    blob = stored_blobs(workspace.pk, [sha256])[sha256]
    return b"".join(blob_chunks(blob, 0, blob.size_bytes))


def _row(snapshot: "Snapshot") -> dict[str, object]:
    from apps.common.times import rfc3339

    return {
        "name": snapshot.name,
        "kind": snapshot.kind,
        "created_at": rfc3339(snapshot.created_at),
        "sequence": snapshot.sequence,
        "files": snapshot.files,
        "size_bytes": snapshot.size_bytes,
        "is_pinned": snapshot.is_pinned,
        "tags": snapshot.tags,
        "message": snapshot.message,
        "actor": snapshot.actor,
        "parent": snapshot.parent.name if snapshot.parent else None,
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value)
