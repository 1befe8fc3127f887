"""How the paths of an import stand at the hub: who wrote them last, and what earlier imports have brought."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from apps.accounts.actors import Actor
from apps.dialects.memory_proxy.provenance import Provenance
from apps.files.queries import change_sets_since

SETS_AT_ONCE = 1000


@dataclass(slots=True)
class Standing:
    """A path that was written before. `is_ours`: its newest version came by an import, here at `version`."""

    version: int
    is_ours: bool
    imported: list[Provenance] = field(default_factory=list)
    """By earlier runs, oldest first."""

    def has(self, provenance: Provenance) -> bool:
        return any(known.is_same(provenance) for known in self.imported)

    def has_object(self, *, changed_at: datetime, md5: str, object_version: str | None) -> bool:
        """As `Provenance.is_object`, of any."""
        return any(
            known.is_object(changed_at=changed_at, md5=md5, object_version=object_version) for known in self.imported
        )

    def is_past(self, changed_at: datetime) -> bool:
        """Whether something newer was imported before."""
        return any(known.changed_at > changed_at for known in self.imported)


class Standings:
    """Of the given paths, as of now. Costs a walk over the workspace's history."""

    def __init__(self, workspace_id: int, paths: Collection[str]) -> None:
        self._standings: dict[str, Standing] = {}
        operator, last = str(Actor.cli()), 0
        while sets := change_sets_since(workspace_id, last, limit=SETS_AT_ONCE):
            for change_set in sets:
                for version in change_set.versions:
                    if version.path in paths:
                        provenance = None
                        # Nobody else can pass a change for an import: only the operator's own have this actor.
                        if change_set.actor == operator:
                            is_deleted = version.blob_id is None
                            provenance = Provenance.from_message(change_set.message, is_deleted=is_deleted)
                        self._saw(version.path, version.version, provenance)
            last = sets[-1].last

    def _saw(self, path: str, version: int, provenance: Provenance | None) -> None:
        self.wrote(path, version, is_ours=provenance is not None)
        if provenance is not None:
            self._standings[path].imported.append(provenance)

    def of(self, path: str) -> Standing | None:
        """None for a path that was never written."""
        return self._standings.get(path)

    def wrote(self, path: str, version: int, *, is_ours: bool = True) -> None:
        """The path's newest version is this one now."""
        standing = self._standings.get(path)
        if standing is None:
            self._standings[path] = Standing(version, is_ours)
        else:
            standing.version, standing.is_ours = version, is_ours
