"""The sign of life that a worker and a scheduler show to the health check of their container."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from memoryhub.embedded import accounts
from memoryhub.embedded.processes import Child
from memoryhub.embedded.valkey import Valkey
from tests import services

pytestmark = pytest.mark.slow

TOUCH_WITHIN_S = 30.0
LONGER_THAN_A_TICK_S = 7.0


class Broker:
    """A Valkey that only this test uses."""

    def __init__(self, directory: Path) -> None:
        program = services.find_valkey(os.environ)[0]
        self._log = directory / "valkey.log"
        self._valkey = Valkey(program, accounts.current(), directory)
        self._child = self._valkey.start(os.environ, self._log)
        self._valkey.wait_ready(self._child, self._log)
        self.url = self._valkey.url()

    def stop(self) -> None:
        self._child.stop(grace_s=5)


@pytest.fixture
def broker(service_addresses: dict[str, str]) -> Iterator[Broker]:
    # A socket needs a short path, so it is not below pytest's own directory.
    directory = Path(service_addresses["directory"]) / f"pulse-{os.getpid()}"
    directory.mkdir(exist_ok=True)
    broker = Broker(directory)
    yield broker
    broker.stop()


def process(kind: str, *options: str, broker: Broker, pulse: Path) -> Child:
    """A worker or a scheduler, as the image runs it."""
    environment = {**os.environ, "REDIS_URL": broker.url, "MEMORYHUB_PULSE_FILE": str(pulse)}
    command = [sys.executable, "-m", "celery", "--app", "memoryhub", kind, *options]
    log = pulse.with_suffix(".log")
    return Child(kind, command, environment=environment, account=accounts.current(), log=log, directory=services.ROOT)


def wait_for_touch(pulse: Path, after: float) -> None:
    deadline = time.monotonic() + TOUCH_WITHIN_S
    while not (pulse.exists() and pulse.stat().st_mtime > after):
        assert time.monotonic() < deadline, pulse.with_suffix(".log").read_text()[-2000:]
        time.sleep(0.1)


KINDS = {
    "worker": ("--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle"),
    "beat": ("--schedule",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_beats_while_the_broker_is_there_and_no_longer(kind: str, broker: Broker, tmp_path: Path) -> None:
    pulse = tmp_path / "pulse"
    options = (*KINDS[kind], *([str(tmp_path / "schedule")] if kind == "beat" else []))

    child = process(kind, *options, broker=broker, pulse=pulse)
    wait_for_touch(pulse, after=0)
    wait_for_touch(pulse, after=pulse.stat().st_mtime)
    broker.stop()
    time.sleep(1)
    last = pulse.stat().st_mtime
    time.sleep(LONGER_THAN_A_TICK_S)
    after_the_end = pulse.stat().st_mtime
    is_running = child.exit_code is None
    child.stop(grace_s=20)

    assert after_the_end == last
    assert is_running


def test_a_process_that_is_neither_shows_none(tmp_path: Path) -> None:
    pulse = tmp_path / "pulse"
    program = "import memoryhub.celery as hub; hub.app.send_task('apps.jobs.tasks.tick')"

    done = Child(
        "publisher",
        [sys.executable, "-c", program],
        environment={**os.environ, "MEMORYHUB_PULSE_FILE": str(pulse)},
        account=accounts.current(),
        log=tmp_path / "log",
        directory=services.ROOT,
    )
    ended = done.wait(60)

    assert (ended, done.exit_code) == (True, 0), (tmp_path / "log").read_text()
    assert not pulse.exists()
