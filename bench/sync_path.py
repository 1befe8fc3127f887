"""The numbers of the sync path: single requests, batches, the feed, the index, writers in one workspace, 1 GiB.

Every figure is a ratio of two measurements made one after the other in the same run, on the same hub.
"""

import hashlib
import json
import multiprocessing
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil
import psycopg

from bench.harness import WEB, Client, Cost, Hub, as_json, cost, rate, running_hub, start, stop
from bench.peers import UPDATE_ROW
from bench.results import report, tell
from memoryhub.embedded.layout import Layout
from memoryhub.embedded.running import running_hub as running_hub_of

ROUNDS = 5
SLOW_FLUSH_US = 2000
BODY = os.urandom(2048)
FILES = "/api/v1/workspaces/default/files/"
BASE = "/api/v1/workspaces/default/"
FRAMES = "application/vnd.memoryhub.frames"

_FILL = """
WITH w AS (SELECT id FROM workspaces_workspace WHERE slug = %(slug)s),
b AS (
    INSERT INTO blobs_blob (workspace_id, sha256, md5, size_bytes, inline, created_at)
    SELECT w.id, sha256('fill'), decode(md5('fill'), 'hex'), 4, 'fill', now() FROM w
    ON CONFLICT (workspace_id, sha256) DO UPDATE SET size_bytes = 4 RETURNING id),
f AS (
    INSERT INTO files_file (id, workspace_id, path, head, blob_id, sha256, md5, size_bytes, content_type, is_deleted,
                            changed_at)
    SELECT w.id << 40 | n, w.id, 'fill/' || n %% 1000 || '/' || n || '.md', w.id << 40 | n, b.id, sha256('fill'),
           decode(md5('fill'), 'hex'), 4, 'text/markdown', false, now()
      FROM w, b, generate_series(%(first)s::bigint, %(last)s::bigint) n RETURNING id)
INSERT INTO files_fileversion (id, file_id, blob_id, content_type, size_bytes, changed_at)
SELECT f.id, f.id, b.id, 'text/markdown', 4, now() FROM f, b
"""
_COUNT = """
UPDATE workspaces_workspacecounter SET last_sequence = %(last)s, live_files = live_files + %(last)s - %(first)s + 1
 WHERE workspace_id = (SELECT id FROM workspaces_workspace WHERE slug = %(slug)s)
"""

_WRITE = """
SELECT status FROM files_apply_change_v1(
    (SELECT id FROM workspaces_workspace WHERE slug = 'default'), %s, false, 'absent', NULL, NULL, false, %s, %s, %s,
    'text/markdown', %s, NULL, gen_random_uuid(), 'put', 'bench', '')
"""


def main() -> None:
    """Runs all and prints one line each."""
    with running_hub() as hub:
        single_requests(hub)
        batches(hub)
        one_workspace(hub)
        large_file(hub)
        at_many_files(hub, 100_000, slug="hundred-thousand")
        at_many_files(hub, 1_000_000, slug="million")
    second_start()


def single_requests(hub: Hub) -> None:
    call = hub.client()
    call("PUT", FILES + "one.md", BODY, If_None_Match="*")
    costs: dict[str, list[Cost]] = {name: [] for name in ("no-op", "GET", "304", "PUT")}
    for number in range(ROUNDS):
        tag = call.header(BASE + "index", "ETag")
        requests: dict[str, Callable[[int], int]] = {
            "no-op": lambda _: _expect(call("GET", "/api/v1/no-op"), 200),
            "GET": lambda _: _expect(call("GET", FILES + "one.md"), 200),
            "304": lambda _, tag=tag: _expect(call("GET", BASE + "index", If_None_Match=tag), 304),  # type: ignore[misc]
            "PUT": lambda i, n=number: _expect(  # type: ignore[misc]
                call("PUT", f"{FILES}single/{n}/{i}.md", _body(n, i), If_None_Match="*"), 201
            ),
        }
        for name, request in requests.items():
            costs[name].append(cost(hub, request))
    _beside_no_op("GET of 2 KiB", costs["GET"], costs["no-op"], wanted="<= 6")
    _beside_no_op("PUT of a new path", costs["PUT"], costs["no-op"], wanted="<= 18")
    _beside_no_op("304 of the index", costs["304"], costs["no-op"], wanted="<= 4")


