"""The client for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
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


class AsyncClient:
    """`Client` for asyncio: the same calls with the same meaning."""

    def __init__(
        self, url: str, token: str, workspace: str, *, retries: Retries | None = None, timeout_s: float = 60.0
    ) -> None:
        self.target = Target(url, token, workspace)
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(headers=self.target.headers, timeout=timeout_s, verify=self.target.trust)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def read(self, path: str, *, version: int | None = None) -> bytes:
        return b"".join([chunk async for chunk in self.stream(path, version=version)])

    async def stream(self, path: str, *, version: int | None = None) -> AsyncGenerator[bytes]:
        url = self.target.address(calls.file_path(path), calls.file_params(version))
        download, attempts = Download(path), Attempts(self.target, self._retries, calls.named(path, version))
        while True:
            try:
                async with self._http.stream("GET", url, headers=download.headers) as response:
                    if is_answer(response):
                        download.begin(response)
                        async for chunk in response.aiter_raw(CHUNK_BYTES):
                            download.take(chunk)
                            attempts.progress()
                            yield chunk
                        download.finish()
                        return
                    if (error := attempts.refused(response, await response.aread())) is not None:
                        raise error
            except BROKEN as failure:
                attempts.broke_off(failure)
            await asyncio.sleep(attempts.wait_s())

    async def download(self, path: str, to: str | PathLike[str], *, version: int | None = None) -> None:
        with replacing(Path(to)) as file:
            async with aclosing(self.stream(path, version=version)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(flush, file)

    async def stat(self, path: str, *, version: int | None = None) -> FileInfo:
        return await self._run(calls.stat(path, version))

    async def put(
        self,
        path: str,
        content: Content,
        *,
        if_version: IfVersion,
        content_type: str = "application/octet-stream",
        message: str = "",
    ) -> Change:
        # Reads the content through, which may be long.
        call = await asyncio.to_thread(calls.put, path, content, if_version, content_type, message)
        return await self._run(call)

    async def delete(self, path: str, *, if_version: IfVersion, message: str = "") -> Change:
        return await self._run(calls.delete(path, if_version, message))

    async def history(self, path: str, *, limit: int = 100, cursor: str | None = None) -> History:
        return await self._run(calls.history(path, limit, cursor))

    async def put_many(
        self, items: Sequence[Put | Delete], *, all_or_nothing: bool = False, message: str = ""
    ) -> list[Change | RefusedItem]:
        return await self._run(calls.put_many(items, all_or_nothing, message))

    async def get_many(self, items: Iterable[tuple[str, int | None]]) -> list[StoredFile | RefusedItem]:
        return await self._run(calls.get_many(items))

    async def copy(self, items: Iterable[Transfer], *, message: str = "") -> list[Change]:
        return await self._run(calls.transfer("copy", items, message))

    async def move(self, items: Iterable[Transfer], *, message: str = "") -> list[Change]:
        return await self._run(calls.transfer("move", items, message))

    async def revert(self, items: Iterable[Revert], *, message: str = "") -> list[Change]:
        return await self._run(calls.revert(items, message))

    async def purge(self, path: str, *, confirm: str) -> Purged:
        return await self._run(calls.purge(path, confirm))

    async def info(self) -> WorkspaceInfo:
        return await self._run(calls.info(self.target.workspace))

    async def changes(self, since: str | None = None, *, limit: int = 1000, etag: str | None = None) -> Changes | None:
        return await self._run(calls.changes(since, limit, etag))

    async def index(self, prefix: str = "", *, tombstones: bool = False) -> Index:
        async with self.index_stream(prefix, tombstones=tombstones) as (cursor, files):
            return Index(cursor, [file async for file in files])

    @asynccontextmanager
    async def index_stream(
        self, prefix: str = "", *, tombstones: bool = False
    ) -> AsyncIterator[tuple[str, AsyncIterator[FileState]]]:
        response = await self._opened("/index", index_params(prefix, tombstones=tombstones))
        try:
            reader = IndexReader()
            files = _files(reader, response)
            first = await anext(files, None)
            yield reader.cursor, files if first is None else _chained(first, files)
        finally:
            await response.aclose()

    async def _run(self, call: Call[T]) -> T:
        attempts = Attempts(self.target, self._retries, call.about)
        while True:
            try:
                response = await self._send(call)
                if is_answer(response):
                    answer = Answer(response.status_code, response.headers, response.content, attempts.may_be_done)
                    return call.result(answer)
                if (error := attempts.refused(response, response.content)) is not None:
                    return call.settle(error, was_resent=attempts.may_be_done)
            except BROKEN as failure:
                attempts.broke_off(failure)
            await asyncio.sleep(attempts.wait_s())

    async def _send(self, call: Call[T]) -> httpx.Response:
        content = _pieces(call.content, call.size_bytes) if isinstance(call.content, Path) else call.content
        url = self.target.address(call.path, call.params)
        return await self._http.request(call.method, url, headers=call.headers, content=content)

    async def _opened(self, path: str, params: dict[str, str]) -> httpx.Response:
        attempts = Attempts(self.target, self._retries)
        request = self._http.build_request("GET", self.target.address(path, params))
        while True:
            try:
                response = await self._http.send(request, stream=True)
                if is_answer(response):
                    return response
                if (error := attempts.refused(response, await response.aread())) is not None:
                    raise error
            except BROKEN as failure:
                attempts.broke_off(failure)
            await asyncio.sleep(attempts.wait_s())


async def _pieces(path: Path, size_bytes: int) -> AsyncIterator[bytes]:
    read = pieces(path, size_bytes)
    while piece := await asyncio.to_thread(next, read, b""):
        yield piece


async def _files(reader: IndexReader, response: httpx.Response) -> AsyncIterator[FileState]:
    try:
        async for piece in response.aiter_text(CHUNK_BYTES):
            for file in reader.feed(piece):
                yield file
    except BROKEN as failure:
        raise DamagedAnswer("The index broke off.") from failure
    reader.finish()


async def _chained(first: FileState, rest: AsyncIterator[FileState]) -> AsyncIterator[FileState]:
    yield first
    async for file in rest:
        yield file
