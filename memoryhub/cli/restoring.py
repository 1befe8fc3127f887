"""`memoryhub restore`: back to a snapshot, from a copy in a target, elsewhere, or all of a lost hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.copies import chosen_target
from memoryhub.cli.hub import CANNOT, REFUSED, DataOption, complain, named_workspace, open_hub
from memoryhub.cli.snapshots import PathOption

if TYPE_CHECKING:
    from apps.snapshots.models import RemoteCopy, Restore, Snapshot
    from apps.workspaces.models import Workspace

LATEST = "latest"


def restore(
    slug: Annotated[str, typer.Argument(metavar="[WORKSPACE]", help="Whose snapshot or copy it is.")] = "",
    name: Annotated[
        str, typer.Argument(metavar="[SNAPSHOT]", help="A snapshot; with --from-target a copy, or the newest.")
    ] = "",
    path: PathOption = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Also delete what was not there then; without it, such files stay.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    into: Annotated[
        str, typer.Option("--into", help="Into this workspace instead, made when it is missing.", show_default=False)
    ] = "",
    to: Annotated[Path | None, typer.Option("--to", help="Into this directory instead of a workspace.")] = None,
    from_target: Annotated[
        str, typer.Option("--from-target", help="From a target. Without a workspace: list what it holds.")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="With --from-target: every workspace that this hub does not have.")
    ] = False,
    on_fork: Annotated[
        str,
        typer.Option(help="When the newest copy and the workspace have gone different ways: refuse, newest, merge."),
    ] = "refuse",
    data: DataOption = None,
) -> None:
    """Bring files back to a snapshot. All or nothing, as ordinary changes that clients see.

    It makes a snapshot of the state before first: restoring that one, with --delete, undoes it.
    """
    with open_hub(data, patient=True):
        if from_target and not slug:
            _recover(from_target, everything=everything)
            return
        workspace = named_workspace(slug)
        # Brought up to the newest copy as a whole, the workspace and the copy may turn out to have forked.
        if from_target and name in ("", LATEST) and not (path or into or to):
            _come_to_newest(workspace, from_target, on_fork, dry_run=dry_run, yes=yes)
            return
        if on_fork != "refuse":
            complain("--on-fork is for the newest copy of a workspace, brought back as a whole.")
            raise typer.Exit(CANNOT)
        source = _source(workspace, name, from_target)
        if to is not None:
            _extract(source, path, to)
            return
        target = _found(into) if into else workspace
        if dry_run:
            _print_plan(source, target, path, delete=delete)
            return
        if not yes:
            _ask(f"Bring {path or 'all files'} of {into or slug} back to {source.name}?", deletes=delete)
        _restore(source, target or _created(into), path, delete=delete)


def _source(workspace: "Workspace", name: str, target_name: str) -> "Snapshot | RemoteCopy":
    """What is to be restored. Raises `NotFound`, and `NotRestorable` for a target that has nothing."""
    if not target_name:
        from apps.snapshots.queries import snapshot_of

        if not name:
            complain("Name a snapshot; `memoryhub snapshot list` shows them.")
            raise typer.Exit(CANNOT)
        return snapshot_of(workspace.pk, name)
    from apps.snapshots.copies import refresh
    from apps.snapshots.errors import NotRestorable
    from apps.snapshots.queries import copy_named, latest_copy
    from apps.snapshots.targets import repository_for

    target = chosen_target(workspace, target_name)
    repository = repository_for(workspace, target)
    refresh(repository)
    if name not in ("", LATEST):
        return copy_named(workspace.pk, target, name)
    newest = latest_copy(repository)
    if newest is None:
        raise NotRestorable("The target holds no copy of this workspace.")
    return newest


def _extract(source: "Snapshot | RemoteCopy", path: str, directory: Path) -> None:
    from apps.files.paths import checked_prefix
    from apps.snapshots.format.extracting import extract
    from apps.snapshots.restoring import reader_of

    with reader_of(source) as reader:
        done = extract(reader, directory, prefix=checked_prefix(path.strip("/")))
    print(f"{done.files} files, {done.size_bytes} bytes.")


def _found(slug: str) -> "Workspace | None":
    """None for one that can be made. Raises `Invalid`."""
    from apps.workspaces.actions import check_slug
    from apps.workspaces.queries import live_workspaces

    check_slug(slug)
    return live_workspaces().filter(slug=slug).first()


def _created(slug: str) -> "Workspace":
    from apps.accounts.actors import Actor
    from apps.workspaces.actions import create_workspace

    return create_workspace(slug, actor=Actor.cli())


def _print_plan(source: "Snapshot | RemoteCopy", target: "Workspace | None", path: str, *, delete: bool) -> None:
    from apps.files.paths import checked_prefix
    from apps.snapshots.previewing import planned

    counts = {"write": 0, "delete": 0}
    for changed, is_deleted in planned(source, target, prefix=checked_prefix(path.strip("/")), delete=delete):
        word = "delete" if is_deleted else "write"
        counts[word] += 1
        print(f"{word:8} {changed}")
    print(f"{counts['write']} to write, {counts['delete']} to delete.")


def _ask(question: str, *, deletes: bool) -> None:
    warning = " Files that were not there then are deleted." if deletes else ""
    if not typer.confirm(question + warning):
        complain("Nothing was changed.")
        raise typer.Exit(CANNOT)


def _restore(source: "Snapshot | RemoteCopy", target: "Workspace", path: str, *, delete: bool) -> None:
    from apps.accounts.actors import Actor
    from apps.files.paths import checked_prefix
    from apps.snapshots.actions import restore_snapshot
    from apps.snapshots.models import RemoteCopy
    from apps.snapshots.restores import request_restore

    actor, prefix = Actor.cli(), checked_prefix(path.strip("/"))
    if isinstance(source, RemoteCopy):
        _finish(request_restore(target, copy=source, prefix=prefix, delete=delete, actor=actor))
    elif source.workspace_id != target.pk:
        _finish(request_restore(target, snapshot=source, prefix=prefix, delete=delete, actor=actor))
    else:
        here = restore_snapshot(target, source, prefix=prefix, delete=delete, actor=actor)
        _tell(here.put, here.deleted, here.safety)


def _come_to_newest(workspace: "Workspace", target_name: str, on_fork: str, *, dry_run: bool, yes: bool) -> None:
    """Brings a workspace to the newest copy of a target, where that is ahead of it."""
    from apps.accounts.actors import Actor
    from apps.snapshots.restores import newest_for, request_newest

    newest = newest_for(workspace, chosen_target(workspace, target_name), on_fork=on_fork)
    if newest is None:
        print("The workspace has all that the newest copy has; nothing was changed.")
    elif dry_run and newest.is_merge:
        print(f"What {newest.copy.name} has changed is merged in, file by file; which files is found out by doing it.")
    elif dry_run:
        _print_plan(newest.copy, workspace, "", delete=True)
    else:
        if not yes:
            _ask(f"Bring {workspace.slug} to {newest.copy.name}?", deletes=not newest.is_merge)
        _finish(request_newest(workspace, newest, actor=Actor.cli()))


def _finish(restore: "Restore") -> None:
    """Exit code 1 where it did not succeed."""
    if complaint := _ended(restore):
        complain(complaint)
        raise typer.Exit(REFUSED)
    _tell(restore.put, restore.deleted, restore.safety)


def _ended(restore: "Restore") -> str:
    """Does a restore; why it did not succeed, or nothing."""
    from apps.jobs.models import Job
    from apps.snapshots.restores import RESTORE
    from memoryhub.cli.working import ended

    complaint = ended(Job.objects.get(kind=RESTORE, subject=str(restore.public_id)), f"Restoring {restore.source}")
    restore.refresh_from_db()
    return complaint


def _tell(put: int, deleted: int, safety: "Snapshot | None") -> None:
    if safety is None:
        print("Everything is as it was then; nothing was changed.")
    else:
        print(f"{put} files written, {deleted} deleted. The state before is {safety.name}.")


def _recover(name: str, *, everything: bool) -> None:
    """Lists what a target holds; with `everything` brings back what this hub does not have."""
    from apps.accounts.actors import Actor
    from apps.common.errors import DomainError
    from apps.snapshots.recovery import found_in, recover
    from apps.snapshots.targets import settings_target, target_named
    from memoryhub.cli.tables import print_table

    settings_target()
    target = target_named(name)
    found = found_in(target)
    if not everything:
        rows = [
            [
                entry.slug,
                str(entry.copies),
                f"{entry.last_change:%Y-%m-%d %H:%M}" if entry.last_change else "",
                "yes" if entry.is_here else "",
            ]
            for entry in found
        ]
        print_table(["workspace", "copies", "last one", "is here"], rows)
        return
    failed = False
    for entry in found:
        if entry.is_here:
            print(f"{entry.slug}: is here already.")
            continue
        print(f"{entry.slug}: ", end="", flush=True)
        try:
            restore = recover(target, entry.slug, actor=Actor.cli())
        except DomainError as error:
            print(str(error))
            failed = True
            continue
        if complaint := _ended(restore):
            print(complaint)
            failed = True
        else:
            _tell(restore.put, restore.deleted, restore.safety)
    if failed:
        raise typer.Exit(REFUSED)