def _beside_no_op(name: str, ours: list[Cost], no_ops: list[Cost], *, wanted: str) -> None:
    pairs = list(zip(ours, no_ops, strict=True))
    cpu_us, wall_us = (
        sorted(values)[ROUNDS // 2] for values in zip(*((c.cpu_us, c.wall_us) for c in ours), strict=True)
    )
    cpu_ratios = [one.cpu_us / other.cpu_us for one, other in pairs]
    report(f"{name} : a view that does nothing, CPU", cpu_ratios, wanted=wanted, note=f"{cpu_us:.0f} us")
    wall_ratios = [one.wall_us / other.wall_us for one, other in pairs]
    report(f"{name} : a view that does nothing, wall", wall_ratios, note=f"{wall_us:.0f} us")


def batches(hub: Hub) -> None:
    one, many = hub.client(), [hub.client() for _ in range(8)]
    puts, gets = [], []
    for number in range(ROUNDS):
        single = rate(
            8,
            2,
            lambda c, i, n=number: _expect(
                many[c](  # type: ignore[misc]
                    "PUT", f"{FILES}b/{n}/{c}/{i}.md", _body(n, c, i), If_None_Match="*"
                ),
                201,
            ),
        )
        batch = rate(1, 2, lambda _, i, n=number: _put_hundred(one, f"many/{n}/{i}"))  # type: ignore[misc]
        puts.append(batch / single)
        single = rate(8, 2, lambda c, i: _expect(many[c]("GET", f"{FILES}many/0/0/{i % 100}.md"), 200))
        batch = rate(1, 2, lambda _, i: _get_hundred(one, "many/0/0"))
        gets.append(batch / single)
    report("put, batch of 100 : single requests of 8 clients, files/s", puts, wanted=">= 4")
    report("get, batch of 100 : single requests of 8 clients, files/s", gets, wanted=">= 10")


def one_workspace(hub: Hub) -> None:
    """Eight writers into one workspace against eight that update one row: the price of one sequence.

    In the database, a process each; and through the web server, against a plain view and an ordinary DRF one. The
    second once more with flushes of 2 ms: where a flush is cheap, the processors' speed is measured, not the lock.
    """
    url = database_url(hub)
    with psycopg.connect(url, autocommit=True) as setup:
        setup.execute("CREATE TABLE bench_row (id int PRIMARY KEY, number bigint)")
        setup.execute("INSERT INTO bench_row VALUES (1, 0)")
        _writers_in_the_database(url)
        _writers_over_http(hub, "")
        _slow_flushes(setup, SLOW_FLUSH_US)
        _writers_over_http(hub, f", flush of {SLOW_FLUSH_US // 1000} ms more")
        _slow_flushes(setup, 0)


def _writers_in_the_database(url: str) -> None:
    ratios, rates = [], []
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        for number in range(ROUNDS):
            bare = sum(pool.starmap(update_row, [(url, 2.0)] * 8)) / 2
            ours = sum(pool.starmap(write_files, [(url, f"{number}/{c}", 2.0) for c in range(8)])) / 2
            ratios.append(ours / bare)
            rates.append((ours, bare))
    ours, bare = sorted(rates)[ROUNDS // 2]
    report("8 writers : 8 updates of one row, inside the database", ratios, note=f"{ours:.0f}/s : {bare:.0f}/s")


def _writers_over_http(hub: Hub, circumstance: str) -> None:
    clients = [hub.client() for _ in range(8)]
    plain, ordinary, rates = [], [], []
    run = os.urandom(4).hex()

    def write(client: int, number: int) -> int:
        body = _body(run, client, number)
        return _expect(clients[client]("PUT", f"{FILES}{run}/{client}/{number}.md", body, If_None_Match="*"), 201)

    def update(address: str) -> Callable[[int, int], int]:
        return lambda client, _: _expect(clients[client]("POST", address, b""), 200)

    for number in range(ROUNDS):
        puts = rate(8, 2, lambda client, i, n=number: write(client, n << 32 | i))  # type: ignore[misc]
        plain_view = rate(8, 2, update("/api/v1/one-row"))
        drf_view = rate(8, 2, update("/api/v1/one-row-by-orm"))
        plain.append(puts / plain_view)
        ordinary.append(puts / drf_view)
        rates.append((puts, plain_view, drf_view))
    puts, plain_view, drf_view = sorted(rates)[ROUNDS // 2]
    note = f"{puts:.0f}/s : {{:.0f}}/s"
    report(f"8 writers : one row by DRF and ORM{circumstance}", ordinary, wanted=">= 0.7", note=note.format(drf_view))
    report(f"8 writers : one row by a plain view{circumstance}", plain, note=note.format(plain_view))


def _slow_flushes(connection: psycopg.Connection[Any], delay_us: int) -> None:
    """Makes each flush take so much longer, as on an ordinary disk."""
    for setting in (f"commit_delay = {delay_us}", "commit_siblings = 0"):
        connection.execute(f"ALTER SYSTEM SET {setting}")  # type: ignore[arg-type]
    connection.execute("SELECT pg_reload_conf()")


def update_row(url: str, seconds: float) -> int:
    """Commits to one row for a while; how many."""
    return _repeated(url, seconds, lambda connection, _: connection.execute(UPDATE_ROW))


def write_files(url: str, folder: str, seconds: float) -> int:
    """New files of 2 KiB by the change function for a while; how many."""

    def write(connection: psycopg.Connection[Any], number: int) -> None:
        body = _body(folder, number)
        digests = hashlib.sha256(body).digest(), hashlib.md5(body, usedforsecurity=False).digest()
        connection.cursor(binary=True).execute(_WRITE, (f"db/{folder}/{number}", *digests, len(body), body))

    return _repeated(url, seconds, write)


def _repeated(url: str, seconds: float, step: Callable[[psycopg.Connection[Any], int], object]) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        end, done = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            step(connection, done)
            done += 1
    return done


def large_file(hub: Hub) -> None:
    """1 GiB up and down, and what it costs the web workers in memory."""
    call = hub.client()
    call("GET", "/api/v1/no-op")
    before = {process.pid: process.memory_info().rss for process in hub.processes(of=(WEB,))}
    peak = 0
    size_bytes = 1 << 30
    connection = call._connection

    def blocks():  # type: ignore[no-untyped-def]
        block = os.urandom(1 << 20)
        for number in range(1024):
            yield struct.pack(">I", number) + block[4:]
            nonlocal peak
            peak = max(peak, _growth(hub, before))

    started = time.monotonic()
    connection.request(
        "PUT", FILES + "large.bin", blocks(), {**call._token, "Content-Length": str(size_bytes), "If-None-Match": "*"}
    )
    _expect((connection.getresponse().status, b""), 201)
    up_s = time.monotonic() - started
    call = hub.client()
    call._connection.request("GET", FILES + "large.bin", headers=call._token)
    answer = call._connection.getresponse()
    started, read = time.monotonic(), 0
    while chunk := answer.read(1 << 20):
        read += len(chunk)
        peak = max(peak, _growth(hub, before)) if read % (16 << 20) == 0 else peak
    down_s = time.monotonic() - started
    assert read == size_bytes
    note = f"up {up_s:.1f} s, down {down_s:.1f} s"
    tell("a web worker grows by, 1 GiB up and down", peak / 2**20, unit="MiB", wanted="< 32", note=note)


def at_many_files(hub: Hub, files: int, *, slug: str) -> None:
    """The index and the feed of a workspace with so many files, against one with a thousand."""
    hub.memoryhub("workspace", "create", slug)
    token = hub.memoryhub("token", "issue", slug)
    url = database_url(hub)
    fill(url, slug, 1, files)
    call = Client(hub.port, token)
    base = f"/api/v1/workspaces/{slug}/"
    no_ops, same = [], []
    tag = _etag_only(call, base)
    for _ in range(ROUNDS):
        no_ops.append(cost(hub, lambda _: _expect(call("GET", "/api/v1/no-op"), 200)))
        same.append(cost(hub, lambda _: _expect(call("GET", base + "index", If_None_Match=tag), 304)))
    _beside_no_op(f"304 of the index at {files:,} files", same, no_ops, wanted="<= 4")
    _delta(hub, call, base, files)
    if files <= 100_000:
        _full_index(hub, call, base, url, slug)


def _delta(hub: Hub, call: Client, base: str, files: int) -> None:
    small = hub.client()
    cpu_ratios, wall_ratios = [], []
    cursors = {}
    for client, prefix in ((small, BASE), (call, base)):
        body = as_json(client("GET", prefix + "index?prefix=none")[1])
        cursors[prefix] = body["cursor"]  # type: ignore[index]
        for number in range(10):
            _expect(client("PUT", f"{prefix}files/delta/{files}/{number}.md", BODY, If_None_Match="*"), 201)
    for _ in range(ROUNDS):
        few = cost(hub, lambda _: _expect(small("GET", f"{BASE}changes?since={cursors[BASE]}"), 200))
        many = cost(hub, lambda _: _expect(call("GET", f"{base}changes?since={cursors[base]}"), 200))
        cpu_ratios.append(many.cpu_us / few.cpu_us)
        wall_ratios.append(many.wall_us / few.wall_us)
    report(f"delta of 10 at {files:,} files : at few, CPU", cpu_ratios, wanted="<= 3")
    report(f"delta of 10 at {files:,} files : at few, wall", wall_ratios)


def _full_index(hub: Hub, call: Client, base: str, url: str, slug: str) -> None:
    statement = (
        "SELECT path, head, size_bytes, sha256, md5, content_type, is_deleted, changed_at FROM files_file"
        " WHERE workspace_id = (SELECT id FROM workspaces_workspace WHERE slug = %s) AND NOT is_deleted ORDER BY path"
    )
    cpu_ratios, wall_ratios = [], []
    with psycopg.connect(url) as connection:
        for _ in range(ROUNDS):
            before, own, began = hub.cpu_s(), time.process_time(), time.monotonic()
            with connection.cursor(binary=True) as cursor:
                cursor.execute(statement, (slug,))
                assert len(cursor.fetchall()) >= 100_000
            bare_cpu_s = hub.cpu_s() - before + time.process_time() - own
            bare_wall_s = time.monotonic() - began
            connection.rollback()
            before, began = hub.cpu_s(), time.monotonic()
            _expect(call("GET", base + "index", Accept_Encoding="zstd"), 200)
            cpu_ratios.append((hub.cpu_s() - before) / bare_cpu_s)
            wall_ratios.append((time.monotonic() - began) / bare_wall_s)
    report("full index of 100,000 files : bare SELECT, CPU", cpu_ratios, wanted="<= 2.5")
    report("full index of 100,000 files : bare SELECT, wall", wall_ratios)


def second_start() -> None:
    """How soon a hub is ready again, and what it holds at rest."""
    with running_hub() as hub:
        data = hub.data
        stop(hub)
        seconds, held = [], []
        for _ in range(3):
            started = time.monotonic()
            again = start(data)
            seconds.append(time.monotonic() - started)
            time.sleep(3)
            tree = [psutil.Process(again.process.pid), *psutil.Process(again.process.pid).children(recursive=True)]
            held.append(sum(process.memory_full_info().pss for process in tree) / 1e6)
            stop(again)
        tell("second start, until it is ready", *seconds, unit="s", wanted="< 10")
        tell("the whole hub at rest, PSS", *held, unit="MB", wanted="< 400")
        hub.process = again.process


def fill(url: str, slug: str, first: int, last: int) -> None:
    """Files by plain inserts, a hundred thousand at a time, as the change functions would leave them."""
    with psycopg.connect(url, autocommit=True) as connection:
        for start_at in range(first, last + 1, 100_000):
            numbers = {"slug": slug, "first": start_at, "last": min(start_at + 99_999, last)}
            connection.execute(_FILL, numbers)
            connection.execute(_COUNT, numbers)


def database_url(hub: Hub) -> str:
    """Where the hub's own Postgres listens."""
    url = running_hub_of(Layout(hub.data)).database_url
    assert url is not None
    return url


def _put_hundred(call: Client, folder: str) -> int:
    put_many(call, BASE, [f"{folder}/{number}.md" for number in range(100)])
    return 100


def put_many(call: Client, base: str, paths: Sequence[str], *, run: int = 0) -> None:
    """New versions of all these paths, of 2 KiB that no other file has, in one batch."""
    put_files(call, base, {path: _body(path, run) for path in paths})


def put_files(call: Client, base: str, files: Mapping[str, bytes]) -> None:
    """New versions of paths in one batch, which holds at most 1,000."""
    frames = []
    for path, body in files.items():
        header = json.dumps({"path": path, "if_version": "any", "size_bytes": len(body)}).encode()
        frames.append(struct.pack(">I", len(header)) + header + body)
    frames.append(struct.pack(">I", 0))
    _expect(call("POST", f"{base}files:put", b"".join(frames), Content_Type=FRAMES), 200)


def _get_hundred(call: Client, folder: str) -> int:
    items = ",".join(f'{{"path":"{folder}/{number}.md"}}' for number in range(100))
    _expect(call("POST", BASE + "files:get", f'{{"items":[{items}]}}'.encode(), Content_Type="application/json"), 200)
    return 100


def _etag_only(call: Client, base: str) -> str:
    """The index tag without the index: that of a prefix has another query part, so take the whole once."""
    return call.header(base + "index", "ETag")


def _body(*parts: object) -> bytes:
    """2 KiB that no other file has."""
    return hashlib.sha256(repr(parts).encode()).digest() + BODY[32:]


def _growth(hub: Hub, before: dict[int, int]) -> int:
    workers = hub.processes(of=(WEB,))
    return max((process.memory_info().rss - before.get(process.pid, 1 << 62) for process in workers), default=0)


def _expect(answer: tuple[int, bytes], status: int) -> int:
    assert answer[0] == status, answer
    return 1
