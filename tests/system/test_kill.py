"""No acknowledged write is lost, after kill -9 of anything.

Six clients write to an embedded hub with fsync on while its processes are killed one after the other. The short form
kills each kind of process twice. `TEST_KILL_ROUNDS=100 ./hub test -n0 -m system tests/system/test_kill.py` is the long
one: as many rounds in random orders, about half a minute and 50 MB of disk each.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.hubs import Hub
from tests.system.ledger import Ledger, contradictions
from tests.system.processes import backends_of, children_of, kill
from tests.system.writers import writing

pytestmark = pytest.mark.system

ROUNDS_VARIABLE = "TEST_KILL_ROUNDS"
SHORT_ROUNDS = 2
RECOVERY_TIMEOUT_S = 90.0
QUIET = ("--log-level", "warning")

Murder = Callable[[Hub], None]


def web_workers(hub: Hub) -> None:
    kill(*children_of(hub.pid("web")))


def web_main_process(hub: Hub) -> None:
    kill(hub.pid("web"))


def worker(hub: Hub) -> None:
    kill(hub.pid("worker"))


def database_backend(hub: Hub) -> None:
    """One of those that serve the web server; PostgreSQL then ends all others and recovers."""
    while not (backends := backends_of(hub.pid("postgres"))):
        time.sleep(0.05)
    kill(random.choice(backends))


def postmaster(hub: Hub) -> None:
    kill(hub.pid("postgres"))


def valkey(hub: Hub) -> None:
    kill(hub.pid("valkey"))


def supervisor(hub: Hub) -> None:
    """Its operator starts it again at once, while what it left behind is still going."""
    kill(hub.process.pid)
    hub.process.wait(10)
    hub.start(*QUIET)


EVERYTHING = ("postgres", "valkey", "web", "worker")
MURDERS: list[Murder] = [web_workers, web_main_process, worker, database_backend, postmaster, valkey, supervisor]


def test_every_acknowledged_write_outlives_the_kill_of_every_process(hub_place: Path) -> None:
    rounds = int(os.environ.get(ROUNDS_VARIABLE, SHORT_ROUNDS))
    ledger = Ledger()
    hub = Hub(hub_place / "data")
    hub.start(*QUIET)
    workspace = hub.workspace()

    with writing(workspace, ledger) as names:
        for number in range(rounds):
            order = MURDERS if number == 0 else random.sample(MURDERS, len(MURDERS))
            for murder in order:
                time.sleep(random.uniform(0.1, 0.6))
                began = time.monotonic()
                murder(hub)
                late = ledger.wait_for_more(names, each=3, timeout_s=RECOVERY_TIMEOUT_S)
                print(f"{murder.__name__}: all writers go on after {time.monotonic() - began:.1f} s")
                assert late == [], f"after the kill of {murder.__name__} nothing was written:\n{hub.said()[-3000:]}"

    for name in EVERYTHING:
        hub.pid(name)
    check = hub.command("fsck", "--read-data")
    with workspace.client() as client:
        broken = contradictions(ledger, client)
    exit_code = hub.interrupt()
    print(f"{len(ledger.acknowledged)} acknowledged, {len(ledger.doubtful)} doubtful; {check.stdout}")
    assert broken == []
    assert ledger.unexpected == []
    assert (check.returncode, check.stderr) == (0, "")
    assert exit_code == 0
    assert hub.left_running() == {}
