"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from memoryhub.client import calls
from memoryhub.client.calls import Answer, Call
from memoryhub.client.errors import ChangedWhileSent
from memoryhub.client.index import Index, IndexReader
from memoryhub.client.retrying import Retries
from memoryhub.client.sending import BROKEN, CHUNK_BYTES, Attempts, Download, Target, index_params
from memoryhub.client.values import (
    Change,
    Changes,
    Content,
    Delete,
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


class AsyncClient:
    """`Client` for asyncio: the same calls with the same meaning."""

    def __init__(
        self, url: str, token: str, workspace: str, *, retries: Retries | None = None, timeout_s: float = 60.0
    ) -> None:
        self.target = Target(url, token, workspace)
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(headers=self.target.headers, timeout=timeout_s)

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

    async def stream(self, path: str, *, version: int | None = None) -> AsyncIterator[bytes]:
        url = self.target.base + calls.file_path(path)
        download, attempts = Download(path), Attempts(self._retries)
        while True:
            try:
                async with self._http.stream(
                    "GET", url, params=calls.file_params(version), headers=download.headers
                ) as response:
                    if response.status_code < 400:
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

    async def put(
        self,
        path: str,
        content: Content,
        *,
        if_version: IfVersion,
        content_type: str = "application/octet-stream",
        message: str = "",
    ) -> Change:
        return await self._run(calls.put(path, content, if_version, content_type, message))

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

    async def info(self) -> WorkspaceInfo:
        return await self._run(calls.info(self.target.workspace))

    async def changes(self, since: str | None = None, *, limit: int = 1000, etag: str | None = None) -> Changes | None:
        return await self._run(calls.changes(since, limit, etag))

    async def index(self, prefix: str = "", *, tombstones: bool = False) -> Index:
        reader = IndexReader()
        text = await self._run(calls.index_text(index_params(prefix, tombstones=tombstones)))
        files = list(reader.feed(text))
        reader.finish()
        return Index(reader.cursor, files)

    async def _run(self, call: Call[T]) -> T:
        attempts = Attempts(self._retries)
        while True:
            try:
                response = await self._send(call)
                if response.status_code < 400:
                    answer = Answer(response.status_code, response.headers, response.content, attempts.may_be_done)
                    return call.parse(answer)
                if (error := attempts.refused(response, response.content)) is not None:
                    return call.settle(error, was_resent=attempts.may_be_done)
            except httpx.LocalProtocolError as failure:
                raise ChangedWhileSent("The file became shorter while it was sent.") from failure
            except BROKEN as failure:
                attempts.broke_off(failure)
            await asyncio.sleep(attempts.wait_s())

    async def _send(self, call: Call[T]) -> httpx.Response:
        content = (
            _pieces(call.content, int(call.headers["Content-Length"]))
            if isinstance(call.content, Path)
            else call.content
        )
        url = self.target.base + call.path
        return await self._http.request(call.method, url, params=call.params, headers=call.headers, content=content)


async def _pieces(path: Path, size_bytes: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, min(CHUNK_BYTES, size_bytes)):
            size_bytes -= len(piece)
            yield piece
