"""Snapshots and going back, beside the single write and the batch that do the same to files."""

import json
import time

import psycopg

from bench.harness import Client, Hub, cost, running_hub
from bench.results import report
from bench.sync_path import BODY, database_url, fill, put_many

ROUNDS = 5
LISTED = 100_000
RESTORED, CHANGED = 10_000, 1_000

_REWRITE = """
WITH w AS (SELECT id FROM workspaces_workspace WHERE slug = %(slug)s),
v AS (
    INSERT INTO files_fileversion (id, file_id, blob_id, content_type, size_bytes, changed_at, parent)
    SELECT f.id + %(files)s, f.id, f.blob_id, f.content_type, f.size_bytes, now(), f.head FROM files_file f, w
     WHERE f.workspace_id = w.id
    RETURNING id, file_id),
c AS (
    UPDATE workspaces_workspacecounter SET last_sequence = last_sequence + %(files)s
     WHERE workspace_id = (SELECT id FROM w))
UPDATE files_file f SET head = v.id FROM v WHERE f.id = v.file_id
"""
"""Another version of every file."""


def main() -> None:
    """Runs all and prints one line each."""
    with running_hub() as hub:
        for files in (10_000, 1_000_000):
            creating(hub, files)
        listing(hub)
        restoring(hub)


def creating(hub: Hub, files: int) -> None:
    call, base = _workspace(hub, f"create-{files}", files)
    cpu_ratios, wall_ratios = [], []
    for number in range(ROUNDS):
        put = cost(hub, lambda i, n=number: _put(call, f"{base}files/put/{n}/{i}.md"))  # type: ignore[misc]
        snapshot = cost(hub, lambda i, n=number: _created(call, base, f"round-{n}-{i + 100:06}"))  # type: ignore[misc]
        cpu_ratios.append(snapshot.cpu_us / put.cpu_us)
        wall_ratios.append(snapshot.wall_us / put.wall_us)
    report(f"snapshot of {files:,} files : a single PUT, CPU", cpu_ratios, wanted="<= 3")
    report(f"snapshot of {files:,} files : a single PUT, wall", wall_ratios, wanted="<= 3")


def listing(hub: Hub) -> None:
    """As of a moment since which every file was written again, and as of now."""
    call, base = _workspace(hub, "listed", LISTED)
    old = _created(call, base)
    with psycopg.connect(database_url(hub), autocommit=True) as connection:
        connection.execute(_REWRITE, {"slug": "listed", "files": LISTED})
        connection.execute("ANALYZE files_file, files_fileversion")
    new = _created(call, base)
    cpu_ratios, wall_ratios = [], []
    for _ in range(ROUNDS):
        then, now = _listed(hub, call, base, old), _listed(hub, call, base, new)
        cpu_ratios.append(then[0] / now[0])
        wall_ratios.append(then[1] / now[1])
    report(f"{LISTED:,} files as of an old moment : as of now, CPU", cpu_ratios, wanted="<= 4")
    report(f"{LISTED:,} files as of an old moment : as of now, wall", wall_ratios)


def restoring(hub: Hub) -> None:
    """A tenth of the files, beside one batch that writes the same number."""
    call, base = _workspace(hub, "restored", RESTORED)
    ratios = []
    for number in range(ROUNDS):
        name = _created(call, base)
        began = time.monotonic()
        put_many(call, base, [f"fill/{i % 1000}/{i}.md" for i in range(1, CHANGED + 1)], run=number)
        written_s = time.monotonic() - began
        began = time.monotonic()
        status, body = _post(call, f"{base}restores", {"snapshot": name, "confirm": True})
        assert (status, json.loads(body)["put"]) == (200, CHANGED), body
        ratios.append((time.monotonic() - began) / written_s)
    report(f"restore of {CHANGED:,} in {RESTORED:,} files : a batch of them, wall", ratios, wanted="<= 2")


def _workspace(hub: Hub, slug: str, files: int) -> tuple[Client, str]:
    """A workspace with so many files, with a client for it and its address."""
    hub.memoryhub("workspace", "create", slug)
    scopes = [f"--scope={scope}" for scope in ("files:write", "snapshots:write", "snapshots:read", "restores:write")]
    token = hub.memoryhub("token", "issue", slug, *scopes)
    fill(database_url(hub), slug, 1, files)
    return Client(hub.port, token), f"/api/v1/workspaces/{slug}/"


def _put(call: Client, path: str) -> None:
    status, _ = call("PUT", path, path.encode() + BODY[len(path) :], If_None_Match="*")
    assert status == 201


def _created(call: Client, base: str, name: str = "") -> str:
    """The name of a new snapshot."""
    status, body = _post(call, f"{base}snapshots", {"name": name})
    assert status == 201, body
    return str(json.loads(body)["name"])


def _listed(hub: Hub, call: Client, base: str, name: str) -> tuple[float, float]:
    """CPU and wall seconds of reading all pages."""
    cpu_s, began, seen, cursor = hub.cpu_s(), time.monotonic(), 0, ""
    while True:
        status, body = call("GET", f"{base}snapshots/{name}/files?limit=1000{cursor}")
        assert status == 200
        page = json.loads(body)
        seen += len(page["items"])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == LISTED
    return hub.cpu_s() - cpu_s, time.monotonic() - began


def _post(call: Client, path: str, body: object) -> tuple[int, bytes]:
    return call("POST", path, json.dumps(body).encode(), Content_Type="application/json")
