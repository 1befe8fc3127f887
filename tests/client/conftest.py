"""A workspace of a live hub, and clients for it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from memoryhub.client import AsyncClient, Client, Retries
from tests.client.shell import Shell
from tests.fakes.faulty_proxy import FaultyProxy
from tests.live import LiveHub, LiveWorkspace

QUICK = Retries(attempts=4, first_s=0.01, longest_s=0.05)


class Awaited:
    """An `AsyncClient` whose calls are run to their ends, so that both clients pass the same tests."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(*arguments, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            coroutine: Coroutine[Any, Any, Any] = getattr(self._client, name)(*arguments, **options)
            return self._loop.run_until_complete(coroutine)

        return call

    def stream(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        return self._each(self._client.stream(*arguments, **options))

    @contextmanager
    def index_stream(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        opened = self._client.index_stream(*arguments, **options)
        cursor, files = self._loop.run_until_complete(opened.__aenter__())
        try:
            yield cursor, self._each(files)
        finally:
            self._loop.run_until_complete(opened.__aexit__(*sys.exc_info()))

    def _each(self, values: AsyncIterator[Any]) -> Iterator[Any]:
        while (value := self._loop.run_until_complete(anext(values, None))) is not None:
            yield value

    def stop(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


@pytest.fixture
def workspace(live_hub: LiveHub) -> LiveWorkspace:
    return live_hub.workspace()


@pytest.fixture
def shell(tmp_path: Path, workspace: LiveWorkspace) -> Shell:
    return Shell(tmp_path, workspace)


@pytest.fixture
def proxy(live_hub: LiveHub) -> Iterator[FaultyProxy]:
    with FaultyProxy(live_hub.url) as proxy:
        yield proxy


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest, workspace: LiveWorkspace) -> Iterator[Callable[..., Any]]:
    """Makes a client of the workspace, by the given address or its own."""
    made: list[Client | Awaited] = []

    def connect(url: str = workspace.hub_url, *, token: str = workspace.token, slug: str = workspace.slug) -> Any:
        kind = Client if request.param == "blocking" else Awaited
        made.append(kind(url, token, slug, retries=QUICK))
        return made[-1]

    yield connect
    for client in made:
        if isinstance(client, Client):
            client.close()
        else:
            client.stop()


@pytest.fixture
def hub(connect: Callable[..., Any]) -> Any:
    return connect()


@pytest.fixture
def shaky(connect: Callable[..., Any], proxy: FaultyProxy) -> Any:
    """A client behind the proxy."""
    return connect(proxy.url)
