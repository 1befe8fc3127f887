"""Sixteen clients against the two processes of one web server: of equal conditional writes exactly one wins.

Each test ends with a check of the whole history: every acknowledged write stands in it with its bytes, right after
the state that its condition named, and nothing else stands there.
"""

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.files.frames import END, MEDIA_TYPE, frame
from tests.live import LiveHub, LiveWorkspace

CLIENTS = 16
SECONDS = float(os.environ.get("HUB_TEST_SECONDS", "2"))
FRAMES = {"Content-Type": MEDIA_TYPE}


@dataclass(frozen=True)
class Ack:
    """A write that the hub acknowledged. `data` None is a deletion; `expected` is what the condition named."""

    path: str
    version: int
    data: bytes | None
    expected: int | str


@dataclass(frozen=True)
class State:
    """One version of a history."""

    version: int
    sha256: str | None


class Racers:
    """Clients with a connection each."""

    def __init__(self, workspace: LiveWorkspace) -> None:
        self.workspace = workspace
        self.clients = [workspace.client() for _ in range(CLIENTS)]
        self._threads = ThreadPoolExecutor(CLIENTS)

    def close(self) -> None:
        self._threads.shutdown()
        for client in self.clients:
            client.close()

    def race(self, attempt: Callable[[httpx.Client, int], Any]) -> list[Any]:
        """What each client's attempt gave; they all start at the same moment."""
        start = threading.Barrier(CLIENTS)

        def run(number: int) -> Any:
            start.wait()
            return attempt(self.clients[number], number)

        return list(self._threads.map(run, range(CLIENTS)))


@pytest.fixture
def racers(live_hub: LiveHub) -> Iterator[Racers]:
    web = live_hub.pids()["web"]
    processes = Path(f"/proc/{web}/task/{web}/children").read_text().split()
    assert len(processes) >= 2, "a race within one process proves little"
    racers = Racers(live_hub.workspace())
    yield racers
    racers.close()


def put(client: httpx.Client, path: str, data: bytes, expected: int | str) -> tuple[int, Ack | None]:
    """Status, and the acknowledgement of a write that was made. `expected` is a version, absent, live or any."""
    headers = {"absent": {"If-None-Match": "*"}, "live": {"If-Match": "*"}, "any": {}}.get(
        str(expected), {"If-Match": f'"{expected}"'}
    )
    answer = client.put(
        f"/files/{path}", content=data, headers=headers, params={"overwrite": "true"} if not headers else {}
    )
    return answer.status_code, _ack(answer, path, data, expected)


def delete(client: httpx.Client, path: str, expected: int | str) -> tuple[int, Ack | None]:
    headers = {"live": {"If-Match": "*"}, "any": {}}.get(str(expected), {"If-Match": f'"{expected}"'})
    answer = client.delete(f"/files/{path}", headers=headers, params={"overwrite": "true"} if not headers else {})
    return answer.status_code, _ack(answer, path, None, expected)


def _ack(answer: httpx.Response, path: str, data: bytes | None, expected: int | str) -> Ack | None:
    if answer.status_code >= 300 or answer.json()["result"] == "unchanged":
        return None
    return Ack(path, answer.json()["version"], data, expected)


def batch(
    client: httpx.Client, items: list[tuple[str, bytes, int | str]], *, all_or_nothing: bool
) -> tuple[list[int], list[Ack]]:
    """Status of each item, and the acknowledgements of those that were written."""
    versions = {"absent": 0, "any": "any"}
    body = b"".join(
        frame({"path": path, "if_version": versions.get(str(expected), expected)}, data)
        for path, data, expected in items
    )
    mode = "all_or_nothing" if all_or_nothing else "partial"
    answer = client.post("/files:put", content=body + END, headers=FRAMES, params={"mode": mode})
    assert answer.status_code in (200, 412), answer.text
    told = answer.json()["items"]
    acks = [
        Ack(path, item["version"], data, expected)
        for (path, data, expected), item in zip(items, told, strict=True)
        if item["status"] < 300 and item["result"] != "unchanged"
    ]
    return [item["status"] for item in told], acks


def histories(client: httpx.Client, paths: set[str]) -> dict[str, list[State]]:
    """Every version of each path, oldest first."""
    answer: dict[str, list[State]] = {}
    for path in paths:
        states, query = [], {"limit": "1000"}
        while True:
            page = client.get(f"/history/{path}", params=query)
            if page.status_code == 404:
                break
            states += [State(item["version"], item["sha256"]) for item in page.json()["items"]]
            if not page.json()["next_cursor"]:
                break
            query["cursor"] = page.json()["next_cursor"]
        answer[path] = states[::-1]
    return answer


