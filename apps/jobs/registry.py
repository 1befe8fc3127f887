"""Which worker does which kind of job. Apps register in `AppConfig.ready`, so every process knows every kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apps.jobs.runs import JobRun

Worker = Callable[["JobRun"], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """How jobs of one kind are run. `every_s` makes it periodic, with the subject ""."""

    name: str
    worker: Worker
    every_s: float | None
    max_attempts: int
    lease_s: float
    time_limit_s: float


_kinds: dict[str, Kind] = {}


def register(
    kind: str,
    worker: Worker,
    *,
    every_s: float | None = None,
    max_attempts: int = 8,
    lease_s: float = 60.0,
    time_limit_s: float = 6 * 3600.0,
) -> None:
    """Let `worker` do the jobs of `kind` (`<app>.<verb>`).

    The worker gets a `JobRun` and returns a JSON object or None. It may be killed anywhere and run twice, also by two
    processes for a moment: it calls `run.check()` between steps and `run.hold_fence()` in transactions that must not
    happen twice. `lease_s` is how long a dead worker keeps its job from the others. A run over `time_limit_s` loses
    its lease and counts as a failed attempt.
    """
    known = _kinds.get(kind)
    if known is not None and known.worker is not worker:
        raise ValueError(f"two workers for the kind {kind}")
    _kinds[kind] = Kind(kind, worker, every_s, max_attempts, lease_s, time_limit_s)


def resolve(kind: str) -> Kind:
    """The kind of that name; LookupError when no app registered it."""
    try:
        return _kinds[kind]
    except KeyError:
        raise LookupError(f"no worker is registered for the kind {kind}") from None


def kinds() -> list[Kind]:
    """All kinds, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def periodic_kinds() -> list[Kind]:
    """The kinds that run every so many seconds, by name."""
    return [kind for kind in kinds() if kind.every_s is not None]


def unregister(kind: str) -> None:
    """Forget a kind; for tests that register their own."""
    _kinds.pop(kind, None)
