"""A workspace with two snapshots, the first of which is in a target too."""

from dataclasses import dataclass

from apps.snapshots.actions import create_snapshot
from apps.snapshots.models import RemoteCopy, RemoteTarget, Snapshot
from apps.snapshots.queries import snapshot_of
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.work import fill, uploaded


@dataclass(frozen=True, slots=True)
class Kept:
    """`first` holds a.md and gone.md; `second` holds a changed a.md and new.md."""

    workspace: Workspace
    first: Snapshot
    second: Snapshot
    target: RemoteTarget
    copy: RemoteCopy

    @property
    def slug(self) -> str:
        return self.workspace.slug


def make_kept(target: RemoteTarget) -> Kept:
    workspace = make_workspace("mine")
    fill(workspace, {"a.md": b"one fine day\n", "gone.md": b"secret words\n"})
    copy = uploaded(workspace, target, "first", message="the old layout", tags=["layout"])
    fill(workspace, {"a.md": b"one grand day\n", "new.md": b"new\n", "gone.md": None})
    second = create_snapshot(workspace, name="second", actor=ACTOR)
    return Kept(workspace, snapshot_of(workspace.pk, "first"), second, target, copy)
