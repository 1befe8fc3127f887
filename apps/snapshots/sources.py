"""What is restored from: a state of a workspace, as a copy in a target is read."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Self

from apps.blobs.errors import BlobCorrupt
from apps.blobs.objects import blob_chunks
from apps.blobs.queries import stored_blobs
from apps.snapshots.format.manifests import Entry
from apps.snapshots.models import Snapshot
from apps.snapshots.queries import files_at

BLOBS_AT_ONCE = 64


class SnapshotSource:
    """A snapshot of this hub, with the same methods as the reader of a copy."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Its files below a checked prefix, in the order of the paths' bytes; where their content lies is not told."""
        for row in files_at(self._snapshot.workspace_id, self._snapshot.sequence, prefix):
            changed_at = round(row.changed_at.timestamp() * 1000)
            yield Entry(row.path, row.sha256, row.size_bytes, row.content_type, changed_at, ())

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """The content of files, in any order. Raises `BlobCorrupt` where it is gone or damaged."""
        left = iter(entries)
        while batch := list(islice(left, BLOBS_AT_ONCE)):
            blobs = stored_blobs(self._snapshot.workspace_id, {entry.sha256 for entry in batch})
            for entry in batch:
                blob = blobs.get(entry.sha256)
                if blob is None:
                    raise BlobCorrupt("The bytes of a file are gone.")
                yield entry, blob_chunks(blob, 0, blob.size_bytes)
