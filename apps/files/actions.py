"""The one write path: every change of a file goes through `apply_change` or `apply_changes`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from uuid import UUID

from apps.accounts.actors import Actor
from apps.blobs.actions import bring_back_object, drop_unnamed, store_object
from apps.blobs.content import Content
from apps.common.conditions import Condition
from apps.common.errors import Busy, NotFound, PreconditionFailed, shown
from apps.files import group_commit, sql
from apps.files.changes import Change, ChangeItem, ChangeStatus, Write
from apps.files.models import Origin
from apps.files.nudges import note_write
from apps.files.paths import check_portable, checked_path

MOVE_ATTEMPTS = 4


class WorkspaceRef(Protocol):
    """What the write path needs of a workspace: the gate's answer and the model both fit."""

    @property
    def id(self) -> int: ...
    @property
    def public_id(self) -> UUID: ...
    @property
    def portable_names(self) -> bool: ...


def put_file(
    workspace: WorkspaceRef,
    path: str,
    content: Content,
    *,
    condition: Condition,
    content_type: str,
    actor: Actor,
    origin: Origin = Origin.PUT,
    message: str = "",
    always: bool = False,
) -> Change:
    """Makes `content` the newest version of a path. Durable when it returns.

    Equal bytes and content type answer `unchanged` and write nothing, unless `always`: then a new version is made,
    as clients of older wires need. Raises the refusal's error: `PreconditionFailed`, `QuotaExceeded`,
    `PathCollision`, `BadPath`, `NotFound` for content that is named by sha256 only and unknown.
    """
    if workspace.portable_names:
        check_portable(path)
    item = ChangeItem(checked_path(path), condition, content, content_type)
    return _apply_one(workspace, item, always=always, origin=origin, actor=actor, message=message)


def delete_file(
    workspace: WorkspaceRef,
    path: str,
    *,
    condition: Condition,
    actor: Actor,
    origin: Origin = Origin.PUT,
    message: str = "",
    always: bool = False,
) -> Change:
    """Puts a tombstone on a path. Raises `NotFound` where nothing lives (with `always`: where nothing ever was)."""
    item = ChangeItem(checked_path(path), condition)
    return _apply_one(workspace, item, always=always, origin=origin, actor=actor, message=message)


def apply_change(
    workspace: WorkspaceRef,
    item: ChangeItem,
    *,
    actor: Actor,
    origin: Origin = Origin.SYNC,
    message: str = "",
    always: bool = False,
) -> Change:
    """Applies one item, whose path has been checked; a refusal is in the answer, with the state that refused it.

    Not inside a transaction when the content is a spooled file.
    """

    def write(item: ChangeItem) -> Change:
        return group_commit.apply_change(workspace.id, Write(item, origin, str(actor), message, always))

    if item.content is not None and item.content.spool is not None:
        bring_back_object(workspace.id, workspace.public_id, item.content.sha256, item.content.spool)
        change = _apply_large(workspace.public_id, item, item.content.spool, write)
    else:
        change = write(item)
    if _wrote(change):
        note_write(workspace.id)
    return change


def _apply_large(public_id: UUID, item: ChangeItem, spool: Path, write: Callable[[ChangeItem], Change]) -> Change:
    """First without the bytes: what is refused, or known to the workspace, is never stored for nothing."""
    assert item.content is not None
    change = write(replace(item, content=replace(item.content, spool=None)))
    if change.status is not ChangeStatus.BLOB_MISSING:
        return change
    key = store_object(public_id, spool)
    change = write(replace(item, content=replace(item.content, spool=None, object_key=key)))
    drop_unnamed(key)
    return change


def apply_changes(
    workspace: WorkspaceRef,
    items: Sequence[ChangeItem],
    *,
    all_or_nothing: bool,
    actor: Actor,
    origin: Origin = Origin.SYNC,
    message: str = "",
    always: bool = False,
    inline_max: int | None = None,
) -> list[Change]:
    """Applies items in order as one change set and answers one `Change` for each; refusals are in the answers.

    The paths have been checked and are distinct. One round trip; joins a surrounding transaction. Contents in memory
    that are longer than `inline_max` become objects first; then it is not for the inside of a transaction.
    """
    if not items:
        return []
    items = [_placed(workspace.public_id, item, inline_max) for item in items]
    changes = sql.apply_changes(
        workspace.id,
        items,
        all_or_nothing=all_or_nothing,
        always=always,
        origin=origin,
        actor=str(actor),
        message=message,
    )
    for item in items:
        if item.content is not None and item.content.object_key is not None:
            drop_unnamed(item.content.object_key)
    if any(_wrote(change) for change in changes):
        note_write(workspace.id)
    return changes


