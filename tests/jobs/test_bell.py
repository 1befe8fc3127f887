"""The bell: it may fail at any time, quickly and without a word to the caller."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.jobs import actions, bell
from memoryhub.embedded.binaries import find_valkey
from tests.services import free_port

SOON_S = 1.5


@dataclass
class Broker:
    """A broker of its own that tests stop, stall and start again. `url` is Celery's form of its address."""

    url: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while bell.waiting() is None:
            assert time.monotonic() < deadline, "the broker did not start"
            bell._silent_until = 0.0
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)


@pytest.fixture(params=["tcp", "socket"])
def broker(request, tmp_path: Path, settings) -> Iterator[Broker]:
    program, _ = find_valkey(os.environ)
    port, path = free_port(), tmp_path / "b.sock"
    address = f"redis://127.0.0.1:{port}/0" if request.param == "tcp" else f"redis+socket://{path}?virtual_host=0"
    command = [
        str(program),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--unixsocket",
        str(path),
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    settings.CELERY_BROKER_URL = address
    running = Broker(address, command)
    yield running
    running.stop()


def test_a_bell_is_a_message_in_the_queue(broker):
    broker.start()

    assert bell.waiting() == 0
    assert bell.ring(7) is True
    assert bell.waiting() == 1


def test_a_broker_that_is_away_costs_little_and_then_nothing(broker):
    started = time.monotonic()

    answers = [bell.ring(number) for number in range(1000)]

    assert not any(answers)
    assert time.monotonic() - started < SOON_S


def test_a_broker_that_hangs_costs_half_a_second_once(broker):
    broker.start()
    bell.ring(1)
    broker.signal(signal.SIGSTOP)

    started = time.monotonic()
    answers = [bell.ring(number) for number in range(1000)]
    took_s = time.monotonic() - started
    broker.signal(signal.SIGCONT)

    assert not any(answers)
    assert took_s < SOON_S


def test_the_bell_rings_again_when_the_broker_is_back(broker):
    broker.start()
    bell.ring(1)
    broker.stop()
    assert bell.ring(2) is False

    broker.start()

    assert bell.ring(3) is True


@pytest.mark.django_db(transaction=True)
def test_enqueueing_works_without_a_broker(broker, register):
    register("test.work", lambda run: None)

    job = actions.enqueue("test.work", "a")

    assert job.state == "queued"
    assert bell._is_silent()


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_after_the_commit_and_once(broker, register):
    from django.db import transaction

    register("test.work", lambda run: None)
    broker.start()

    with transaction.atomic():
        actions.enqueue("test.work", "a")
        assert bell.waiting() == 0
    actions.enqueue("test.work", "a")

    assert bell.waiting() == 1
