"""Set-based statements over what targets hold."""

import struct
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from apps.common.database import hot_cursor

# One index lookup a digest.
_KNOWN_CHUNKS = """
SELECT c.sha256, c.pack_id, c.index, c.size_bytes
  FROM snapshots_packedchunk c JOIN snapshots_pack p ON p.id = c.pack_id
 WHERE c.repository_id = %s AND c.sha256 = ANY(%b) AND p.key_id = %s AND p.state = 'stored'
"""

# The newest place of a chunk wins: the older one may be sealed with a key of before, or lost.
_ADD_CHUNKS = """
INSERT INTO snapshots_packedchunk (repository_id, pack_id, sha256, index, size_bytes)
SELECT %s, %s, sha256, row_number() OVER () - 1, size_bytes
  FROM unnest(%b::bytea[], %b::int[]) AS chunk(sha256, size_bytes)
    ON CONFLICT (repository_id, sha256)
    DO UPDATE SET pack_id = excluded.pack_id, index = excluded.index, size_bytes = excluded.size_bytes
"""

# Locked, so that none is on its way out while it is linked.
_LINK_PACKS = """
WITH kept AS (
    SELECT id FROM snapshots_pack WHERE id = ANY(%(packs)s) AND state = 'stored' ORDER BY id FOR NO KEY UPDATE),
spared AS (
    UPDATE snapshots_pack SET doomed_at = NULL WHERE id IN (SELECT id FROM kept) AND doomed_at IS NOT NULL),
linked AS (
    INSERT INTO snapshots_copypack (copy_id, pack_id) SELECT %(copy)s, id FROM kept ON CONFLICT DO NOTHING)
SELECT count(*) FROM kept
"""

_CUT_FILES = "SELECT sha256, chunks FROM snapshots_cutfile WHERE repository_id = %s AND sha256 = ANY(%b)"

_FORGET_CHUNKS = "DELETE FROM snapshots_packedchunk WHERE pack_id = ANY(%s)"


CUT_PIECE = struct.Struct("!32sI")
"""A piece of a file that was cut, as `CutFile.chunks` has it: its sha256 and size."""


class KnownChunk(NamedTuple):
    """Where a chunk lies."""

    pack_id: int
    position: int
    size_bytes: int


def known_chunks(repository_id: int, key_id: UUID, digests: Collection[bytes]) -> dict[bytes, KnownChunk]:
    """Those of the chunks that the target has, sealed with this key."""
    if not digests:
        return {}
    with hot_cursor() as cursor:
        rows = cursor.execute(_KNOWN_CHUNKS, [repository_id, list(digests), key_id], binary=True).fetchall()
    return {sha256: KnownChunk(*place) for sha256, *place in rows}


def add_chunks(repository_id: int, pack_id: int, digests: Sequence[bytes], sizes: Sequence[int]) -> None:
    """Writes down what a pack holds, in its order."""
    with hot_cursor() as cursor:
        cursor.execute(_ADD_CHUNKS, [repository_id, pack_id, list(digests), list(sizes)], binary=True)


def link_packs(copy_id: int, pack_ids: Collection[int]) -> bool:
    """Lets a copy need packs, which retention then leaves alone. False where one of them is not there any more."""
    if not pack_ids:
        return True
    with hot_cursor() as cursor:
        row = cursor.execute(_LINK_PACKS, {"copy": copy_id, "packs": list(pack_ids)}, binary=True).fetchone()
    return row is not None and row[0] == len(pack_ids)


def cut_files(repository_id: int, digests: Collection[bytes]) -> dict[bytes, bytes]:
    """How those of the large files were cut that have been."""
    if not digests:
        return {}
    with hot_cursor() as cursor:
        return dict(cursor.execute(_CUT_FILES, [repository_id, list(digests)], binary=True).fetchall())


def forget_chunks(pack_ids: Collection[int]) -> None:
    """Lets the next upload send again what these packs held."""
    with hot_cursor() as cursor:
        cursor.execute(_FORGET_CHUNKS, [list(pack_ids)], binary=True)
