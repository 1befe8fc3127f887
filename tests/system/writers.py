"""Six clients that write in their own ways as fast as they are answered, and note what they were promised."""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import httpx

from apps.files.frames import END, MEDIA_TYPE, frame
from tests.live import LiveWorkspace
from tests.system.ledger import Ledger, Write

SMALL_BYTES = (0, 4096)
LARGE_BYTES = (64 * 1024 + 1, 400 * 1024)
ITEMS_PER_BATCH = 40
PAUSE_AFTER_FAILURE_S = 0.05
ANSWER_TIMEOUT_S = 30.0
SHARED_PATH = "shared/notes.md"
REFUSALS = {404, 412, 429}
"""Answers that say for certain that nothing was written."""


class Writer:
    """One client with one way of writing; subclasses say which in `step`. A step writes once, and takes what comes.

    `failures` are the answers that leave open whether something was written; any but them is noted as unexpected.
    """

    failures: ClassVar[set[int]] = {503}

    def __init__(self, name: str, workspace: LiveWorkspace, ledger: Ledger) -> None:
        self.name = name
        self.ledger = ledger
        self._workspace = workspace
        self._random = random.Random(name)
        self._written = 0
        self.client: httpx.Client

    def run(self, stop: threading.Event) -> None:
        """Steps until told to stop."""
        with self.connected():
            while not stop.is_set():
                if not self.step():
                    stop.wait(PAUSE_AFTER_FAILURE_S)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Steps are taken inside."""
        with self._workspace.client() as self.client:
            self.client.timeout = httpx.Timeout(ANSWER_TIMEOUT_S)
            yield

    def step(self) -> bool:
        """True when the hub said yes."""
        raise NotImplementedError

    def content(self, size_bytes: tuple[int, int]) -> bytes:
        """Bytes that were never written before."""
        self._written += 1
        return f"{self.name} {self._written} ".encode() + self._random.randbytes(self._random.randint(*size_bytes))

    def number(self) -> int:
        """How many contents there were."""
        return self._written

    def send(self, method: str, url: str, writes: Sequence[Write], **arguments: Any) -> Any:
        """The JSON of an answer that says yes, or None. What may have happened all the same is noted."""
        try:
            answer = self.client.request(method, url, **arguments)
        except httpx.HTTPError as error:
            self.ledger.count(type(error).__name__)
            if not isinstance(error, httpx.ConnectError):
                self.ledger.doubt(writes)
            return None
        if answer.is_success:
            self.ledger.count(str(answer.status_code))
            return answer.json()
        self.ledger.count(f"{answer.status_code} {_code_of(answer)}")
        if answer.status_code not in REFUSALS:
            self.ledger.doubt(writes)
        if answer.status_code not in REFUSALS | self.failures:
            self.ledger.wonder(f"{self.name}: {method} {url}: {answer.status_code} {answer.text[:200]}")
        return None

    def put(self, path: str, data: bytes, *, headers: dict[str, str], after: int | None = None) -> int | None:
        """One PUT, noted. The new version, or None."""
        write = Write(path, hashlib.sha256(data).hexdigest(), len(data), after)
        query = "" if headers else "?overwrite=true"
        answer = self.send("PUT", f"/files/{path}{query}", [write], content=data, headers=headers)
        if answer is None:
            return None
        self.ledger.acknowledge(self.name, answer["version"], write)
        return int(answer["version"])


class Creator(Writer):
    """Small files that were not there."""

    def step(self) -> bool:
        data = self.content(SMALL_BYTES)
        return self.put(f"{self.name}/{self.number()}.md", data, headers={"If-None-Match": "*"}) is not None


class Uploader(Writer):
    """Files that are too large for a row, new ones and new versions."""

    def step(self) -> bool:
        data = self.content(LARGE_BYTES)
        return self.put(f"{self.name}/{self.number() % 30}.bin", data, headers={}) is not None


class Deleter(Writer):
    """A file comes and goes."""

    def step(self) -> bool:
        data = self.content(SMALL_BYTES)
        path = f"{self.name}/{self.number() % 10}.md"
        version = self.put(path, data, headers={})
        if version is None:
            return False
        write = Write(path, None, 0, version)
        answer = self.send("DELETE", f"/files/{path}", [write], headers={"If-Match": f'"{version}"'})
        if answer is None:
            return False
        self.ledger.acknowledge(self.name, answer["version"], write)
        return True


class Batcher(Writer):
    """Many files at once, large ones and deletes among them."""

    def step(self) -> bool:
        writes, frames = [], []
        for place in range(ITEMS_PER_BATCH):
            path = f"{self.name}/{self.number() % 400}-{place}.md"
            data = self.content(LARGE_BYTES if place == 0 else SMALL_BYTES)
            writes.append(Write(path, hashlib.sha256(data).hexdigest(), len(data)))
            frames.append(frame({"path": path, "if_version": "any"}, data))
        body = b"".join(frames) + END
        answer = self.send("POST", "/files:put", writes, content=body, headers={"Content-Type": MEDIA_TYPE})
        if answer is None:
            return False
        for write, item in zip(writes, answer["items"], strict=True):
            if item["status"] in (200, 201):
                self.ledger.acknowledge(self.name, item["version"], write)
            else:
                self.ledger.wonder(f"{self.name}: {write.path}: {item}")
        return True


class Editor(Writer):
    """Reads one file that others edit too, and writes it if it still is what was read."""

    def step(self) -> bool:
        try:
            seen = self.client.head(f"/files/{SHARED_PATH}")
        except httpx.HTTPError:
            return False
        if seen.status_code == httpx.codes.NOT_FOUND:
            return self.put(SHARED_PATH, self.content(SMALL_BYTES), headers={"If-None-Match": "*"}, after=0) is not None
        if seen.status_code != httpx.codes.OK:
            return False
        tag = seen.headers["ETag"]
        version = int(tag.strip('"'))
        return self.put(SHARED_PATH, self.content(SMALL_BYTES), headers={"If-Match": tag}, after=version) is not None


def _code_of(answer: httpx.Response) -> str:
    is_problem = answer.headers.get("Content-Type") == "application/problem+json"
    return answer.json()["code"] if is_problem else answer.text[:100]


WRITERS: dict[str, Callable[..., Writer]] = {
    "creator": Creator,
    "uploader": Uploader,
    "deleter": Deleter,
    "batcher": Batcher,
    "editor": Editor,
    "other-editor": Editor,
}


@contextmanager
def writing(workspace: LiveWorkspace, ledger: Ledger) -> Iterator[list[str]]:
    """Lets all of them write while the block runs; gives their names. A writer that fails fails the block."""
    stop = threading.Event()
    failures: list[Exception] = []

    def run(writer: Writer) -> None:
        try:
            writer.run(stop)
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            failures.append(error)

    writers = [kind(name, workspace, ledger) for name, kind in WRITERS.items()]
    threads = [threading.Thread(target=run, args=[writer], name=writer.name) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield list(WRITERS)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
