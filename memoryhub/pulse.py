"""A sign of life of workers and schedulers: a file whose age tells a container's health check how they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery.signals import after_task_publish, beat_init, heartbeat_sent


def show_pulse(file: Path) -> None:
    """From now on this process touches `file` while it works; one that is neither worker nor scheduler never does.

    A worker touches it every two seconds, on the loop that takes messages: not while the broker is away, nor when that
    loop hangs. A scheduler touches it for each message that the broker has taken, the tick every five seconds.
    """
    touch = _touching(file)
    heartbeat_sent.connect(touch, weak=False)
    beat_init.connect(lambda **_: after_task_publish.connect(touch, weak=False), weak=False)


def _touching(file: Path) -> Callable[..., None]:
    def touch(**_: Any) -> None:
        file.touch()

    return touch
