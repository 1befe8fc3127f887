"""Does something at a moment that no other program could choose."""

import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class _Moment:
    event: str
    path: str
    action: Callable[[], None]
    left: int


_awaited: list[_Moment] = []


@contextmanager
def just_before(event: str, path: Path, action: Callable[[], None], *, times: int = 1) -> Iterator[None]:
    """Inside, `action` is done right before Python does something with a path: `event` is that of its audit hooks.

    Only the first `times`, and it must come to that.
    """
    moment = _Moment(event, str(path), action, times)
    _awaited.append(moment)
    try:
        yield
        assert moment.left == 0, f"there was no {event} of {path}"
    finally:
        _awaited.remove(moment)


def save(path: Path, text: str) -> None:
    """As editors do: written beside, and renamed. A folder that has just gone is made again."""
    beside = Path(tempfile.gettempdir(), f"saved-{uuid.uuid4().hex}")
    beside.write_text(text)
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            beside.rename(path)
            return


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    for moment in [each for each in _awaited if each.event == event]:
        if moment.left and moment.path in (str(argument) for argument in arguments[:2]):
            moment.left -= 1
            moment.action()


sys.addaudithook(_hear)
