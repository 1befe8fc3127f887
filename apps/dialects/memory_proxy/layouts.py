"""How the original keeps files in its bucket, and where the hub keeps the same files. Pure.

A file is an object `{prefix}/{namespace}/{path}` (seed form: `{prefix}/{path}`) with metadata; beside the files of a
namespace lies their index. A *relative* name is an object's key without the prefix.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from apps.dialects.memory_proxy.addresses import INDEX_NAME, BadNamespace, file_path

_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,19}", re.ASCII)
_SPLIT = "/blob/"
_UNVERSIONED = "null"


class Layout(StrEnum):
    CURRENT = "current"
    """With namespaces and versions."""
    SEED = "seed"
    """With neither."""


DEFAULT_PREFIXES = {Layout.CURRENT: "2025-10-31/personas", Layout.SEED: "memory"}
"""Of the original's releases, where S3_PREFIX was not set."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object, or one of its versions, as the listing tells it. `position` counts from the oldest of a key up.

    `version_id` is None where the bucket keeps no versions. A delete marker has neither bytes nor `etag`.
    """

    relative: str
    changed_at: datetime
    size_bytes: int
    etag: str
    version_id: str | None = None
    is_current: bool = True
    is_marker: bool = False
    position: int = 0

    @property
    def object_version(self) -> str | None:
        """The version's id where it names this version alone."""
        return None if self.version_id == _UNVERSIONED else self.version_id


class BadMetadata(ValueError):
    """The object was not written by the original, or its metadata were lost. The message is a sentence."""


class BadIndex(ValueError):
    """The index cannot be read. The message is a sentence."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the original said of a state. `version` is 0 where it said none; a tombstone's `md5` is of its last text."""

    md5: str
    version: int
    is_deleted: bool


def stated(metadata: Mapping[str, str]) -> Stated:
    """What an object's metadata say. Raises `BadMetadata`."""
    md5 = metadata.get("content-md5", "").lower()
    if not md5:
        raise BadMetadata("The object has no content-md5: the old service did not write it.")
    if not _MD5.fullmatch(md5):
        raise BadMetadata("The object's content-md5 is no MD5.")
    version = metadata.get("version", "0")
    if not _VERSION.fullmatch(version):
        raise BadMetadata("The object's version is no number.")
    return Stated(md5, int(version), metadata.get("is-deleted", "").lower() == "true")


def index_entries(data: bytes) -> dict[str, Stated]:
    """The entries of an index object by path. Raises `BadIndex`."""
    try:
        files = json.loads(data)["files"]
        return {path: _entry(entry) for path, entry in files.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadIndex("The index is not the JSON that the old service writes.") from error


def _entry(entry: Mapping[str, object]) -> Stated:
    version = entry.get("version", 0)
    return Stated(
        str(entry.get("md5", "")), version if isinstance(version, int) else 0, entry.get("is_deleted") is True
    )


def index_namespace(relative: str, layout: Layout) -> str | None:
    """The namespace whose index this object is, empty for the one of everything; None for any other object."""
    if relative == INDEX_NAME:
        return ""
    if layout is Layout.SEED or not relative.endswith(f"/{INDEX_NAME}"):
        return None
    return relative.removesuffix(f"/{INDEX_NAME}")


@dataclass(slots=True)
class Indexes:
    """All readable indexes together: what they name, and which namespace an object was written through."""

    _namespaces: set[str] = field(default_factory=set)
    _named: dict[str, tuple[str, Stated]] = field(default_factory=dict)

    def add(self, namespace: str, entries: Mapping[str, Stated]) -> None:
        """Where two namespaces name one object, the one that wrote it last counts."""
        self._namespaces.add(namespace)
        for path, entry in entries.items():
            relative = f"{namespace}/{path.lstrip('/')}" if namespace else path.lstrip("/")
            known = self._named.get(relative)
            if known is None or entry.version > known[1].version:
                self._named[relative] = namespace, entry

    def entry(self, relative: str) -> Stated | None:
        known = self._named.get(relative)
        return known[1] if known else None

    def workspace_path(self, relative: str) -> str:
        """Where the dialect serves the file for the client that wrote it. Raises `BadPath`.

        The original split an address at its last `/blob/`, the dialect does at its first: a file below a folder named
        blob was written through another namespace than its client meant, and goes back to where that client looks.
        """
        namespace = self._namespace_of(relative)
        if namespace:
            address = f"{namespace}{_SPLIT}{relative.removeprefix(namespace + '/')}"
            meant, _, path = address.partition(_SPLIT)
            try:
                return file_path(path, meant)
            except BadNamespace:
                # The dialect serves no such namespace; the bytes are kept all the same, for the other ways to read.
                return file_path(relative)
        return file_path(relative)

    def unnamed_by(self, relatives: Iterable[str]) -> Iterator[tuple[str, Stated]]:
        """The entries, by relative name, that are none of these objects."""
        there = set(relatives)
        return ((relative, entry) for relative, (_, entry) in self._named.items() if relative not in there)

    def _namespace_of(self, relative: str) -> str:
        known = self._named.get(relative)
        if known:
            return known[0]
        folder = relative
        while folder:
            folder = folder.rpartition("/")[0]
            if folder in self._namespaces:
                return folder
        return ""
