"""The original service, re-built from its contract over a real bucket: what it leaves there is what an import finds."""

import hashlib
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import unquote

import httpx

from tests.conftest import Bucket

PREFIX = "2025-10-31/personas"
SEED_PREFIX = "memory"
INDEX = ".sync-index.json"
FIRST_VERSION = 1_763_600_000_000
MOMENT = "2025-11-20T10:00:00+00:00"


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class Original:
    """One instance of it. Versions are milliseconds of a clock that moves with each write."""

    bucket: Bucket
    prefix: str = PREFIX
    is_seed: bool = False
    _clock: "count[int]" = field(default_factory=lambda: count(FIRST_VERSION))

    def put(self, namespace: str, path: str, data: bytes, content_type: str = "application/octet-stream") -> int:
        """Stores a file and names it in the index. Gives its version."""
        version = next(self._clock)
        self.store(_joined(namespace, path), data, version=version, content_type=content_type)
        self._list(namespace, path, md5_of(data), len(data), version, is_deleted=False)
        return version

    def delete(self, namespace: str, path: str) -> int:
        """Puts a tombstone, which keeps the MD5 of the last text. Gives its version."""
        version, md5 = next(self._clock), self.index(namespace)["files"][path]["md5"]
        self.store(_joined(namespace, path), b"", version=version, md5=md5, is_deleted=True)
        self._list(namespace, path, md5, 0, version, is_deleted=True)
        return version

    def store(
        self,
        relative: str,
        data: bytes,
        *,
        version: int | str | None = None,
        md5: str | None = None,
        is_deleted: bool = False,
        content_type: str = "application/octet-stream",
        metadata: dict[str, str] | None = None,
    ) -> None:
        """The object alone. `metadata` replaces what the service would have written."""
        usual = {"content-md5": md5 or md5_of(data), "is-deleted": str(is_deleted).lower()}
        if version is not None and not self.is_seed:
            usual["version"] = str(version)
        said = usual if metadata is None else metadata
        self._s3.put_object(
            Bucket=self.bucket.name, Key=self.key(relative), Body=data, ContentType=content_type, Metadata=said
        )

    def key(self, relative: str) -> str:
        return f"{self.prefix}/{relative}"

    def remove(self, relative: str) -> None:
        """Takes an object out of the bucket behind the service's back."""
        self._s3.delete_object(Bucket=self.bucket.name, Key=self.key(relative))

    def keep_versions(self) -> None:
        self._s3.put_bucket_versioning(Bucket=self.bucket.name, VersioningConfiguration={"Status": "Enabled"})

    def index(self, namespace: str) -> dict[str, Any]:
        try:
            answer = self._s3.get_object(Bucket=self.bucket.name, Key=self.key(_joined(namespace, INDEX)))
        except self._s3.exceptions.NoSuchKey:
            return {"files": {}, "index_last_modified": MOMENT, "index_version": next(self._clock)}
        found: dict[str, Any] = json.loads(answer["Body"].read())
        return found

    def write_index(self, namespace: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self.bucket.name, Key=self.key(_joined(namespace, INDEX)), Body=body)

    @property
    def _s3(self) -> Any:
        if not hasattr(self, "_client"):
            self._client = self.bucket.client()
        return self._client

    def _list(self, namespace: str, path: str, md5: str, size: int, version: int, *, is_deleted: bool) -> None:
        index = self.index(namespace)
        entry = {"md5": md5, "last_modified": MOMENT, "size": size, "version": version, "is_deleted": is_deleted}
        if self.is_seed:
            del entry["version"]
        index["files"][path] = entry
        index |= {"index_last_modified": MOMENT, "index_version": version}
        self.write_index(namespace, json.dumps(index, indent=2).encode())

    def http(self) -> httpx.Client:
        """A client of its current wire."""
        return httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://original")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.raw_path.decode()).removeprefix("/")
        if path.startswith("sync/"):
            return httpx.Response(HTTPStatus.OK, json=self.index(path.removeprefix("sync/")))
        namespace, _, name = path.rpartition("/blob/")
        known = self.index(namespace)["files"].get(name)
        if request.method == "GET":
            return self._read(namespace, name, known)
        expected = int(request.headers["If-Match-Version"])
        if expected != (known["version"] if known else 0):
            context = {"current_version": str(known["version"]) if known else "none"}
            return httpx.Response(HTTPStatus.PRECONDITION_FAILED, json={"detail": "", "context": context})
        if request.method == "DELETE":
            version = self.delete(namespace, name)
        else:
            version = self.put(namespace, name, request.content, request.headers["Content-Type"])
        return httpx.Response(HTTPStatus.OK, json=self.index(namespace), headers={"X-Version": str(version)})

    def _read(self, namespace: str, name: str, known: dict[str, Any] | None) -> httpx.Response:
        if known is None or known["is_deleted"]:
            return httpx.Response(HTTPStatus.NOT_FOUND, json={"detail": "File not found"})
        body = self._s3.get_object(Bucket=self.bucket.name, Key=self.key(_joined(namespace, name)))["Body"].read()
        headers = {
            "ETag": f'"{known["md5"]}"',
            "X-Version": str(known["version"]),
            "Last-Modified": "Thu, 20 Nov 2025 10:00:00 GMT",
        }
        return httpx.Response(HTTPStatus.OK, content=body, headers=headers)


def _joined(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name