def check_history(client: httpx.Client, acks: list[Ack], *, read_bytes: bool = True) -> dict[str, list[State]]:
    """The history holds the acknowledged writes and no others, each after the state that it expected."""
    written = histories(client, {ack.path for ack in acks})
    numbers = [state.version for states in written.values() for state in states]
    assert len(set(numbers)) == len(numbers)
    assert sorted((ack.path, ack.version) for ack in acks) == sorted(
        (path, state.version) for path, states in written.items() for state in states
    )
    by_number = {(ack.path, ack.version): ack for ack in acks}
    for path, states in written.items():
        for before, state in pairwise([None, *states]):
            assert state is not None
            assert before is None or before.version < state.version
            ack = by_number[path, state.version]
            assert state.sha256 == (None if ack.data is None else hashlib.sha256(ack.data).hexdigest())
            live = before is not None and before.sha256 is not None
            match ack.expected:
                case int(version):
                    assert before is not None and live and before.version == version, (before, ack)
                case "absent":
                    assert not live, (before, ack)
                case "live":
                    assert live, (before, ack)
    if read_bytes:
        for ack in acks:
            if ack.data is not None:
                assert client.get(f"/files/{ack.path}", params={"version": ack.version}).content == ack.data
    return written


def body(number: int) -> bytes:
    """Bytes of one client; those of every fourth are an object."""
    return b"%d" % number + (b"x" * 70_000 if number % 4 == 0 else b"")


Attempt = Callable[[httpx.Client, int], tuple[int, Ack | None]]


def putting(path: str, expected: int | str, *, turn: int = 0) -> Attempt:
    """Each client puts bytes of its own, other ones each turn."""
    return lambda client, number: put(client, path, body(number + 100 * turn), expected)


def deleting(path: str, expected: int | str) -> Attempt:
    return lambda client, _: delete(client, path, expected)


def one_winner(results: list[tuple[int, Ack | None]], lost: int = 412) -> Ack:
    statuses = sorted(status for status, _ in results)
    won = [ack for _, ack in results if ack]
    assert len(won) == 1, statuses
    assert statuses[1:] == [lost] * (CLIENTS - 1)
    return won[0]


def test_of_equal_creations_one_wins(racers: Racers) -> None:
    acks = [one_winner(racers.race(putting(f"f{turn}", "absent"))) for turn in range(5)]

    check_history(racers.clients[0], acks)


def test_of_equal_replacements_one_wins_and_a_tombstone_counts_as_absent(racers: Racers) -> None:
    acks = [one_winner(racers.race(putting("f", "absent")))]
    for turn in range(1, 5):
        acks.append(one_winner(racers.race(putting("f", acks[-1].version, turn=turn))))
    acks.append(one_winner(racers.race(deleting("f", acks[-1].version))))
    acks.append(one_winner(racers.race(putting("f", "absent"))))

    check_history(racers.clients[0], acks)


def test_of_equal_deletions_one_wins(racers: Racers) -> None:
    acks = []
    for expected, lost in (("live", 412), ("any", 404)):
        _, created = put(racers.clients[0], f"f-{expected}", b"x", "absent")
        assert created is not None
        acks += [created, one_winner(racers.race(deleting(f"f-{expected}", expected)), lost)]

    check_history(racers.clients[0], acks)


def test_of_every_kind_of_write_at_one_version_one_wins(racers: Racers) -> None:
    """PUT, DELETE, batch, revert and copy, all conditional on the same version."""
    client = racers.clients[0]
    _, first = put(client, "f", b"first", "absent")
    _, second = put(client, "f", b"second", first.version if first else 0)
    _, source = put(client, "source", b"third", "absent")
    assert first and second and source
    acks, version = [first, second, source], second.version

    def attempt(client: httpx.Client, number: int) -> tuple[int, Ack | None]:
        match number % 5:
            case 0:
                return put(client, "f", body(number), version)
            case 1:
                return delete(client, "f", version)
            case 2:
                statuses, won = batch(client, [("f", body(number), version)], all_or_nothing=number % 2 == 0)
                return statuses[0], won[0] if won else None
            case 3:
                item = {"path": "f", "version": first.version, "if_version": version}
                answer = client.post("/files:revert", json={"items": [item]})
                data = b"first"
            case _:
                item = {"source": "source", "target": "f", "if_version": version}
                answer = client.post("/files:copy", json={"items": [item]})
                data = b"third"
        won = [Ack("f", each["version"], data, version) for each in answer.json().get("items", [])]
        return answer.status_code, won[0] if won else None

    acks.append(one_winner(racers.race(attempt)))

    check_history(client, acks)


def test_of_equal_batches_each_file_has_one_winner(racers: Racers) -> None:
    paths = [f"f{number}" for number in range(20)]

    def attempt(client: httpx.Client, number: int) -> tuple[list[int], list[Ack]]:
        order = random.Random(number).sample(paths, len(paths))
        return batch(client, [(path, b"%d" % number, "absent") for path in order], all_or_nothing=False)

    acks = [ack for _, won in racers.race(attempt) for ack in won]

    assert sorted(ack.path for ack in acks) == sorted(paths)
    check_history(racers.clients[0], acks)


