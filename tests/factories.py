"""The least valid rows. A test names only what matters to it."""

from collections.abc import Collection
from dataclasses import replace
from itertools import count
from typing import Any

from apps.accounts.actors import Actor
from apps.accounts.models import User
from apps.blobs.actions import store_object
from apps.blobs.content import Content
from apps.workspaces import actions
from apps.workspaces.models import Workspace

ACTOR = Actor("test")
_numbers = count(1)


def make_user(username: str = "", **fields: Any) -> User:
    """A user who cannot sign in unless a `password` is given."""
    return User.objects.create_user(username or f"user{next(_numbers)}", **fields)


def make_member(workspace: Workspace, role: str = "editor", username: str = "") -> User:
    """A user with that role."""
    user = make_user(username)
    actions.set_member(workspace, user, role, actor=ACTOR)
    return user


def make_workspace(slug: str = "", **options: Any) -> Workspace:
    """An empty workspace with these options."""
    workspace = actions.create_workspace(slug or f"workspace-{next(_numbers)}", actor=ACTOR)
    return actions.update_workspace_settings(workspace, options, actor=ACTOR) if options else workspace


def make_token(workspace: Workspace, *scopes: str, user: User | None = None, **fields: Any) -> str:
    """The text of a token for the workspace; an editor's without `scopes`."""
    wanted: Collection[str] | None = scopes or None
    _, text = actions.issue_workspace_token(workspace, scopes=wanted, user=user, actor=ACTOR, **fields)
    return text


def make_content(workspace: Workspace, data: bytes) -> Content:
    """Content for a version: over a thousand bytes it lies in an object of its own already."""
    content = Content.of_bytes(data)
    if len(data) <= 1000:
        return content
    return replace(content, inline=None, object_key=store_object(workspace.public_id, data))


def bearer(token: str) -> dict[str, str]:
    """Request headers for Django's test client, as `headers=`."""
    return {"Authorization": f"Bearer {token}"}
