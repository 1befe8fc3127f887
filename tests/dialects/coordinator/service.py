"""The coordinator of a workspace in this process, as clients see it."""

from dataclasses import dataclass
from typing import Any

import httpx

from apps.accounts.models import TokenKind
from apps.workspaces.models import Workspace
from tests.dialects.memory_proxy.proxy import client_at
from tests.factories import make_token, make_workspace

SENT = {
    "agent_id": "agent-9759e65b3a62ebae",
    "timestamp": "2026-02-01T12:00:00Z",
    "topic_counts": {"semantic": 2, "episodic": 3},
    "fact_hashes": ["untitled", "Day two", "secret-project-x"],
}


@dataclass(frozen=True)
class Coordinator:
    """`http` sends the token as Bearer, to addresses below the dialect's own."""

    workspace: Workspace
    token: str
    http: httpx.Client

    @classmethod
    def of_new_workspace(cls) -> "Coordinator":
        workspace = make_workspace()
        token = make_token(workspace)
        return cls(workspace, token, client_at(f"/w/{workspace.slug}/coordinator", token))

    def push(self, summary: dict[str, Any] | None = None, **changes: Any) -> httpx.Response:
        return self.http.post("/push", json={"summary": (SENT if summary is None else summary) | changes})

    def pull(self) -> httpx.Response:
        return self.http.get("/pull")

    def as_stranger(self, token: str | None = None) -> httpx.Client:
        return client_at(f"/w/{self.workspace.slug}/coordinator", token)

    def by_path(self, token: str | None = None) -> httpx.Client:
        """A client that can send no header. `token` is one to use in place of a good one."""
        text = token or make_token(self.workspace, kind=TokenKind.PATH)
        return client_at(f"/w/{self.workspace.slug}/coordinator/t/{text}", None)
