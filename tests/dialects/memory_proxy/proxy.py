"""The memory-proxy dialect of one workspace, met from outside: through the edge, by addresses as they are sent."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from django.core.handlers.wsgi import WSGIHandler

from apps.workspaces.models import Workspace
from memoryhub.edge import Edge, EdgeRules
from memoryhub.routing import root_routes
from tests.factories import make_token, make_workspace

BASE = 2**41
"""What the versions on the wire begin above."""


@dataclass(frozen=True)
class Proxy:
    workspace: Workspace
    token: str
    http: httpx.Client

    @classmethod
    @contextmanager
    def of_new_workspace(cls) -> "Iterator[Proxy]":
        workspace = make_workspace()
        token = make_token(workspace)
        with client_at(f"/w/{workspace.slug}/memory-proxy", token) as http:
            yield cls(workspace, token, http)

    def call(self, method: str, address: str, body: bytes | None = None, **headers: str) -> httpx.Response:
        """`address` is below the dialect; `If_Match="x"` sends that header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, address, content=body, headers=named)

    def get(self, address: str, **headers: str) -> httpx.Response:
        return self.call("GET", address, **headers)

    def put(self, address: str, body: bytes = b"text", **headers: str) -> httpx.Response:
        return self.call("PUT", address, body, **headers)

    def delete(self, address: str, **headers: str) -> httpx.Response:
        return self.call("DELETE", address, **headers)

    def native(self, method: str, path: str, body: bytes | None = None, **headers: str) -> httpx.Response:
        """A call of the native API with the same token."""
        url = f"http://hub/api/v1/workspaces/{self.workspace.slug}/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, url, content=body, headers=named)

    def with_token(self, token: str | None) -> httpx.Client:
        """Another caller of the same dialect."""
        return client_at(f"/w/{self.workspace.slug}/memory-proxy", token)


def client_at(path: str, token: str | None, *, root_dialect: str = "") -> httpx.Client:
    """An HTTP client of the whole application in this process, with addresses below `path`."""
    transport = httpx.WSGITransport(app=_as_servers_do(_application(root_dialect)), raise_app_exceptions=False)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(transport=transport, base_url=f"http://hub{path}", headers=headers)


@cache
def _application(root_dialect: str) -> Edge:
    """One for all tests of this process: each that has served a request has a thread that never ends."""
    return Edge(WSGIHandler(), EdgeRules(roots=root_routes(root_dialect, ())))


def _as_servers_do(application: Callable[..., Any]) -> Callable[..., Iterable[bytes]]:
    """httpx hands over the decoded path as text; servers hand over its bytes as latin-1. Source: PEP 3333."""

    def called(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")
        environ.setdefault("SERVER_PROTOCOL", "HTTP/1.1")
        answer: Iterable[bytes] = application(environ, start_response)
        return answer

    return called
