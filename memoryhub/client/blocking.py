"""The client for ordinary code."""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from memoryhub.client import calls
from memoryhub.client.calls import Answer, Call
from memoryhub.client.errors import ChangedWhileSent, DamagedAnswer
from memoryhub.client.index import Index, IndexReader
from memoryhub.client.retrying import Retries
from memoryhub.client.sending import BROKEN, CHUNK_BYTES, Attempts, Download, Target, index_params
from memoryhub.client.values import (
    Change,
    Changes,
    Content,
    Delete,
    FileState,
    History,
    IfVersion,
    Put,
    RefusedItem,
    Revert,
    StoredFile,
    Transfer,
    WorkspaceInfo,
)

T = TypeVar("T")


class Client:
    """The files of one workspace. Threads may share it: connections are pooled.

    Every call may raise a `HubError`. What clears by itself (429, 503, a lost connection) is tried again as `retries`
    says; a write that was tried again is never done twice, and one whose first answer was lost is recognised.
    """

    def __init__(
        self, url: str, token: str, workspace: str, *, retries: Retries | None = None, timeout_s: float = 60.0
    ) -> None:
        """`url` is the hub's address without a path; `timeout_s` the longest silence of the hub."""
        self.target = Target(url, token, workspace)
        self._retries = retries or Retries()
        self._http = httpx.Client(headers=self.target.headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    # --- One file

    def read(self, path: str, *, version: int | None = None) -> bytes:
        """The bytes of a path, or of one of its versions, in memory. Raises `NotFound`, `DamagedAnswer`."""
        return b"".join(self.stream(path, version=version))

    def stream(self, path: str, *, version: int | None = None) -> Iterator[bytes]:
        """The same in pieces, checked after the last one. Goes on where a connection breaks."""
        url = self.target.base + calls.file_path(path)
        download, attempts = Download(path), Attempts(self._retries)
        while True:
            try:
                with self._http.stream(
                    "GET", url, params=calls.file_params(version), headers=download.headers
                ) as response:
                    if response.status_code < 400:
                        download.begin(response)
                        for chunk in response.iter_raw(CHUNK_BYTES):
                            download.take(chunk)
                            attempts.progress()
                            yield chunk
                        download.finish()
                        return
                    if (error := attempts.refused(response, response.read())) is not None:
                        raise error
            except BROKEN as failure:
                attempts.broke_off(failure)
            time.sleep(attempts.wait_s())

    def download(self, path: str, to: Path, *, version: int | None = None) -> None:
        """Writes the bytes of a path to a file, which afterwards is whole or as it was before."""
        handle, name = tempfile.mkstemp(dir=to.parent, prefix=".memoryhub-")
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in self.stream(path, version=version):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)

    def put(
        self,
        path: str,
        content: Content,
        *,
        if_version: IfVersion,
        content_type: str = "application/octet-stream",
        message: str = "",
    ) -> Change:
        """Makes bytes, or those of a file, the newest version of a path. Raises `PreconditionFailed`."""
        return self._run(calls.put(path, content, if_version, content_type, message))

    def delete(self, path: str, *, if_version: IfVersion, message: str = "") -> Change:
        """Puts a tombstone on a path; its versions stay. Raises `NotFound`, `PreconditionFailed`."""
        return self._run(calls.delete(path, if_version, message))

    def history(self, path: str, *, limit: int = 100, cursor: str | None = None) -> History:
        """Versions of a path, newest first."""
        return self._run(calls.history(path, limit, cursor))

    # --- Many files

    def put_many(
        self, items: Sequence[Put | Delete], *, all_or_nothing: bool = False, message: str = ""
    ) -> list[Change | RefusedItem]:
        """Writes and deletes up to 1,000 files, 32 MiB together, as one change set. One answer for each, in order.

        With `all_or_nothing` a refused item refuses all: then every answer is a `RefusedItem`.
        """
        return self._run(calls.put_many(items, all_or_nothing, message))

    def get_many(self, items: Iterable[tuple[str, int | None]]) -> list[StoredFile | RefusedItem]:
        """Reads up to 1,000 (path, version) pairs, 32 MiB together; version None is the newest. Answers in order."""
        return self._run(calls.get_many(items))

    def copy(self, items: Iterable[Transfer], *, message: str = "") -> list[Change]:
        """Copies files within the workspace, all or nothing. One change for each target."""
        return self._run(calls.transfer("copy", items, message))

    def move(self, items: Iterable[Transfer], *, message: str = "") -> list[Change]:
        """Moves files within the workspace, all or nothing; their histories stay at the old paths."""
        return self._run(calls.transfer("move", items, message))

    def revert(self, items: Iterable[Revert], *, message: str = "") -> list[Change]:
        """Writes old versions as new ones, all or nothing."""
        return self._run(calls.revert(items, message))

    # --- The workspace

    def info(self) -> WorkspaceInfo:
        """What the workspace is, and how much it holds."""
        return self._run(calls.info(self.target.workspace))

    def changes(self, since: str | None = None, *, limit: int = 1000, etag: str | None = None) -> Changes | None:
        """A page of the feed after a cursor; None where `etag` is still right. Raises `CursorExpired`."""
        return self._run(calls.changes(since, limit, etag))

    def index(self, prefix: str = "", *, tombstones: bool = False) -> Index:
        """Every file, or every one below a folder, in memory."""
        with self.index_stream(prefix, tombstones=tombstones) as (cursor, files):
            return Index(cursor, list(files))

    @contextmanager
    def index_stream(self, prefix: str = "", *, tombstones: bool = False) -> Iterator[tuple[str, Iterator[FileState]]]:
        """The cursor for `changes`, and the files one after the other, in the order of their paths' bytes.

        A connection that breaks in the middle raises `DamagedAnswer`: what came before may be of another state.
        """
        response = self._opened("/index", index_params(prefix, tombstones=tombstones))
        try:
            reader = IndexReader()
            files = _files(reader, response)
            first = next(files, None)
            yield reader.cursor, files if first is None else chain([first], files)
        finally:
            response.close()

    # --- Sending

    def _run(self, call: Call[T]) -> T:
        attempts = Attempts(self._retries)
        while True:
            try:
                response = self._send(call)
                if response.status_code < 400:
                    answer = Answer(response.status_code, response.headers, response.content, attempts.may_be_done)
                    return call.parse(answer)
                if (error := attempts.refused(response, response.content)) is not None:
                    return call.settle(error, was_resent=attempts.may_be_done)
            except httpx.LocalProtocolError as failure:
                raise ChangedWhileSent("The file became shorter while it was sent.") from failure
            except BROKEN as failure:
                attempts.broke_off(failure)
            time.sleep(attempts.wait_s())

    def _send(self, call: Call[T]) -> httpx.Response:
        content = (
            _pieces(call.content, int(call.headers["Content-Length"]))
            if isinstance(call.content, Path)
            else call.content
        )
        url = self.target.base + call.path
        return self._http.request(call.method, url, params=call.params, headers=call.headers, content=content)

    def _opened(self, path: str, params: dict[str, str]) -> httpx.Response:
        """The beginning of an answer that says yes; to be closed."""
        attempts = Attempts(self._retries)
        request = self._http.build_request("GET", self.target.base + path, params=params)
        while True:
            try:
                response = self._http.send(request, stream=True)
                if response.status_code < 400:
                    return response
                if (error := attempts.refused(response, response.read())) is not None:
                    raise error
            except BROKEN as failure:
                attempts.broke_off(failure)
            time.sleep(attempts.wait_s())


def _files(reader: IndexReader, response: httpx.Response) -> Iterator[FileState]:
    try:
        for piece in response.iter_text(CHUNK_BYTES):
            yield from reader.feed(piece)
    except BROKEN as failure:
        raise DamagedAnswer("The index broke off.") from failure
    reader.finish()


def _pieces(path: Path, size_bytes: int) -> Iterator[bytes]:
    """The first so many bytes: what is appended meanwhile belongs to another version."""
    with path.open("rb") as file:
        while piece := file.read(min(CHUNK_BYTES, size_bytes)):
            size_bytes -= len(piece)
            yield piece
