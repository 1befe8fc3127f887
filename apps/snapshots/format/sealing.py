"""Keys of remote copies, and how bytes are sealed with them: AES-256-GCM, the object's name bound to them.

A workspace has a data key. It travels in the target, wrapped by a master key that never does: so a new hub opens old
copies with nothing but the master key, and a new master key wraps the data key again without touching what it sealed.
"""

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from apps.common.errors import shown
from apps.common.ids import uuid7
from apps.snapshots.format.errors import CopyDamaged, CopyKeyMissing, FormatUnknown

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
NO_KEY = UUID(int=0)
FORMAT = 1
MOST_KEY_BYTES = 64 * 1024
"""Of the object of a key."""
MOST_WINDOW_BYTES = 8 * 1024 * 1024
"""Of what is compressed before it is sealed: what a reader must have for it in memory."""
_MASTER_KEY = re.compile(r"([A-Za-z0-9_-]{1,16}):((?:[0-9a-fA-F]{2}){32,})", re.ASCII)


class Seal(Protocol):
    """How the objects of one workspace are named, sealed and opened."""

    @property
    def key_id(self) -> UUID:
        """Of the data key; `NO_KEY` where nothing is encrypted."""

    @property
    def chunk_seed(self) -> int:
        """Where large files are cut depends on it, so that the sizes of chunks tell nothing to who lacks the key."""

    def digest(self, payload: bytes) -> bytes:
        """Names content by 32 bytes."""

    def sealed(self, chunks: Iterable[bytes], nonce: bytes, bound: bytes) -> Iterator[bytes]:
        """`chunks` as they are stored, the tag last; `bound` must be the same when they are opened."""

    def opened(self, chunks: Iterable[bytes], nonce: bytes, bound: bytes) -> Iterator[bytes]:
        """The opposite. Raises `CopyDamaged` at its end: use nothing of it before."""


class Unsealed:
    """Nothing is encrypted. Names are plain SHA-256."""

    key_id = NO_KEY
    chunk_seed = 0

    def digest(self, payload: bytes) -> bytes:
        return hashlib.sha256(payload).digest()

    def sealed(self, chunks: Iterable[bytes], nonce: bytes, bound: bytes) -> Iterator[bytes]:
        yield from chunks

    def opened(self, chunks: Iterable[bytes], nonce: bytes, bound: bytes) -> Iterator[bytes]:
        yield from chunks


class DataKey:
    """A workspace's key. What it names, seals and cuts uses keys derived from it (HKDF-SHA-256)."""

    def __init__(self, key_id: UUID, secret: bytes) -> None:
        self.key_id = key_id
        self.secret = secret
        self._cipher = algorithms.AES256(_derived(secret, b"memoryhub snapshot cipher"))
        self._naming = _derived(secret, b"memoryhub snapshot names")
        self.chunk_seed = int.from_bytes(_derived(secret, b"memoryhub snapshot chunks")[:4], "big")

    @classmethod
    def new(cls) -> "DataKey":
        return cls(uuid7(), os.urandom(KEY_BYTES))

    def digest(self, payload: bytes) -> bytes:
        return hmac.digest(self._naming, payload, "sha256")

    def sealed(self, chunks: Iterable[bytes], nonce: bytes, bound: bytes) -> Iterator[bytes]:
        encryptor = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(bound)
        for chunk in chunks:
            yield encryptor.update(chunk)
        encryptor.finalize()
        yield encryptor.tag

    def opened(self, chunks: Iterable[bytes], nonce: bytes, bound: bytes) -> Iterator[bytes]:
        decryptor = Cipher(self._cipher, modes.GCM(nonce)).decryptor()
        decryptor.authenticate_additional_data(bound)
        held = b""
        for chunk in chunks:
            held += chunk
            yield decryptor.update(held[:-TAG_BYTES])
            held = held[-TAG_BYTES:]
        try:
            decryptor.finalize_with_tag(held)
        except (InvalidTag, ValueError) as error:
            raise CopyDamaged("It was changed after it was written, or another key sealed it.") from error


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(secret)


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """Keys that wrap data keys, by their id: the first wraps, all unwrap."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "MasterKeys":
        """From `keyid:hex[,keyid:hex...]`; no keys for an empty text. Raises ValueError, which repeats none of it."""
        keys: dict[str, bytes] = {}
        for part in filter(None, map(str.strip, text.split(","))):
            match = _MASTER_KEY.fullmatch(part)
            if match is None or match[1] in keys:
                raise ValueError("master keys are keyid:hex[,keyid:hex...], of 32 bytes or more and different ids")
            keys[match[1]] = hashlib.sha256(bytes.fromhex(match[2])).digest()
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self.keys)

    @property
    def current(self) -> str:
        """The id of the key that wraps. Raises `CopyKeyMissing` when there is none."""
        for key_id in self.keys:
            return key_id
        raise CopyKeyMissing("Encryption needs MEMORYHUB_SNAPSHOT_KEY, which is not set.", key_id="")

    def wrapped(self, key: DataKey) -> bytes:
        """The key's object in a target, JSON."""
        master = self.current
        nonce = os.urandom(NONCE_BYTES)
        box = nonce + AESGCM(self.keys[master]).encrypt(nonce, key.secret, key.key_id.bytes)
        described = {"format": FORMAT, "key_id": str(key.key_id), "master_key": master, "wrapped": _text(box)}
        return json.dumps(described, indent=1).encode() + b"\n"

    def unwrapped(self, stored: bytes) -> DataKey:
        """Raises `CopyKeyMissing` where its master key is not among these, `CopyDamaged`, `FormatUnknown`."""
        key_id, master, box = _read_key(stored)
        if master not in self.keys:
            raise CopyKeyMissing(
                f"The copies were encrypted under the master key {shown(master)!r}: "
                f"put it back into MEMORYHUB_SNAPSHOT_KEY. Without it nobody can read them.",
                key_id=str(key_id),
            )
        try:
            secret = AESGCM(self.keys[master]).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], key_id.bytes)
        except InvalidTag as error:
            raise CopyKeyMissing(
                f"MEMORYHUB_SNAPSHOT_KEY has a key {shown(master)!r}, but not the one that the copies were encrypted "
                f"under: put that one back.",
                key_id=str(key_id),
            ) from error
        return DataKey(key_id, secret)

    def is_current(self, stored: bytes) -> bool:
        """Whether the key that wraps now has wrapped this one. Raises `CopyDamaged`, `FormatUnknown`."""
        _key_id, master, _box = _read_key(stored)
        return master == self.current


def _read_key(stored: bytes) -> tuple[UUID, str, bytes]:
    """What the object of a key says: its id, the master key's, and the wrapped key with the nonce before it."""
    try:
        described = json.loads(stored.decode())
        if described["format"] != FORMAT:
            raise FormatUnknown
        key_id, master = UUID(described["key_id"]), str(described["master_key"])
        box = base64.b64decode(described["wrapped"], validate=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CopyDamaged("The key's object cannot be read.") from error
    if len(box) != NONCE_BYTES + KEY_BYTES + TAG_BYTES or key_id == NO_KEY:
        raise CopyDamaged("The key's object does not hold a key.")
    return key_id, master, box


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
