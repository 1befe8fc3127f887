"""Six writers and three readers that crash: nobody misses a change. And what happens with a plain sequence instead."""

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest

from apps.files.frames import END, MEDIA_TYPE, frame
from tests.live import LiveHub, LiveWorkspace

WRITERS, READERS = 6, 3
SECONDS = float(os.environ.get("HUB_TEST_SECONDS", "2"))


@dataclass
class Reader:
    """Follows the feed. What it has saved survives a crash, what it holds in memory does not."""

    client: httpx.Client
    chance: random.Random
    saved_cursor: str | None = None
    saved: dict[str, tuple[int, bool]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    """Every version that was ever told to it."""
    crashes: int = 0

    def run_until_crash(self) -> None:
        """Reads pages from the last saved place, saving now and then, until it crashes or there is no more."""
        cursor, known = self.saved_cursor, dict(self.saved)
        while True:
            query = {"limit": str(self.chance.choice((1, 3, 20)))} | ({"since": cursor} if cursor else {})
            answer = self.client.get("/changes", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            for item in page["items"]:
                known[item["path"]] = (item["version"], item["is_deleted"])
                self.seen.add(item["version"])
            if self.chance.random() < 0.2:
                self.crashes += 1
                return
            cursor = page["cursor"]
            if self.chance.random() < 0.5:
                self.saved_cursor, self.saved = cursor, dict(known)
            if not page["has_more"]:
                self.saved_cursor, self.saved = cursor, dict(known)
                return


def write(client: httpx.Client, number: int, stop: float) -> dict[str, list[int]]:
    """Puts, batches and deletions; the versions that each path got. Half of the paths are never written again."""
    chance, versions, turn = random.Random(number), {}, 0

    def note(path: str, version: int) -> None:
        versions.setdefault(path, []).append(version)

    while time.monotonic() < stop:
        turn += 1
        fresh, own = f"{number}/{turn}", f"{number}/again"
        kind = chance.randrange(4)
        if kind == 0:
            body = b"".join(frame({"path": f"{fresh}-{n}", "if_version": 0}, b"%d" % n) for n in range(5)) + END
            answer = client.post("/files:put", content=body, headers={"Content-Type": MEDIA_TYPE})
            for item in answer.json()["items"]:
                note(item["path"], item["version"])
        elif kind == 1 and versions.get(own):
            answer = client.delete(f"/files/{own}", params={"overwrite": "true"})
            if answer.status_code == 200:
                note(own, answer.json()["version"])
        else:
            path = own if kind == 1 else fresh
            answer = client.put(f"/files/{path}", content=b"%d" % turn, params={"overwrite": "true"})
            note(path, answer.json()["version"])
    return versions


@pytest.fixture
def workspace(live_hub: LiveHub) -> LiveWorkspace:
    return live_hub.workspace()


def test_no_reader_misses_a_change_whenever_it_crashes(workspace: LiveWorkspace) -> None:
    """Two seconds; the long form is HUB_TEST_SECONDS=600 ./hub test -n0 tests/files/test_feed.py"""
    stop = time.monotonic() + SECONDS
    writing = threading.Event()
    writing.set()
    with ExitStack() as stack:
        clients = [stack.enter_context(workspace.client()) for _ in range(WRITERS + READERS)]
        readers = [Reader(client, random.Random(n)) for n, client in enumerate(clients[WRITERS:])]

        def follow(reader: Reader) -> None:
            while writing.is_set():
                reader.run_until_crash()

        with ThreadPoolExecutor(WRITERS + READERS) as threads:
            following = [threads.submit(follow, reader) for reader in readers]
            written = list(threads.map(lambda n: write(clients[n], n, stop), range(WRITERS)))
            writing.clear()
            for each in following:
                each.result()
        index = clients[0].get("/index", params={"tombstones": "true"}).json()
        versions = {path: numbers for result in written for path, numbers in result.items()}
        for reader in readers:
            reader.chance = random.Random(0)
            while reader.saved_cursor != index["cursor"]:
                reader.run_until_crash()

    heads = {row[0]: (row[1], row[6]) for row in index["files"][1:]}
    assert {path: numbers[-1] for path, numbers in versions.items()} == {path: head[0] for path, head in heads.items()}
    assert index["sequence"] == sum(len(numbers) for numbers in versions.values())
    final = {head[0] for head in heads.values()}
    for reader in readers:
        assert reader.crashes > 0
        assert reader.saved == heads
        assert reader.seen >= final


@pytest.fixture
def rows(service_addresses: dict[str, str]) -> Iterator[list[psycopg.Connection]]:
    """Connections to a database with an empty table whose key is a plain sequence."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(psycopg.connect(service_addresses["database_url"])) for _ in range(WRITERS + 1)
        ]
        name = f"feed_control_{os.getpid()}"
        reading = connections[-1]
        reading.autocommit = True
        reading.execute(f"CREATE TABLE {name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, writer int)")
        for connection in connections:
            connection.execute("SELECT set_config('search_path', 'public', false)")
            connection.commit()
        try:
            yield connections
        finally:
            for connection in connections[:-1]:
                connection.rollback()
            reading.execute(f"DROP TABLE {name}")


def test_a_cursor_over_a_plain_sequence_misses_rows(rows: list[psycopg.Connection]) -> None:
    """The control: why numbers are given out under a lock. Transactions commit in another order than they began."""
    *writers, reading = rows
    name, chance = f"feed_control_{os.getpid()}", random.Random(1)
    cursor, seen = 0, set()

    for _ in range(50):
        for number, connection in enumerate(writers):
            connection.execute(f"INSERT INTO {name} (writer) VALUES ({number})")
        for connection in chance.sample(writers, len(writers)):
            connection.commit()
            news = [row[0] for row in reading.execute(f"SELECT id FROM {name} WHERE id > %s ORDER BY id", [cursor])]
            seen.update(news)
            cursor = max([cursor, *news])

    there = {row[0] for row in reading.execute(f"SELECT id FROM {name}")}
    missed = there - seen
    assert len(there) == 50 * WRITERS
    assert 100 < len(missed) < 250
