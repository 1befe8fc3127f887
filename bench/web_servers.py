"""Single requests beside other servers of files: nginx (static files and WebDAV) and rclone's WebDAV.

They keep no versions, check no conditions and flush nothing; the hub does all that and wants to stay in sight of them.
"""

import os
import tempfile
from pathlib import Path

from bench.harness import Client, Cost, Hub, Server, cost, rate, running_hub
from bench.peers import PEERS, Peer, is_installed
from bench.results import report

ROUNDS = 5
LISTED = 1000
BODY = os.urandom(2048)
FILES = "/api/v1/workspaces/default/files/"
INDEX = "/api/v1/workspaces/default/index?prefix=listed"


def main() -> None:
    """Runs all and prints one line each; a peer that is not installed is left out."""
    with running_hub() as hub, tempfile.TemporaryDirectory() as place:
        _fill(hub.client(), FILES)
        for name, start in PEERS.items():
            if not is_installed(name):
                print(f"{name} is not installed: left out")
                continue
            with start(Path(place) / name) as peer:
                theirs = Client(peer.port, "")
                theirs("MKCOL", "/listed/")
                _fill(theirs, "/")
                _beside(hub, peer)


def _beside(hub: Hub, peer: Peer) -> None:
    ours, theirs = hub.client(), Client(peer.port, "")
    gets, puts, lists, rates = [], [], [], []
    for number in range(ROUNDS):
        run = f"{peer.name}-{number}"
        gets.append((_gets(hub, ours, FILES), _gets(peer, theirs, "/")))
        puts.append((_puts(hub, ours, FILES, run), _puts(peer, theirs, "/", run)))
        if peer.name == "rclone":
            lists.append((cost(hub, lambda _: _list_ours(ours)), cost(peer, lambda _: _list_theirs(theirs))))
        rates.append(
            (
                _puts_per_s([hub.client() for _ in range(8)], FILES, run),
                _puts_per_s([Client(peer.port, "") for _ in range(8)], "/", run),
            )
        )
    _report(f"GET of 2 KiB : {peer.name}", gets)
    _report(f"PUT of a new path : {peer.name}", puts)
    if lists:
        _report(f"list of {LISTED:,} files : {peer.name}", lists)
    note = "{:.0f}/s : {:.0f}/s".format(*sorted(rates)[ROUNDS // 2])
    report(f"PUTs of 8 clients : {peer.name}, files/s", [one / other for one, other in rates], note=note)


def _report(name: str, pairs: list[tuple[Cost, Cost]]) -> None:
    _report_one(f"{name}, CPU", [(one.cpu_us, other.cpu_us) for one, other in pairs])
    _report_one(f"{name}, wall", [(one.wall_us, other.wall_us) for one, other in pairs])


def _report_one(name: str, pairs: list[tuple[float, float]]) -> None:
    ours, theirs = sorted(pairs)[len(pairs) // 2]
    report(name, [one / other for one, other in pairs], note=f"{ours:.0f} us : {theirs:.0f} us")


def _fill(call: Client, base: str) -> None:
    for number in range(LISTED):
        assert call("PUT", f"{base}listed/{number}.md", BODY, If_None_Match="*")[0] == 201


def _gets(server: Server, call: Client, base: str) -> Cost:
    def get(_: int) -> None:
        assert call("GET", f"{base}listed/7.md")[0] == 200

    return cost(server, get)


def _puts(server: Server, call: Client, base: str, run: str) -> Cost:
    def put(turn: int) -> None:
        body = f"{run} {turn} ".encode() + BODY[32:]
        assert call("PUT", f"{base}single-{run}-{turn}.md", body, If_None_Match="*")[0] in (200, 201)

    return cost(server, put)


def _puts_per_s(calls: list[Client], base: str, run: str) -> float:
    def put(client: int, turn: int) -> int:
        body = f"{run} {client} {turn} ".encode() + BODY[32:]
        path = f"{base}many-{run}-{client}-{turn}.md"
        assert calls[client]("PUT", path, body, If_None_Match="*")[0] in (200, 201)
        return 1

    return rate(8, 2, put)


def _list_ours(call: Client) -> None:
    status, body = call("GET", INDEX)
    assert status == 200
    assert body.count(b"listed/") >= LISTED


def _list_theirs(call: Client) -> None:
    status, body = call("PROPFIND", "/listed/", Depth="1")
    assert status == 207
    assert body.count(b"<D:response>") >= LISTED
