"""Summaries of a thousand agents: pulls beside an index of as many bytes, pushes beside a PUT of as many."""

import hashlib
import json
import random
from collections.abc import Iterator

from bench.harness import Client, Cost, Hub, cost, running_hub
from bench.results import report
from bench.sync_path import database_url, fill

ROUNDS = 5
AGENTS, TOPICS, LABELS, ALL_LABELS = 1000, 100, 1000, 10_000
INDEX_FILES = 4_000
"""Their index has about as many bytes as the labels of a pull."""

PULL, PUSH = "/w/default/coordinator/pull", "/w/default/coordinator/push"
INDEX, FILES = "/api/v1/workspaces/default/index", "/api/v1/workspaces/default/files/"


def main() -> None:
    """Runs all and prints one line each."""
    with running_hub() as hub:
        call = Client(hub.port, hub.token)
        bodies = summaries(random.Random(0))
        for body in (next(bodies) for _ in range(AGENTS)):
            _push(call, body)
        fill(database_url(hub), "default", 1, INDEX_FILES)
        pulling(hub, call)
        pushing(hub, call, bodies)


def pulling(hub: Hub, call: Client) -> None:
    pulled_bytes = len(_got(call, PULL))
    index_bytes = len(_got(call, INDEX))
    pull_tag = call.header(PULL, "ETag")
    full: list[tuple[Cost, Cost]] = []
    unchanged: list[tuple[Cost, Cost]] = []
    for _ in range(ROUNDS):
        full.append((cost(hub, lambda _: _got(call, PULL)), cost(hub, lambda _: _got(call, INDEX))))
        unchanged.append(
            (cost(hub, lambda _: _unchanged(call, PULL, pull_tag)), cost(hub, lambda _: call("GET", "/api/v1/no-op")))
        )
    # Both grow with their bytes: what differs in them is taken out of the ratio.
    share = index_bytes / pulled_bytes
    note = f"{pulled_bytes / 1e3:.0f} kB"
    report(
        "pull : an index of equal bytes, CPU", [a.cpu_us / b.cpu_us * share for a, b in full], wanted="<= 5", note=note
    )
    report("pull : an index of equal bytes, wall", [a.wall_us / b.wall_us * share for a, b in full])
    report("unchanged pull : a view that does nothing, CPU", [a.cpu_us / b.cpu_us for a, b in unchanged], wanted="<= 4")
    report("unchanged pull : a view that does nothing, wall", [a.wall_us / b.wall_us for a, b in unchanged])


def pushing(hub: Hub, call: Client, bodies: Iterator[bytes]) -> None:
    """Each takes the place of an agent's former summary, with other topics and labels throughout."""
    ratios: list[tuple[Cost, Cost]] = []
    for number in range(ROUNDS):
        push = cost(hub, lambda _: _push(call, next(bodies)))
        put = cost(hub, lambda i, n=number: _put(call, f"{FILES}{n}/{i}.json", next(bodies)))  # type: ignore[misc]
        ratios.append((push, put))
    note = f"{ratios[-1][0].wall_us / 1e3:.1f} ms"
    report("push of 1,000 labels : a PUT of its bytes, CPU", [a.cpu_us / b.cpu_us for a, b in ratios], wanted="<= 3")
    report("push of 1,000 labels : a PUT of its bytes, wall", [a.wall_us / b.wall_us for a, b in ratios], note=note)


def summaries(source: random.Random) -> Iterator[bytes]:
    """For ever, of one agent after the other, each time of a later moment."""
    labels = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(ALL_LABELS)]
    number = 0
    while True:
        minutes, agent = divmod(number, AGENTS)
        summary = {
            "agent_id": f"agent-{agent}",
            "timestamp": f"2026-02-01T{minutes // 60:02}:{minutes % 60:02}:00Z",
            "topic_counts": {f"topic-{topic}": source.randrange(1, 100) for topic in range(TOPICS)},
            "fact_hashes": source.sample(labels, LABELS),
        }
        yield json.dumps({"summary": summary}).encode()
        number += 1


def _push(call: Client, body: bytes) -> None:
    status, answer = call("POST", PUSH, body, Content_Type="application/json")
    assert status == 200, answer


def _put(call: Client, path: str, body: bytes) -> None:
    status, answer = call("PUT", path, body, If_None_Match="*")
    assert status == 201, answer


def _got(call: Client, path: str) -> bytes:
    status, body = call("GET", path)
    assert status == 200
    return body


def _unchanged(call: Client, path: str, tag: str) -> None:
    assert call("GET", path, If_None_Match=tag)[0] == 304
