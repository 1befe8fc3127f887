"""Takes single objects of the original's bucket in and compares them with what the original said of them."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from django.conf import settings

from apps.blobs.content import Content
from apps.blobs.objects import spool_directory
from apps.blobs.room import check_room
from apps.blobs.spooling import spooled
from apps.common.errors import Invalid
from apps.dialects.memory_proxy.bucket import Described, OldBucket
from apps.dialects.memory_proxy.layouts import Entry, Stated, stated
from apps.dialects.memory_proxy.provenance import Provenance
from apps.dialects.memory_proxy.standings import Standing
from apps.files.receiving import DEFAULT_CONTENT_TYPE, content_type_of

MARKED = Stated("", 0, is_deleted=True)
"""What a delete marker says: the bucket made it, not the original."""


class WrongMd5(ValueError):
    """The bytes are not those that were written. The message is a sentence."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A state of a path. `content` is None for a tombstone, for what is here already, and in a dry run.

    To be closed: the bytes may lie in a temporary file.
    """

    stated: Stated
    content_type: str = DEFAULT_CONTENT_TYPE
    is_present: bool = False
    content: Content | None = None
    _spool: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        self._spool.close()


def fetch(source: OldBucket, entry: Entry, standing: Standing | None, *, dry_run: bool) -> Fetched:
    """The object behind an entry, its bytes checked against its metadata. Touches no database.

    What may be here already is asked for its metadata first. Raises `ObjectError`, `BadMetadata`, `WrongMd5`, or
    `StorageFull` and `Unavailable` where the hub cannot take bytes in.
    """
    if entry.is_marker:
        return _without_bytes(entry, standing, MARKED)
    if dry_run or (standing is not None and standing.imported):
        described = source.describe(entry)
        fetched = _without_bytes(entry, standing, stated(described.metadata), _content_type(described))
        if dry_run or fetched.is_present or fetched.stated.is_deleted:
            return fetched
    return _downloaded(source, entry)


def provenance_of(entry: Entry, said: Stated) -> Provenance:
    """What is remembered of a state."""
    return Provenance(said.version, entry.changed_at, said.md5, said.is_deleted, entry.object_version)


def _without_bytes(
    entry: Entry, standing: Standing | None, said: Stated, content_type: str = DEFAULT_CONTENT_TYPE
) -> Fetched:
    return Fetched(said, content_type, standing is not None and standing.has(provenance_of(entry, said)))


def _downloaded(source: OldBucket, entry: Entry) -> Fetched:
    with source.opened(entry) as (described, stream), ExitStack() as spool:
        said, content_type = stated(described.metadata), _content_type(described)
        if said.is_deleted:
            return Fetched(said, content_type)
        in_row = described.size_bytes <= settings.MEMORYHUB_BLOB_INLINE_MAX
        check_room(**{"row_bytes" if in_row else "object_bytes": described.size_bytes})
        body = spool.enter_context(
            spooled(
                stream,
                described.size_bytes,
                memory_bytes=settings.MEMORYHUB_BLOB_INLINE_MAX,
                directory=spool_directory(),
            )
        )
        if body.md5.hex() != said.md5:
            raise WrongMd5(f"The bytes have the MD5 {body.md5.hex()}, and were written with {said.md5}.")
        return Fetched(said, content_type, False, Content.of_spooled(body), spool.pop_all())


def _content_type(described: Described) -> str:
    try:
        return content_type_of(described.content_type)
    except Invalid:
        return DEFAULT_CONTENT_TYPE
