"""A workspace of a live hub, and clients for it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from memoryhub.client import AsyncClient, Client, Retries
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

    def stop(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


@pytest.fixture
def workspace(live_hub: LiveHub) -> LiveWorkspace:
    return live_hub.workspace()


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
