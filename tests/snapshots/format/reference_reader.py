"""A reader of copies that shares nothing with the hub: written from `docs/snapshot-format.md` alone."""

import base64
import hashlib
import hmac
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

COLUMNS = [
    "paths",
    "sizes",
    "times",
    "types",
    "texts",
    "digests",
    "counts",
    "packs",
    "indexes",
    "piece_sizes",
    "piece_digests",
    "objects",
    "object_sizes",
]


class Wrong(Exception):
    pass


@dataclass
class File:
    path: str
    content: bytes
    content_type: str
    changed_at_ms: int


class Repository:
    """A repository in a directory, with master keys by their ids, as bytes."""

    def __init__(self, folder: Path, masters: dict[str, bytes]) -> None:
        self.folder = folder
        self.masters = masters

    def header(self, name: str) -> dict[str, Any]:
        return self._manifest(name)[0]

    def details(self, name: str) -> dict[str, Any]:
        body = self._manifest(name)[1]
        (size,) = struct.unpack(">I", body[:4])
        return json.loads(body[4 : 4 + size])

    def files(self, name: str) -> Iterator[File]:
        header, body = self._manifest(name)
        columns = split(body)
        keys = self._keys(header["key_id"]) if header["encryption"] else None
        paths = [path.decode() for path in columns["paths"].split(b"\0")[:-1]]
        sizes, counts, types = (numbers(columns[column]) for column in ("sizes", "counts", "types"))
        times, packs, indexes = (differences(columns[column]) for column in ("times", "packs", "indexes"))
        texts = [text.decode() for text in columns["texts"].split(b"\0")[:-1]]
        digests, pieces, objects = (in_32s(columns[column]) for column in ("digests", "piece_digests", "objects"))
        piece_sizes = numbers(columns["piece_sizes"])
        require(len(paths) == len(sizes) == len(counts) == len(types) == len(times) == len(digests) == header["files"])
        require(sum(sizes) == header["size_bytes"])
        opened: dict[int, list[tuple[bytes, bytes]]] = {}
        remembered: list[str] = []
        at_chunk = at_piece = at_text = 0
        for file in range(len(paths)):
            if types[file]:
                content_type = remembered[types[file] - 1]
            else:
                content_type = texts[at_text]
                at_text += 1
                if len(remembered) < 4096:
                    remembered.append(content_type)
            content = b""
            for _ in range(counts[file]):
                size, digest = sizes[file], digests[file]
                if counts[file] > 1:
                    size, digest = piece_sizes[at_piece], pieces[at_piece]
                    at_piece += 1
                pack = packs[at_chunk]
                if pack not in opened:
                    opened[pack] = self._pack(objects[pack], keys, header["key_id"])
                packed_digest, chunk = opened[pack][indexes[at_chunk]]
                require(packed_digest == digest and len(chunk) == size)
                content += chunk
                at_chunk += 1
            require(len(content) == sizes[file] and hashlib.sha256(content).digest() == digests[file])
            yield File(paths[file], content, content_type, times[file])
        require(at_chunk == len(packs) == len(indexes) and at_piece == len(pieces) == len(piece_sizes))
        require(at_text == len(texts))

    def _manifest(self, name: str) -> tuple[dict[str, Any], bytes]:
        stored = (self.folder / name / "manifest.mhs").read_bytes()
        require(stored[:8] == b"MHSNAP1\n" and hashlib.sha256(stored[:-32]).digest() == stored[-32:])
        (size,) = struct.unpack(">I", stored[8:12])
        header = json.loads(stored[12 : 12 + size])
        require(header["format"] == 1 and header["name"] == name)
        frame = stored[12 + size : -32]
        if header["encryption"] is not None:
            require(header["encryption"] == "aes-256-gcm")
            bound = f"{name}/manifest.mhs".encode() + b"\0" + stored[: 12 + size]
            cipher, _ = self._keys(header["key_id"])
            frame = AESGCM(cipher).decrypt(bytes.fromhex(header["nonce"]), frame, bound)
        return header, unframed(frame, header["body_bytes"])

    def _keys(self, key_id: str) -> tuple[bytes, bytes]:
        """The cipher key and the names key."""
        described = json.loads((self.folder / ".memoryhub/keys" / f"{key_id}.json").read_bytes())
        require(described["format"] == 1 and described["key_id"] == key_id)
        wrapped = base64.b64decode(described["wrapped"])
        require(len(wrapped) == 60)
        master = hashlib.sha256(self.masters[described["master_key"]]).digest()
        key = AESGCM(master).decrypt(wrapped[:12], wrapped[12:], bytes.fromhex(key_id.replace("-", "")))

        def derived(info: bytes) -> bytes:
            return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)

        return derived(b"memoryhub snapshot cipher"), derived(b"memoryhub snapshot names")

    def _pack(self, digest: bytes, keys: tuple[bytes, bytes] | None, key_id: str | None) -> list[tuple[bytes, bytes]]:
        """The chunks of a pack with their SHA-256."""
        name = f".memoryhub/packs/{digest.hex()[:2]}/{digest.hex()}"
        stored = (self.folder / name).read_bytes()
        require(stored[:8] == b"MHPACK1\n" and hashlib.sha256(stored[:-32]).digest() == stored[-32:])
        require(stored[8:24] == (bytes.fromhex(key_id.replace("-", "")) if key_id else bytes(16)))
        (size,) = struct.unpack(">I", stored[36:40])
        frame = stored[40:-32]
        if keys is None:
            payload = unframed(frame, size)
            require(hashlib.sha256(payload).digest() == digest)
        else:
            payload = unframed(AESGCM(keys[0]).decrypt(stored[24:36], frame, name.encode() + b"\0" + stored[:40]), size)
            require(hmac.digest(keys[1], payload, "sha256") == digest)
        (count,) = struct.unpack(">I", payload[16:20])
        at = 20 + 36 * count
        chunks = []
        for number in range(count):
            sha256, length = struct.unpack(">32sI", payload[20 + 36 * number : 56 + 36 * number])
            chunks.append((sha256, payload[at : at + length]))
            at += length
        require(at == len(payload))
        return chunks


def split(body: bytes) -> dict[str, bytes]:
    (size,) = struct.unpack(">I", body[:4])
    at, found = 4 + size, {}
    for column in COLUMNS:
        (size,) = struct.unpack(">Q", body[at : at + 8])
        found[column] = body[at + 8 : at + 8 + size]
        at += 8 + size
    require(at == len(body))
    return found


def numbers(column: bytes) -> list[int]:
    found, value, shift = [], 0, 0
    for byte in column:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(value)
            value = shift = 0
    require(shift == 0)
    return found


def differences(column: bytes) -> list[int]:
    found, value = [], 0
    for number in numbers(column):
        value += -(number + 1) // 2 if number % 2 else number // 2
        found.append(value)
    return found


def in_32s(column: bytes) -> list[bytes]:
    require(len(column) % 32 == 0)
    return [column[at : at + 32] for at in range(0, len(column), 32)]


def unframed(frame: bytes, size: int) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=2**23).stream_reader(frame) as reader:
        content = reader.read(size + 1)
    require(len(content) == size)
    return content


def require(claim: bool) -> None:
    if not claim:
        raise Wrong
