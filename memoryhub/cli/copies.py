"""`memoryhub snapshot upload|copies|verify|pin-copy|delete-copy`: snapshots in targets."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.hub import REFUSED, DataOption, JsonOption, complain, named_workspace, open_hub
from memoryhub.cli.snapshots import SlugArgument

if TYPE_CHECKING:
    from apps.snapshots.models import RemoteCopy, RemoteTarget
    from apps.workspaces.models import Workspace

commands = typer.Typer()
CopyArgument = Annotated[str, typer.Argument(metavar="COPY", help="As `memoryhub snapshot copies` shows it.")]
TargetOption = Annotated[
    str, typer.Option("--target", help="Default: the one that the workspace's policy names.", show_default=False)
]


@commands.command("upload")
def upload(
    slug: SlugArgument,
    name: Annotated[str, typer.Argument(metavar="[SNAPSHOT]", help="Default: one of this moment is made.")] = "",
    target: TargetOption = "",
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Copy a snapshot to a target, and wait until it has arrived. Only what the target lacks travels.

    memoryhub snapshot upload default --target offsite
    """
    with open_hub(data, patient=True):
        from apps.accounts.actors import Actor
        from apps.snapshots.actions import create_snapshot
        from apps.snapshots.copies import open_job, request_upload
        from apps.snapshots.queries import snapshot_of
        from memoryhub.cli.working import finish

        workspace = named_workspace(slug)
        chosen = chosen_target(workspace, target)
        actor = Actor.cli()
        snapshot = snapshot_of(workspace.pk, name) if name else create_snapshot(workspace, actor=actor)
        copy = request_upload(workspace, snapshot, chosen, actor=actor)
        job = open_job(copy)
        if job is not None:
            finish(job, f"Uploading {snapshot.name}")
        copy.refresh_from_db()
        if as_json:
            print(json.dumps(_row(copy)))
        else:
            print(
                f"{copy.name} is in {chosen.name}: {copy.files} files, {copy.size_bytes} bytes; {copy.new_bytes} new, "
                f"{copy.reused_bytes} there already, {copy.sent_bytes} sent."
            )


def chosen_target(workspace: "Workspace", name: str) -> "RemoteTarget":
    """The target that was named, or that the workspace's policy names. Call inside `open_hub`."""
    from apps.snapshots.models import SnapshotPolicy
    from apps.snapshots.targets import settings_target, target_named

    settings_target()
    if name:
        return target_named(name, workspace_id=workspace.pk)
    policy = SnapshotPolicy.objects.select_related("target").filter(workspace=workspace).first()
    if policy is None or policy.target is None:
        complain("The workspace's policy names no target: say --target NAME; `memoryhub target list` shows them.")
        raise typer.Exit(REFUSED)
    return policy.target


@commands.command("copies")
def list_copies(
    slug: SlugArgument, target: TargetOption = "", as_json: JsonOption = False, data: DataOption = None
) -> None:
    """List what a target holds of a workspace, newest first; those of other hubs too."""
    with open_hub(data, patient=True):
        from apps.snapshots.copies import refresh
        from apps.snapshots.queries import copies_of
        from apps.snapshots.targets import repository_for

        workspace = named_workspace(slug)
        chosen = chosen_target(workspace, target)
        refresh(repository_for(workspace, chosen))
        rows = [_row(copy) for copy in copies_of(workspace.pk, target=chosen.name)]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    headings = ["copy", "kind", "made", "state", "files", "bytes", "ours", "verified", "damage"]
    shown = ("name", "kind", "created_at", "state", "files", "size_bytes", "is_ours", "verified_at", "damage")
    print_table(headings, [[_cell(row[field]) for field in shown] for row in rows])


@commands.command("verify")
def verify(
    slug: SlugArgument,
    name: CopyArgument,
    mode: Annotated[
        str, typer.Option(help="listing, sample, full (reads all of it), or trial (restores it into a scratch area).")
    ] = "full",
    target: TargetOption = "",
    data: DataOption = None,
) -> None:
    """Look whether a copy is whole. Exit code 1 when it is not."""
    with open_hub(data, patient=True):
        from apps.accounts.actors import Actor
        from apps.snapshots.copies import request_verify
        from apps.snapshots.models import VerifyMode
        from apps.snapshots.queries import copy_named
        from memoryhub.cli.working import finish

        if mode not in VerifyMode.values:
            complain(f"No such mode: {mode}. There are {', '.join(VerifyMode.values)}.")
            raise typer.Exit(REFUSED)
        workspace = named_workspace(slug)
        copy = copy_named(workspace.pk, chosen_target(workspace, target), name)
        finish(request_verify(copy, mode, actor=Actor.cli()), f"Verifying {name}")
        copy.refresh_from_db()
    if copy.damage:
        complain(f"{name} is damaged: {copy.damage}")
        raise typer.Exit(REFUSED)
    print(f"{name} is whole.")


@commands.command("pin-copy")
def pin(
    slug: SlugArgument,
    name: CopyArgument,
    off: Annotated[bool, typer.Option("--off", help="Let it go again.")] = False,
    target: TargetOption = "",
    data: DataOption = None,
) -> None:
    """Keep a copy from being deleted."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.copies import pin_copy
        from apps.snapshots.queries import copy_named

        workspace = named_workspace(slug)
        copy = copy_named(workspace.pk, chosen_target(workspace, target), name)
        pin_copy(copy, is_pinned=not off, actor=Actor.cli())


@commands.command("delete-copy")
def delete(slug: SlugArgument, name: CopyArgument, target: TargetOption = "", data: DataOption = None) -> None:
    """Delete a copy from its target. What only it needed goes with the next pruning."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.queries import copy_named
        from apps.snapshots.removals import delete_copy

        workspace = named_workspace(slug)
        delete_copy(copy_named(workspace.pk, chosen_target(workspace, target), name), actor=Actor.cli())


def _row(copy: "RemoteCopy") -> dict[str, object]:
    from apps.common.times import rfc3339, rfc3339_or_none

    return {
        "name": copy.name,
        "kind": copy.kind,
        "created_at": rfc3339(copy.created_at),
        "state": copy.state,
        "sealed_at": rfc3339_or_none(copy.sealed_at),
        "files": copy.files,
        "size_bytes": copy.size_bytes,
        "new_bytes": copy.new_bytes,
        "reused_bytes": copy.reused_bytes,
        "sent_bytes": copy.sent_bytes,
        "is_ours": copy.writer == copy.repository.writer,
        "is_pinned": copy.is_pinned,
        "verified_at": rfc3339_or_none(copy.verified_at),
        "damage": copy.damage,
    }


def _cell(value: object) -> str:
    return "yes" if value is True else "" if value in (None, False) else str(value)
