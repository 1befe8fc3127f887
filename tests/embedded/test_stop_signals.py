"""Signals that end the hub, at moments when an exception would be lost or do harm."""

import os
import signal
import weakref
from collections.abc import Iterator

import pytest

from memoryhub.embedded.supervisor import StopRequested, StopSignals


@pytest.fixture
def stop_signals() -> Iterator[StopSignals]:
    """Listening to SIGUSR1 in place of the real ones."""
    listening = StopSignals()
    before = signal.signal(signal.SIGUSR1, listening)
    yield listening
    signal.signal(signal.SIGUSR1, before)


def send() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def test_a_signal_is_raised_where_it_comes(stop_signals: StopSignals) -> None:
    with pytest.raises(StopRequested):
        send()


def test_a_signal_while_a_child_is_started_is_raised_when_the_child_is_known(stop_signals: StopSignals) -> None:
    known = []

    with pytest.raises(StopRequested), stop_signals.held():
        send()
        known.append("child")

    assert known == ["child"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_the_interpreter_swallowed_is_raised_at_the_next_check(stop_signals: StopSignals) -> None:
    class Thing:
        pass

    thing = Thing()
    # Like the callbacks at a fork: what they raise is printed and forgotten.
    watcher = weakref.ref(thing, lambda _: send())
    del thing

    assert watcher() is None
    with pytest.raises(StopRequested):
        stop_signals.check()


def test_without_a_signal_nothing_is_raised(stop_signals: StopSignals) -> None:
    stop_signals.check()
    with stop_signals.held():
        pass
