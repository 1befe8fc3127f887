"""Keeping history, and the one way in which it goes early."""

from dataclasses import dataclass
from itertools import pairwise

from django.db import transaction

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import ConfirmRequired, NotFound
from apps.files import sql, upkeep_sql
from apps.files.actions import WorkspaceRef
from apps.files.models import SEQUENCE_BITS, File, FileVersion, Hold
from apps.files.paths import checked_path
from apps.files.retention import is_held
from apps.workspaces.standing import require_owner


@dataclass(frozen=True, slots=True)
class Held:
    """A sequence whose history stays, and what was live as of the newest one when it was held."""

    sequence: int
    live_files: int
    live_bytes: int


def hold(workspace: WorkspaceRef, *, holder: str, sequence: int | None = None) -> Held:
    """Keeps the history as of a sequence, the newest when none is given, until `release`.

    Taken under the lock that every write takes, and retention too: what is there now stays there. Joins a transaction,
    and keeps the lock until its end.
    """
    with transaction.atomic(savepoint=False):
        last, live_files, live_bytes = upkeep_sql.locked_counter(workspace.id)
        held = last if sequence is None else min(sequence, last)
        Hold.objects.create(workspace_id=workspace.id, holder=holder, sequence=held)
    return Held(held, live_files, live_bytes)


def release(workspace: WorkspaceRef, *, holder: str) -> None:
    """Lets the history go where retention wants it. Twice is fine."""
    Hold.objects.filter(workspace_id=workspace.id, holder=holder).delete()


def purge_path(workspace: WorkspaceRef, path: str, *, confirm: str, actor: Actor, acting_role: str) -> dict[str, int]:
    """An owner's: removes the old versions of a path, a deleted path altogether, except what a hold needs. Audited.

    `confirm` repeats the path. Returns how many versions were `removed` and `held`; their bytes go with the next
    collection. Raises `ScopeMissing` for who is no owner, `ConfirmRequired`, `NotFound`.
    """
    require_owner(acting_role)
    if confirm != checked_path(path):
        raise ConfirmRequired("Repeat the path in confirm: its old versions will be gone for good.")
    with transaction.atomic(durable=True):
        upkeep_sql.locked_counter(workspace.id)
        file = File.objects.filter(workspace_id=workspace.id, path=path).first()
        if file is None:
            raise NotFound
        base = workspace.id << SEQUENCE_BITS
        numbers = [
            number - base
            for number in FileVersion.objects.filter(file=file).order_by("id").values_list("id", flat=True)
        ]
        holds = sorted(Hold.objects.filter(workspace_id=workspace.id).values_list("sequence", flat=True))
        pairs = list(pairwise(numbers))
        doomed = [version for version, successor in pairs if not is_held(version, successor, holds)]
        removed = upkeep_sql.remove_versions(workspace.id, doomed)
        held = len(pairs) - len(doomed)
        if file.is_deleted and not held:
            removed += upkeep_sql.remove_tombstones(workspace.id, [file.head & sql.SEQUENCE_MASK])
        record_audit(
            "files.purged",
            actor=actor,
            workspace_id=workspace.id,
            subject=path[:200],
            details={"removed": removed, "held": held},
        )
    return {"removed": removed, "held": held}