def test_of_equal_batches_of_all_or_nothing_one_wins_whole(racers: Racers) -> None:
    """In whatever order they name their files: none waits for another for ever."""
    paths = [f"f{number}" for number in range(10)]
    expected: dict[str, int | str] = dict.fromkeys(paths, "absent")
    acks: list[Ack] = []

    def attempt(client: httpx.Client, number: int) -> list[Ack]:
        order, turn = random.Random(number).sample(paths, len(paths)), len(acks)
        items: list[tuple[str, bytes, int | str]] = [
            (path, b"%d-%d" % (number, turn), expected[path]) for path in order
        ]
        items.append((f"own{number}-{turn}", b"own", "absent"))
        statuses, won = batch(client, items, all_or_nothing=True)
        assert set(statuses) in ({201}, {200, 201}, {412, 424}), statuses
        return won

    for _ in range(3):
        won = [result for result in racers.race(attempt) if result]
        assert len(won) == 1
        numbers = sorted(ack.version for ack in won[0])
        assert numbers == list(range(numbers[0], numbers[0] + 11))
        acks += won[0]
        expected |= {ack.path: ack.version for ack in won[0]}

    check_history(racers.clients[0], acks)
    assert len(racers.clients[0].get("/index").json()["files"]) == 1 + 10 + 3


def test_unconditional_writes_all_win_one_after_another(racers: Racers) -> None:
    results = racers.race(putting("f", "any"))

    assert sorted(status for status, _ in results) == [200] * (CLIENTS - 1) + [201]
    check_history(racers.clients[0], [ack for _, ack in results if ack])


def test_a_move_takes_what_its_source_held_last_while_others_write_there(racers: Racers) -> None:
    """Half of the clients write to both ends, the others move back and forth."""
    ends = ("a", "b")
    put(racers.clients[0], "a", b"start", "absent")
    stop = time.monotonic() + min(SECONDS, 60)

    def attempt(client: httpx.Client, number: int) -> list[tuple[str, int]]:
        moved = []
        chance = random.Random(number)
        turn = 0
        while time.monotonic() < stop:
            turn += 1
            source, target = chance.sample(ends, 2)
            if number % 2:
                put(client, source, b"%d-%d" % (number, turn), "live")
                continue
            item = {"source": source, "target": target, "if_version": "any"}
            answer = client.post("/files:move", json={"items": [item]})
            assert answer.status_code in (200, 404, 503), answer.text
            if answer.status_code == 200:
                moved.append((source, answer.json()["items"][0]["version"]))
        return moved

    moved = [each for result in racers.race(attempt) for each in result]

    written = histories(racers.clients[0], set(ends))
    states = {(path, state.version): state for path in ends for state in written[path]}
    previous = {(path, after.version): before for path in ends for before, after in pairwise(written[path])}
    assert len(moved) > 0
    for source, version in moved:
        target = ends[source == "a"]
        assert states[source, version - 1].sha256 is None
        assert states[target, version].sha256 == previous[source, version - 1].sha256 is not None
    index = racers.clients[0].get("/index").json()["files"]
    assert len(index) == 2, "one file, at one of the two ends"


def test_a_long_run_of_everything_keeps_its_history(racers: Racers) -> None:
    """Two seconds; the long form is HUB_TEST_SECONDS=600 ./hub test -n0 tests/files/test_races.py"""
    stop = time.monotonic() + SECONDS
    paths = [f"f{number}" for number in range(6)]

    def attempt(client: httpx.Client, number: int) -> list[Ack]:
        chance = random.Random(number)
        acks: list[Ack] = []
        turn = 0
        while time.monotonic() < stop:
            turn += 1
            path, data = chance.choice(paths), b"%d-%d" % (number, turn)
            acks += one_step(client, chance, path, data, chance.choice(paths))
        return acks

    acks = [ack for result in racers.race(attempt) for ack in result]

    assert len(acks) > 50
    check_history(racers.clients[0], acks, read_bytes=SECONDS <= 10)


def one_step(client: httpx.Client, chance: random.Random, path: str, data: bytes, other: str) -> list[Ack]:
    """A look at a path, then a write there on one condition or another."""
    seen = client.head(f"/files/{path}")
    expected: int | str = int(seen.headers["ETag"].strip('"')) if seen.status_code == 200 else "absent"
    match chance.randrange(6):
        case 0:
            result = put(client, path, data, expected)[1]
        case 1:
            result = put(client, path, data, chance.choice(("live", "absent")))[1]
        case 2:
            result = put(client, path, data, "any")[1]
        case 3:
            result = delete(
                client, path, chance.choice(("live", "any", expected if isinstance(expected, int) else "any"))
            )[1]
        case _:
            items: list[tuple[str, bytes, int | str]] = [(path, data, expected)]
            if other != path:
                items.append((other, data, chance.choice(("any", "absent"))))
            return batch(client, items, all_or_nothing=chance.random() < 0.5)[1]
    return [result] if result else []
