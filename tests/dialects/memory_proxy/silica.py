"""What the unmodified client of the current wire does, re-built from its contract: one folder of one machine."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

SKIPPED = frozenset(
    f".sync-{kind}{part}"
    for kind, part in [
        ("index", ".json"),
        ("index-memory", ".json"),
        ("index-history", ".json"),
        ("log", ".jsonl"),
        ("log-memory", ".jsonl"),
        ("log-history", ".jsonl"),
    ]
)
RETRYABLE = frozenset({500, 502, 503, 504})
SYNC_ATTEMPTS = 3
ROUNDS = 3
LAST_MODIFIED = "%a, %d %b %Y %H:%M:%S %Z"


class Failed(Exception):
    """An operation that did not end as the client wants it to."""


class Fatal(Exception):
    """The client gives the whole sync up."""


@dataclass(frozen=True)
class Step:
    """What the client decides to do with a path; `version` is the remote's, 0 for none."""

    verb: str
    path: str
    version: int = 0


ORDER = ("upload", "download", "delete_local", "delete_remote")


@dataclass
class Silica:
    """One machine: its files, and its local index, which is the remote state as it last saw it."""

    http: httpx.Client
    namespace: str = "personas/default/memory"
    files: dict[str, bytes] = field(default_factory=dict)
    index: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)
    asked: int = 0

    def sync(self) -> list[Step]:
        """One sync: up to three rounds at once. Gives the steps that it took; raises `Fatal`."""
        self.done = []
        for _ in range(ROUNDS):
            failed = 0
            for step in sorted(self.plan(), key=lambda step: (ORDER.index(step.verb), step.path)):
                try:
                    self.execute(step)
                    self.done.append(step)
                except (Failed, KeyError, ValueError):
                    failed += 1
            if not failed:
                return self.done
        raise Fatal("three rounds failed")

    def plan(self) -> list[Step]:
        remote = self._remote_index()
        local = {path: data for path, data in self.files.items() if path.rpartition("/")[2] not in SKIPPED}
        steps = [
            self._decided(path, local.get(path), remote.get(path)) for path in sorted(local.keys() | remote.keys())
        ]
        return self._merged([step for step in steps if step is not None])

    def _decided(self, path: str, local: bytes | None, remote: dict[str, Any] | None) -> Step | None:
        known = self.index.get(path)
        if remote is None:
            return Step("upload", path) if local is not None else None
        version = remote["version"]
        if remote["is_deleted"]:
            self.index[path] = remote
            return Step("delete_local", path) if local is not None else None
        if local is None:
            return Step("delete_remote" if known and not known["is_deleted"] else "download", path, version)
        if md5_of(local) == remote["md5"]:
            self.index[path] = remote
            return None
        if known is None:
            return Step("download", path, version)
        changed, newer = md5_of(local) != known["md5"], version > known["version"]
        if changed and version == known["version"]:
            return Step("upload", path, version)
        return Step("conflict" if changed or not newer else "download", path, version)

    def _merged(self, steps: list[Step]) -> list[Step]:
        """Conflicts become uploads of both texts, in place of the model that merges them."""
        merged = []
        for step in steps:
            if step.verb == "conflict":
                text, _, version = self.read(step.path)
                self.files[step.path] += b"\n" + text
                step = Step("upload", step.path, version)
            merged.append(step)
        return merged

    def execute(self, step: Step) -> None:
        match step.verb:
            case "upload":
                self.write(step.path, self.files[step.path], step.version)
            case "download":
                text, md5, version = self.read(step.path)
                self.files[step.path] = text
                self.index[step.path] = {"md5": md5, "version": version, "size": len(text), "is_deleted": False}
            case "delete_local":
                self.files.pop(step.path, None)
            case "delete_remote":
                self.erase(step.path, step.version)

    def read(self, path: str) -> tuple[bytes, str, int]:
        """Bytes, MD5 and version."""
        answer = self._expect(self._ask("GET", self._address(path)), 200)
        datetime.strptime(answer.headers.get("Last-Modified", ""), LAST_MODIFIED)  # noqa: DTZ007 - as the client does
        return answer.content, answer.headers.get("ETag", "").strip('"'), int(answer.headers.get("X-Version", "0"))

    def write(self, path: str, data: bytes, version: int) -> int:
        """The new version."""
        headers = {"If-Match-Version": str(version), "Content-Type": "application/octet-stream"}
        answer = self._expect(self._ask("PUT", self._address(path), content=data, headers=headers), 200, 201)
        self._take_over(answer.json())
        return int(answer.headers.get("X-Version", "0"))

    def erase(self, path: str, version: int) -> None:
        headers = {"If-Match-Version": str(version)}
        self._take_over(self._expect(self._ask("DELETE", self._address(path), headers=headers), 200).json())

    def _take_over(self, body: dict[str, Any]) -> None:
        """Everything in a write's answer goes into the local index: the trait that cost other machines their work."""
        _ = body["index_version"], datetime.fromisoformat(body["index_last_modified"])
        self.index |= body["files"]

    def _remote_index(self) -> dict[str, dict[str, Any]]:
        for _ in range(SYNC_ATTEMPTS):
            answer = self._ask("GET", f"/sync/{quote(self.namespace, safe='')}")
            if answer.status_code == 200:
                body = answer.json()
                _ = body["index_version"], datetime.fromisoformat(body["index_last_modified"])
                files: dict[str, dict[str, Any]] = body["files"]
                return files
            if answer.status_code not in RETRYABLE:
                break
        raise Fatal(f"{answer.status_code} {answer.text}")

    def _address(self, path: str) -> str:
        return f"/{quote(self.namespace, safe='')}/blob/{quote(path, safe='')}"

    def _ask(self, method: str, address: str, **arguments: Any) -> httpx.Response:
        self.asked += 1
        return self.http.request(method, address, **arguments)

    def _expect(self, answer: httpx.Response, *statuses: int) -> httpx.Response:
        if answer.status_code not in statuses:
            raise Failed(f"{answer.status_code} {answer.text}")
        return answer

    def saved_index(self) -> str:
        """The local index as the client writes it to disk."""
        return json.dumps({"files": self.index})


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
