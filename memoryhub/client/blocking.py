"""The client for ordinary code."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from memoryhub.client import calls
from memoryhub.client.calls import Answer, Call
from memoryhub.client.disk import CHUNK_BYTES, flush, pieces, replacing
from memoryhub.client.errors import DamagedAnswer
from memoryhub.client.index import Index, IndexReader
from memoryhub.client.retrying import Retries
from memoryhub.client.sending import BROKEN, Attempts, Download, Target, index_params, is_answer
from memoryhub.client.values import (
    Change,
    Changes,
    Content,
    Delete,
    FileInfo,
    FileState,
    History,
    IfVersion,
    Purged,
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

    Where the hub, or the way to it, keeps a call from its result, that is a `HubError`. A file of this machine raises
    OSError, as anywhere; an argument of another type TypeError or ValueError; a client that was closed RuntimeError.

    What clears by itself (429, 502, 503, 504, a lost connection) is tried again as `retries` says. A write whose
    answer was lost is recognised then and not done twice, by its condition or by a key. Only `put` and `delete` with
    ANY have neither: sent again, they take the place of what somebody else may have written in between, which stays in
    the history. `put_many` does not.
    """

    def __init__(
        self, url: str, token: str, workspace: str, *, retries: Retries | None = None, timeout_s: float = 60.0
    ) -> None:
        """`url` is the hub's address without a path; `timeout_s` the longest silence of the hub.

        Raises `Invalid` where the address can be none, `Unauthorized` where the token can be none.
        """
        self.target = Target(url, token, workspace)
        self._retries = retries or Retries()
        self._http = httpx.Client(headers=self.target.headers, timeout=timeout_s, verify=self.target.trust)

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
        """The same in pieces of up to 256 KiB, checked after the last one. Goes on where a connection breaks."""
        url = self.target.address(calls.file_path(path), calls.file_params(version))
        download, attempts = Download(path), Attempts(self.target, self._retries, calls.named(path, version))
        while True:
            try:
                with self._http.stream("GET", url, headers=download.headers) as response:
                    if is_answer(response):
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

    def download(self, path: str, to: str | PathLike[str], *, version: int | None = None) -> None:
        """Writes the bytes of a path to a file, which afterwards is whole or as it was before; its folder is there.

        Raises as `read` does, and OSError.
        """
        with replacing(Path(to)) as file:
            for chunk in self.stream(path, version=version):
                file.write(chunk)
            flush(file)

    def stat(self, path: str, *, version: int | None = None) -> FileInfo:
        """What a path, or one of its versions, is without its bytes. Raises `NotFound`."""
        return self._run(calls.stat(path, version))

    def put(
        self,
        path: str,
        content: Content,
        *,
        if_version: IfVersion,
        content_type: str = "application/octet-stream",
        message: str = "",
    ) -> Change:
        """Makes bytes, or those of a file, the newest version of a path.

        A file is read twice: for its digest, which is sent ahead, and as it is sent. Raises `PreconditionFailed`,
        `TooLarge`, `OutOfRoom`, and `ChangedWhileSent` for a file that became shorter in between.
        """
        return self._run(calls.put(path, content, if_version, content_type, message))

    def delete(self, path: str, *, if_version: IfVersion, message: str = "") -> Change:
        """Puts a tombstone on a path; its versions stay. Raises `NotFound`, `PreconditionFailed`."""
        return self._run(calls.delete(path, if_version, message))

    def history(self, path: str, *, limit: int = 100, cursor: str | None = None) -> History:
        """Up to 1,000 versions of a path, newest first. Raises `NotFound` for a path that never was."""
        return self._run(calls.history(path, limit, cursor))

    # --- Many files

    def put_many(
        self, items: Sequence[Put | Delete], *, all_or_nothing: bool = False, message: str = ""
    ) -> list[Change | RefusedItem]:
        """Writes and deletes up to 1,000 files, 32 MiB together, as one change set. One answer for each, in order.

        With `all_or_nothing` a refused item refuses all: raises `PreconditionFailed`, with `items` in its `fields`.
        """
        return self._run(calls.put_many(items, all_or_nothing, message))

    def get_many(self, items: Iterable[tuple[str, int | None]]) -> list[StoredFile | RefusedItem]:
        """Reads up to 1,000 (path, version) pairs, 32 MiB together; version None is the newest. Answers in order.

        Raises `TooLarge` for more pairs. What does not fit into the bytes is a `RefusedItem` with that error.
        """
        return self._run(calls.get_many(items))

    def copy(self, items: Iterable[Transfer], *, message: str = "") -> list[Change]:
        """Copies files within the workspace, all or nothing. One change for each target, in order.

        Raises `NotFound` for a source, `PreconditionFailed` for a target.
        """
        return self._run(calls.transfer("copy", items, message))

    def move(self, items: Iterable[Transfer], *, message: str = "") -> list[Change]:
        """Moves files within the workspace, all or nothing; their histories stay at the old paths.

        Raises as `copy` does, and `PreconditionFailed` for a source that has moved on from its `source_version`.
        """
        return self._run(calls.transfer("move", items, message))

    def revert(self, items: Iterable[Revert], *, message: str = "") -> list[Change]:
        """Writes old versions as new ones, all or nothing. Raises `NotFound`, `PreconditionFailed`."""
        return self._run(calls.revert(items, message))

    def purge(self, path: str, *, confirm: str) -> Purged:
        """Removes the old versions of a path for good, of a deleted one all; `confirm` repeats it. An owner's.

        Raises `Invalid` where it does not. Where the first answer was lost, the counts are those of what was left.
        """
        return self._run(calls.purge(path, confirm))

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
        attempts = Attempts(self.target, self._retries, call.about)
        while True:
            try:
                response = self._send(call)
                if is_answer(response):
                    answer = Answer(response.status_code, response.headers, response.content, attempts.may_be_done)
                    return call.result(answer)
                if (error := attempts.refused(response, response.content)) is not None:
                    return call.settle(error, was_resent=attempts.may_be_done)
            except BROKEN as failure:
                attempts.broke_off(failure)
            time.sleep(attempts.wait_s())

    def _send(self, call: Call[T]) -> httpx.Response:
        content = pieces(call.content, call.size_bytes) if isinstance(call.content, Path) else call.content
        url = self.target.address(call.path, call.params)
        return self._http.request(call.method, url, headers=call.headers, content=content)

    def _opened(self, path: str, params: dict[str, str]) -> httpx.Response:
        """The beginning of an answer; to be closed."""
        attempts = Attempts(self.target, self._retries)
        request = self._http.build_request("GET", self.target.address(path, params))
        while True:
            try:
                response = self._http.send(request, stream=True)
                if is_answer(response):
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
