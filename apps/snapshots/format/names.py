"""Where the objects of a workspace's remote copies lie, relative to its folder in a target. Pure."""

from uuid import UUID

from apps.snapshots.names import NAME

RESERVED = ".memoryhub"
"""Names of snapshots begin with a letter or digit, so that none is this."""
PACKS, KEYS = f"{RESERVED}/packs", f"{RESERVED}/keys"
BEHIND_RESERVED = f"{RESERVED}0"
"""Listing behind this name leaves all of the reserved folder out: `0` follows `/`."""
MANIFEST = "manifest.mhs"


def pack_name(digest: bytes) -> str:
    text = digest.hex()
    return f"{PACKS}/{text[:2]}/{text}"


def pack_digest(name: str) -> bytes | None:
    """The digest that a pack's name holds, None for any other name."""
    last = name.rpartition("/")[2]
    try:
        digest = bytes.fromhex(last)
    except ValueError:
        return None
    # Capitals and blanks are hex as well, and no names of packs.
    return digest if len(digest) == 32 and pack_name(digest) == name else None


def key_name(key_id: UUID) -> str:
    return f"{KEYS}/{key_id}.json"


def manifest_name(copy: str) -> str:
    return f"{copy}/{MANIFEST}"


def copy_of(name: str) -> str | None:
    """The copy whose manifest has this name; None for any other."""
    folder, _, last = name.rpartition("/")
    return folder if last == MANIFEST and is_copy(folder) else None


def is_copy(name: str) -> bool:
    """Whether a copy can be called so."""
    return NAME.fullmatch(name) is not None and ".." not in name
