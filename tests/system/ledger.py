"""What writers were told, and the proof that a hub still has it."""

import hashlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from apps.files.frames import MEDIA_TYPE, parse_frames

MOST_ITEMS = 1000
MOST_BYTES = 30 * 1024 * 1024
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Write:
    """One change of one path. `sha256` is None for a delete; `after` is the version that its condition named."""

    path: str
    sha256: str | None
    size_bytes: int
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A change with the version that the hub answered, by the name of the writer that heard it."""

    writer: str
    version: int
    write: Write


class Ledger:
    """Shared by writer threads. What is noted here was promised, or may have happened."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self.acknowledged: list[Acknowledged] = []
        self.doubtful: list[Write] = []
        self.unexpected: list[str] = []
        self.answers: Counter[str] = Counter()
        self._counts: dict[str, int] = defaultdict(int)

    def acknowledge(self, writer: str, version: int, write: Write) -> None:
        with self._lock:
            self.acknowledged.append(Acknowledged(writer, version, write))
            self._counts[writer] += 1
            self._lock.notify_all()

    def doubt(self, writes: Iterable[Write]) -> None:
        """The answer was lost, or said that something failed on the way: each may have been written or not."""
        with self._lock:
            self.doubtful.extend(writes)

    def count(self, answer: str) -> None:
        """What the hub said, or how it failed to say anything: a status with its code, or the name of an error."""
        with self._lock:
            self.answers[answer] += 1

    def wonder(self, what: str) -> None:
        """An answer that no kill excuses."""
        with self._lock:
            self.unexpected.append(what)

    def wait_for_more(self, writers: Sequence[str], *, each: int, timeout_s: float) -> list[str]:
        """Waits until every writer has heard `each` more acknowledgements. The names of those that have not."""
        with self._lock:
            wanted = {writer: self._counts[writer] + each for writer in writers}
            deadline = time.monotonic() + timeout_s
            while late := [writer for writer in writers if self._counts[writer] < wanted[writer]]:
                if not self._lock.wait(deadline - time.monotonic()):
                    return late
        return []


def contradictions(ledger: Ledger, client: httpx.Client) -> list[str]:
    """Where the hub's history differs from what was acknowledged; empty when every promise was kept.

    `client` talks to the API of the workspace that only the ledger's writers have written to.
    """
    histories = {path: _history(client, path) for path in {entry.write.path for entry in ledger.acknowledged}}
    return [
        *_forgotten(ledger, histories),
        *_changed_bytes(ledger, client),
        *_invented(ledger, histories),
        *_used_twice(histories),
        *_out_of_order(ledger),
        *_won_twice(ledger),
        *_heads_that_differ(histories, client),
    ]


def _history(client: httpx.Client, path: str) -> dict[int, str | None]:
    """Each version of the path, newest first, with its sha256, None for a tombstone."""
    versions: dict[int, str | None] = {}
    parameters: dict[str, Any] = {"limit": PAGE}
    while True:
        answer = client.get(f"/history/{path}", params=parameters)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return versions
        page = answer.raise_for_status().json()
        for item in page["items"]:
            versions[item["version"]] = None if item["is_deleted"] else item["sha256"]
        if page["next_cursor"] is None:
            return versions
        parameters["cursor"] = page["next_cursor"]


def _forgotten(ledger: Ledger, histories: dict[str, dict[int, str | None]]) -> Iterator[str]:
    for entry in ledger.acknowledged:
        found = histories[entry.write.path].get(entry.version, "nothing")
        if found != entry.write.sha256:
            yield f"{entry.write.path} version {entry.version} was {entry.write.sha256}, the history says {found}"


def _changed_bytes(ledger: Ledger, client: httpx.Client) -> Iterator[str]:
    """Reads every acknowledged version and hashes what comes."""
    for part in _portions([entry for entry in ledger.acknowledged if entry.write.sha256 is not None]):
        items = [{"path": entry.write.path, "version": entry.version} for entry in part]
        answer = client.post("/files:get", json={"items": items}).raise_for_status()
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        for entry, (header, body) in zip(part, parse_frames(answer.content), strict=True):
            if header["status"] != 200 or hashlib.sha256(body).hexdigest() != entry.write.sha256:
                yield f"{entry.write.path} version {entry.version}: {header['status']} with {len(body)} bytes"


def _portions(entries: Iterable[Acknowledged]) -> Iterator[list[Acknowledged]]:
    """As many at once as one answer holds."""
    part: list[Acknowledged] = []
    for entry in entries:
        size_bytes = sum(other.write.size_bytes for other in part) + entry.write.size_bytes
        if part and (len(part) == MOST_ITEMS or size_bytes > MOST_BYTES):
            yield part
            part = []
        part.append(entry)
    if part:
        yield part


def _invented(ledger: Ledger, histories: dict[str, dict[int, str | None]]) -> Iterator[str]:
    """Versions that nobody was told of must be writes whose answers were lost, each at most once."""
    told = {(entry.write.path, entry.version) for entry in ledger.acknowledged}
    possible = Counter((write.path, write.sha256) for write in ledger.doubtful)
    for path, versions in histories.items():
        for version, sha256 in versions.items():
            if (path, version) in told:
                continue
            possible[path, sha256] -= 1
            if possible[path, sha256] < 0:
                yield f"{path} version {version} holds {sha256}, which nobody wrote, or wrote once"


def _used_twice(histories: dict[str, dict[int, str | None]]) -> Iterator[str]:
    seen: dict[int, str] = {}
    for path, versions in histories.items():
        for version in versions:
            if version in seen:
                yield f"version {version} is one of {seen[version]} and of {path}"
            seen[version] = path


def _out_of_order(ledger: Ledger) -> Iterator[str]:
    """A write that began after another was acknowledged has the higher version, whatever died in between."""
    newest: dict[str, int] = defaultdict(int)
    for entry in ledger.acknowledged:
        if entry.version <= newest[entry.writer]:
            yield f"{entry.writer} got version {entry.version} after {newest[entry.writer]}"
        newest[entry.writer] = entry.version


def _won_twice(ledger: Ledger) -> Iterator[str]:
    """Of equal conditional writes one wins."""
    winners: dict[tuple[str, int], int] = {}
    for entry in ledger.acknowledged:
        if entry.write.after is None:
            continue
        condition = entry.write.path, entry.write.after
        if condition in winners:
            yield f"versions {winners[condition]} and {entry.version} of {condition[0]} both followed {condition[1]}"
        winners[condition] = entry.version


def _heads_that_differ(histories: dict[str, dict[int, str | None]], client: httpx.Client) -> Iterator[str]:
    """The feed from its beginning must tell of each path the newest version of its history."""
    heads: dict[str, tuple[int, str | None]] = {}
    since, has_more = "", True
    while has_more:
        page = client.get("/changes", params={"since": since, "limit": PAGE}).raise_for_status().json()
        for item in page["items"]:
            heads[item["path"]] = item["version"], item["sha256"]
        since, has_more = page["cursor"], page["has_more"]
    for path, versions in histories.items():
        newest = max(versions, default=None)
        expected = None if newest is None else (newest, versions[newest])
        if heads.get(path) != expected:
            yield f"the feed says of {path} {heads.get(path)}, its history {expected}"
