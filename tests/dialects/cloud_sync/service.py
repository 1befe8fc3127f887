"""The cloud sync of one workspace, met from outside as the original's clients do."""

from dataclasses import dataclass
from typing import Any

import httpx
from django.utils import timezone

from apps.accounts.scopes import ADMIN_SCOPES
from apps.blobs.content import Content
from apps.common.conditions import ANY
from apps.files.actions import delete_file, put_file
from apps.files.queries import index_members
from apps.jobs.running import run_due
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import request_upload
from apps.snapshots.models import CopyState, RemoteCopy
from apps.snapshots.targets import SettingsTarget, settings_target
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.dialects.memory_proxy.proxy import client_at
from tests.factories import ACTOR, make_token, make_workspace

SCOPES = ("snapshots:read", "snapshots:write", "restores:write")
PREFIX = "memories"


@dataclass(frozen=True)
class Service:
    workspace: Workspace
    token: str
    http: httpx.Client

    @classmethod
    def of_new_workspace(cls, slug: str = "") -> "Service":
        workspace = make_workspace(slug)
        token = make_token(workspace, *ADMIN_SCOPES)
        return cls(workspace, token, keyed_client(f"/w/{workspace.slug}/cloud-sync", token))

    def call(self, method: str, path: str, *, body: Any = None, **query: str) -> httpx.Response:
        given = {} if body is None else {"json": body}
        return self.http.request(method, path, params=query, **given)

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.call("GET", path, **query)

    def post(self, path: str, *, body: Any = None, **query: str) -> httpx.Response:
        return self.call("POST", path, body=body, **query)

    def with_key(self, key: str | None) -> httpx.Client:
        """Another caller of the same dialect."""
        return keyed_client(f"/w/{self.workspace.slug}/cloud-sync", key)

    def write(self, path: str, text: str, content_type: str = "text/markdown") -> None:
        content = Content.of_bytes(text.encode())
        put_file(self.workspace, path, content, condition=ANY, content_type=content_type, actor=ACTOR)

    def delete(self, path: str) -> None:
        delete_file(self.workspace, path, condition=ANY, actor=ACTOR)

    def files(self) -> dict[str, str]:
        """MD5 by path, of the live ones."""
        import json

        members = json.loads("{" + ",".join(index_members(self.workspace.pk, prefix="")) + "}")
        return {path: entry["md5"] for path, entry in members.items() if not entry["is_deleted"]}

    def target(self) -> SettingsTarget:
        found = settings_target()
        assert found is not None
        return found

    def uploaded(self, **wish: Any) -> RemoteCopy:
        """A snapshot and its copy, which has arrived. In this very connection, without a worker."""
        snapshot = create_snapshot(self.workspace, actor=ACTOR, **wish)
        copy = request_upload(self.workspace, snapshot, self.target().target, actor=ACTOR)
        run_due()
        copy.refresh_from_db()
        assert copy.state == CopyState.SEALED
        return copy


def keyed_client(path: str, key: str | None, *, root_dialect: str = "") -> httpx.Client:
    """A client of the whole application in this process, which sends its key as the original's do."""
    client = client_at(path, None, root_dialect=root_dialect)
    if key is not None:
        client.headers["X-API-Key"] = key
    return client


def switch_on(settings: Any, bucket: Bucket, slug: str) -> None:
    """CLOUD_SYNC_* as an operator would set them."""
    settings.CLOUD_SYNC_ENABLED = True
    settings.CLOUD_SYNC_BUCKET = bucket.name
    settings.CLOUD_SYNC_REGION = bucket.region
    settings.CLOUD_SYNC_PREFIX = f"{PREFIX}/"
    settings.CLOUD_SYNC_ENDPOINT = bucket.endpoint_url
    settings.CLOUD_SYNC_ACCESS_KEY = bucket.access_key
    settings.CLOUD_SYNC_SECRET_KEY = bucket.secret_key
    settings.CLOUD_SYNC_WORKSPACE = slug


def today() -> str:
    """As names of backups write it."""
    return f"{timezone.now():%Y%m%d}"