def _placed(public_id: UUID, item: ChangeItem, inline_max: int | None) -> ChangeItem:
    content = item.content
    if inline_max is None or content is None or content.inline is None or content.size_bytes <= inline_max:
        return item
    key = store_object(public_id, content.inline)
    return replace(item, content=replace(content, inline=None, object_key=key))


@dataclass(frozen=True, slots=True)
class Transfer:
    """A copy or a move within one workspace. `source_version` None takes the newest live one."""

    source: str
    target: str
    condition: Condition
    source_version: int | None = None


def copy_files(
    workspace: WorkspaceRef, transfers: Sequence[Transfer], *, actor: Actor, message: str = ""
) -> list[Change]:
    """Makes each target hold what its source holds, all or nothing; no bytes travel. One `Change` a target.

    Raises the first refusal's error, `NotFound` for a source that is not live.
    """
    items = []
    for transfer in transfers:
        state = _source_state(workspace, transfer.source, transfer.source_version)
        items.append(_put_of(workspace, transfer.target, transfer.condition, state))
    return all_applied(
        apply_changes(workspace, items, all_or_nothing=True, actor=actor, origin=Origin.PUT, message=message)
    )


def move_files(
    workspace: WorkspaceRef, transfers: Sequence[Transfer], *, actor: Actor, message: str = ""
) -> list[Change]:
    """Moves each source to its target, all or nothing. One `Change` a target.

    A source that changes meanwhile is read again, a few times, then `Busy`. With `source_version` it must be the
    newest, else `PreconditionFailed`.
    """
    for _ in range(MOVE_ATTEMPTS):
        items = []
        for transfer in transfers:
            state = _source_state(workspace, transfer.source, None)
            if transfer.source_version not in (None, state.version):
                raise PreconditionFailed(
                    "The source is at another version.",
                    path=shown(transfer.source),
                    version=state.version,
                    sha256=state.sha256.hex(),
                    md5=state.md5.hex(),
                )
            items.append(ChangeItem(transfer.source, Condition.at_version(state.version)))
            items.append(_put_of(workspace, transfer.target, transfer.condition, state))
        changes = apply_changes(workspace, items, all_or_nothing=True, actor=actor, origin=Origin.PUT, message=message)
        source_moved_on = any(
            change.status in (ChangeStatus.PRECONDITION_FAILED, ChangeStatus.NOT_FOUND) for change in changes[::2]
        )
        if not source_moved_on:
            return all_applied(changes[1::2])
    raise Busy


@dataclass(frozen=True, slots=True)
class Revert:
    """Bring a path back to the state it had at `version`; a tombstone's version deletes it again."""

    path: str
    version: int
    condition: Condition


def revert_files(
    workspace: WorkspaceRef,
    reverts: Sequence[Revert],
    *,
    actor: Actor,
    origin: Origin = Origin.PUT,
    message: str = "",
) -> list[Change]:
    """Writes old states as new versions, all or nothing. Raises `NotFound` for a version that the path never had."""
    items = []
    for revert in reverts:
        state = sql.version_row(workspace.id, checked_path(revert.path), revert.version)
        if state is None:
            raise NotFound(path=shown(revert.path))
        if state.is_deleted:
            items.append(ChangeItem(revert.path, revert.condition))
        else:
            items.append(_put_of(workspace, revert.path, revert.condition, state))
    changes = apply_changes(workspace, items, all_or_nothing=True, actor=actor, origin=origin, message=message)
    return all_applied(changes)


def _source_state(workspace: WorkspaceRef, path: str, version: int | None) -> sql.BlobRow:
    checked_path(path)
    state = sql.head_row(workspace.id, path) if version is None else sql.version_row(workspace.id, path, version)
    if state is None or state.is_deleted:
        raise NotFound(path=shown(path))
    return state


def _put_of(workspace: WorkspaceRef, path: str, condition: Condition, state: sql.BlobRow) -> ChangeItem:
    if workspace.portable_names:
        check_portable(path)
    return ChangeItem(checked_path(path), condition, Content(state.sha256), state.content_type)


def all_applied(changes: list[Change]) -> list[Change]:
    """The changes of an all-or-nothing call. Raises the first refusal's error, with its `path`."""
    refusals = [change for change in changes if not change.is_applied]
    for change in sorted(refusals, key=lambda change: change.status is ChangeStatus.NOT_APPLIED):
        error = change.error
        assert error is not None
        error.fields["path"] = shown(change.path)
        raise error
    return changes


def _apply_one(
    workspace: WorkspaceRef, item: ChangeItem, *, always: bool, origin: Origin, actor: Actor, message: str
) -> Change:
    change = apply_change(workspace, item, always=always, origin=origin, actor=actor, message=message)
    if change.error:
        raise change.error
    return change


def _wrote(change: Change) -> bool:
    return change.is_applied and change.status is not ChangeStatus.UNCHANGED
