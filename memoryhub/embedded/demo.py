"""Puts the bundled sample folder into the workspace `demo`, through the public API like any other client.

`python -m memoryhub.embedded.demo URL` does it and ends with a JSON object on standard output.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from mimetypes import guess_type
from urllib.parse import quote

import httpx

from memoryhub.embedded.errors import HubError

WORKSPACE = "demo"
TOKEN_NAME = "demo loader"


@dataclass(frozen=True, slots=True)
class Loaded:
    workspace: str
    written: int
    unchanged: int


def load_demo(url: str) -> Loaded:
    """Writes the files that are not there: one that somebody has changed stays so. Django must be set up.

    The token that it uses lives for the load only. Raises HubError when the hub refuses a file.
    """
    from django.db import connections, transaction

    from apps.accounts.actions import revoke_token
    from apps.accounts.actors import Actor
    from apps.workspaces.actions import create_workspace, issue_workspace_token
    from apps.workspaces.models import Workspace

    try:
        workspace = Workspace.objects.filter(slug=WORKSPACE).first()
        if workspace is None:
            workspace = create_workspace(WORKSPACE, name="Demo", actor=Actor.system())
        if workspace.archived_at is not None:
            return Loaded(WORKSPACE, 0, 0)
        token, text = issue_workspace_token(
            workspace, name=TOKEN_NAME, scopes=["files:read", "files:write"], expires_days=1, actor=Actor.system()
        )
        try:
            return _load(url, text)
        finally:
            with transaction.atomic():
                revoke_token(token, actor=Actor.system())
    finally:
        connections.close_all()


def _load(url: str, token: str) -> Loaded:
    written = unchanged = 0
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        for path, content in sample_files():
            address = f"/api/v1/workspaces/{WORKSPACE}/files/{quote(path)}"
            kind = guess_type(path)[0] or ("text/markdown" if path.endswith(".md") else "application/octet-stream")
            answer = client.put(address, content=content, headers={"If-None-Match": "*", "Content-Type": kind})
            if answer.status_code == httpx.codes.PRECONDITION_FAILED:
                unchanged += 1
            elif answer.is_success:
                written += 1
            else:
                raise HubError(f"The hub refused the demo file {path} with {answer.status_code}: {answer.text[:300]}")
    return Loaded(WORKSPACE, written, unchanged)


def sample_files() -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each bundled note, by path."""
    yield from sorted(_walk(files("memoryhub.demo").joinpath("notes"), ""))


def _walk(directory: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()


def main() -> None:
    """Loads the demo into the hub at the given address; prints what was done, or `{"error": sentence}`."""
    import django

    django.setup()
    answer: dict[str, object]
    try:
        answer = asdict(load_demo(sys.argv[1]))
    except (HubError, httpx.HTTPError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
