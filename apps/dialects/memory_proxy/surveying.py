"""What there is in the original's bucket: its files oldest first, and what its indexes say of them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from apps.common.errors import shown
from apps.dialects.memory_proxy.bucket import BucketError, ObjectError, OldBucket
from apps.dialects.memory_proxy.layouts import BadIndex, Entry, Indexes, Layout, Stated, index_entries, index_namespace
from apps.dialects.memory_proxy.outcomes import Outcome, Row


@dataclass(frozen=True, slots=True)
class Survey:
    """`files` are all objects but indexes, oldest first; `rows` tell of the indexes, current ones first."""

    source: OldBucket
    files: list[Entry]
    indexes: Indexes
    rows: list[Row]

    def lost(self) -> Iterator[Row]:
        """What the indexes name and the bucket does not have."""
        there = (entry.relative for entry in self.files if entry.is_current and not entry.is_marker)
        for relative, said in self.indexes.unnamed_by(there):
            what = "a deletion" if said.is_deleted else "a file"
            sentence = f"The old service's index names {what} here, and there is no object."
            key = self.source.key_of(relative)
            yield Row(Outcome.LOST, key, reason="no_object", detail=sentence, version=said.version, md5=said.md5)


def survey(source: OldBucket, layout: Layout, namespaces: Sequence[str], pool: Executor) -> Survey:
    """Lists the bucket, or only some namespaces of it, and reads the indexes. Holds a row for each object in memory.

    Raises `BucketError`, also where there is nothing.
    """
    files: list[Entry] = []
    indexes: list[Entry] = []
    folders = _folders(namespaces)
    for entry in source.entries(folders):
        is_index = index_namespace(entry.relative, layout) is not None
        (indexes if is_index else files).append(entry)
    if not files and not indexes:
        looked_at = ", ".join(shown(source.key_of(folder)) or "its root" for folder in folders)
        raise BucketError(f"There is nothing in the bucket {shown(source.address.name)} below {looked_at}.")
    known, rows = _read_indexes(source, layout, indexes, pool)
    files.sort(key=lambda entry: _age(entry, known))
    return Survey(source, files, known, rows)


def _folders(namespaces: Sequence[str]) -> list[str]:
    """What to list below the prefix: each namespace once, and none inside another."""
    kept: list[str] = []
    for folder in sorted({f"{namespace.strip('/')}/" for namespace in namespaces}):
        if not kept or not folder.startswith(kept[-1]):
            kept.append(folder)
    return kept or [""]


def _read_indexes(
    source: OldBucket, layout: Layout, entries: Sequence[Entry], pool: Executor
) -> tuple[Indexes, list[Row]]:
    indexes, rows = Indexes(), []
    current = [entry for entry in entries if entry.is_current and not entry.is_marker]
    for entry, found in zip(current, pool.map(lambda entry: _read_index(source, entry), current), strict=True):
        if isinstance(found, Row):
            rows.append(found)
            continue
        namespace = index_namespace(entry.relative, layout)
        assert namespace is not None
        indexes.add(namespace, found)
        rows.append(_index_row(source, entry, "The old service's own index."))
    older = (entry for entry in entries if entry.is_marker or not entry.is_current)
    rows += [_index_row(source, entry, "An older state of the old service's index.") for entry in older]
    return indexes, rows


def _read_index(source: OldBucket, entry: Entry) -> dict[str, Stated] | Row:
    key = source.key_of(entry.relative)
    try:
        return index_entries(source.read(entry))
    except BadIndex as error:
        return Row.of(entry, key, Outcome.DAMAGED, "bad_index", str(error))
    except ObjectError as error:
        return Row.of(entry, key, Outcome.UNREADABLE, "unreadable", str(error))


def _index_row(source: OldBucket, entry: Entry, sentence: str) -> Row:
    return Row.of(entry, source.key_of(entry.relative), Outcome.IGNORED, "index", sentence)


def _age(entry: Entry, indexes: Indexes) -> tuple[object, ...]:
    """Sorts oldest first. The bucket tells whole seconds, an index milliseconds, and only of the newest states."""
    named = indexes.entry(entry.relative) if entry.is_current else None
    version = named.version if named else 0
    return entry.changed_at, entry.is_current, version, entry.relative, entry.is_marker, entry.position
