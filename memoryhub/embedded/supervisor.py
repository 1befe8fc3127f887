"""Runs a hub in the foreground: starts what it needs in order, restarts what dies, stops everything at the end.

It never imports Django: what needs Django is a step, a process that ends.
"""

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from memoryhub.embedded.address import Address, check_free
from memoryhub.embedded.backends import Backends, choose_backends, lock_cluster
from memoryhub.embedded.choices import Choices, hub_environment
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import HubLock, Layout, write_private
from memoryhub.embedded.processes import Child
from memoryhub.embedded.programs import Step, ending, start_coordinator, start_web, start_worker
from memoryhub.embedded.running import RunningHub

READY_TIMEOUT_S = 120.0
LOOK_EVERY_S = 0.5
LONGEST_BACKOFF_S = 30.0
# The hub's own address is asked directly: a proxy that the environment names, as containers often get one, cannot.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CALM_AFTER_S = 60.0
# The web servers end their requests first, then the worker its steps, and only then what both lean on goes.
STOP_ORDER = ("coordinator", "web", "worker", "valkey", "postgres")
GRACE_S = {"coordinator": 15.0, "web": 15.0, "worker": 15.0, "valkey": 10.0, "postgres": 60.0}


class StopRequested(BaseException):
    """Raised in the main thread by the signals that end the hub."""


class StopSignals:
    """What the signals do that end the hub: they raise StopRequested in the main thread, at once where that is safe.

    Raised while a child is forked it could leave the child to nobody; raised in a callback of the interpreter it is
    swallowed, as happened at a fork. So it is raised again at the next `held` or `check`.
    """

    def __init__(self) -> None:
        self._came = False
        self._is_held = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
        if not self._is_held:
            raise StopRequested

    def check(self) -> None:
        """Raises StopRequested when a signal has come."""
        if self._came:
            raise StopRequested

    @contextmanager
    def held(self) -> Iterator[None]:
        """A signal that comes inside is raised at the end of the block."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        self.check()


@dataclass(slots=True)
class Supervised:
    """A child, how to start it again, and how often that was needed lately."""

    start: Callable[[], Child]
    child: Child
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    """One hub on one data directory. `say` shows a line to the operator."""

    def __init__(self, layout: Layout, address: Address, choices: Choices, say: Callable[[str], None]) -> None:
        self.layout = layout
        self.address = address
        self.choices = choices
        self.say = say
        self._environment: dict[str, str] = {}
        self._supervised: dict[str, Supervised] = {}
        self._steps: list[Step] = []
        self._locks: list[HubLock] = []
        self._stop_signals = StopSignals()

    def run(self, on_ready: Callable[["Supervisor"], None]) -> None:
        """Starts everything, calls `on_ready` once the hub answers, and watches until a signal; then stops it all.

        Raises HubError where the hub cannot start; nothing is left running then either.
        """
        check_free([self.address, *([own] if (own := self.choices.coordinator) else [])])
        self.layout.prepare()
        self._take_lock()
        previous = _on_stop_signals(dict.fromkeys(STOP_SIGNALS, self._stop_signals))
        try:
            self._start()
            on_ready(self)
            self._watch()
        except StopRequested:
            self.say("Stopping.")
        finally:
            _on_stop_signals(dict.fromkeys(STOP_SIGNALS, signal.SIG_IGN))
            self._stop()
            _on_stop_signals(previous)

    def run_step(self, module: str, *arguments: str) -> dict[str, Any]:
        """Runs one of our modules to its end in the hub's environment, and gives what it answers. Raises HubError."""
        return self._begin_step(module, *arguments).result()

    def _take_lock(self) -> None:
        lock = HubLock(self.layout.lock_file)
        if not lock.acquire():
            raise HubError(
                f"A hub is running on {self.layout.data} already. Stop it, or name another directory with --data."
            )
        self._locks.append(lock)

    # --- Start

    def _start(self) -> None:
        backends = choose_backends(self.layout, self.choices, os.environ)
        self._environment = hub_environment(
            self.layout,
            self.choices,
            os.environ,
            database_url=backends.database_url,
            redis_url=backends.redis_url,
            make_keys=True,
        )
        if backends.cluster is not None:
            self._environment["MEMORYHUB_DATABASE_DIR"] = str(backends.cluster.data)
        self._say_what_is_used(backends)
        self._start_backends(backends)
        # Both import Django while PostgreSQL starts, each on a core of its own, and wait to be told to go on.
        first_start = self._begin_step("memoryhub.embedded.firststart", waits=True)
        web = self._supervise("web", lambda: start_web(self.address, self._environment))
        self._wait_for_backends(backends)
        if backends.cluster is not None:
            backends.cluster.create_database()
        self._say_what_was_made(first_start.result())
        web.go()
        self._wait_ready(web, f"{self.address.url}/readyz")
        if (own := self.choices.coordinator) is not None:
            self._start_coordinator(own)
        # Not before: its imports would compete with the start that somebody is waiting for.
        level = str(self.choices.given["LOG_LEVEL"])
        self._supervise("worker", lambda: start_worker(self.layout.run, level, self._environment))
        write_private(self.layout.state_file, self._running(backends).to_json())

    def _start_coordinator(self, address: Address) -> None:
        coordinator = self._supervise("coordinator", lambda: start_coordinator(address, self._environment))
        coordinator.go()
        self._wait_ready(coordinator, f"{address.url}/health")

    def _running(self, backends: Backends) -> RunningHub:
        cluster = backends.cluster
        return RunningHub(
            pid=os.getpid(),
            url=self.address.url,
            started_at=int(time.time()),
            database_url=backends.database_url,
            redis_url=backends.redis_url,
            postgres_programs=str(cluster.programs.directory) if cluster is not None else None,
            postgres_sockets=str(cluster.socket_directory) if cluster is not None else None,
            uses_bucket=not self.choices.own_blobs,
        )

    def _start_backends(self, backends: Backends) -> None:
        valkey, cluster = backends.valkey, backends.cluster
        if valkey is not None:
            self._supervise("valkey", lambda: valkey.start(os.environ, self.layout.log("valkey")))
        if cluster is not None:
            if (lock := lock_cluster(cluster, self.layout)) is not None:
                self._locks.append(lock)
            if not cluster.exists:
                self.say("Making the database; this happens once.")
            cluster.create()
            self._supervise("postgres", lambda: cluster.start(os.environ, self.layout.log("postgres")))

    def _wait_for_backends(self, backends: Backends) -> None:
        if backends.valkey is not None:
            backends.valkey.wait_ready(self._supervised["valkey"].child, self.layout.log("valkey"))
        if backends.cluster is not None:
            backends.cluster.wait_ready(self._supervised["postgres"].child, self.layout.log("postgres"))

    def _begin_step(self, module: str, *arguments: str, waits: bool = False) -> Step:
        with self._stop_signals.held():
            step = Step(module, *arguments, environment=self._environment, waits=waits)
            self._steps.append(step)
        return step

    def _wait_ready(self, server: Child, url: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        answer = "nothing"
        while time.monotonic() < deadline:
            self._stop_signals.check()
            try:
                with DIRECTLY.open(url, timeout=10):
                    return
            except urllib.error.HTTPError as error:
                answer = f"{error.code}: {error.read(500).decode(errors='replace')}"
            except OSError as error:
                answer = str(error)
            if server.exit_code is not None:
                raise HubError(f"The server {server.name!r} ended while it started; what it said stands above.")
            time.sleep(0.05)
        raise HubError(f"The hub was not ready after {READY_TIMEOUT_S:.0f} s; {url} says {answer}")

    # --- Tell

    def _say_what_is_used(self, backends: Backends) -> None:
        cluster, valkey, given = backends.cluster, backends.valkey, self.choices.given
        self.say(f"Data       {self.layout.data}")
        if cluster is not None:
            self.say(f"Database   PostgreSQL {cluster.programs.version} ({cluster.programs.origin}), in {cluster.data}")
        else:
            self.say("Database   the one that DATABASE_URL names")
        if valkey is not None:
            self.say(f"Redis      {valkey.program.name} ({backends.valkey_origin})")
        else:
            self.say("Redis      the one that REDIS_URL names")
        if self.choices.own_blobs:
            self.say(f"Files      {given['MEMORYHUB_BLOB_DIR'] or self.layout.blobs}")
        else:
            self.say(f"Files      the bucket {given['S3_BUCKET']} that S3_BUCKET names")

    def _say_what_was_made(self, made: dict[str, Any]) -> None:
        if made["migrations"]:
            self.say(f"Applied {made['migrations']} migrations.")
        if made["epochs_renewed"]:
            self.say("The database was restored from another one: clients will compare in full, and delete nothing.")
        if made["workspace"]:
            self.say(f"Made the workspace {made['workspace']}.")
        if made["password"]:
            self.say(f"Made the administrator {made['administrator']} with the password {made['password']}")
            self.say("Write it down: it is shown this once.")
        for warning in made["warnings"]:
            self.say(f"Warning    {warning}")

    # --- Watch

    def _supervise(self, name: str, start: Callable[[], Child]) -> Child:
        with self._stop_signals.held():
            child = start()
            self._supervised[name] = Supervised(start, child)
        return child

    def _watch(self) -> NoReturn:
        while True:
            for name, supervised in self._supervised.items():
                self._look_after(name, supervised)
            self._stop_signals.check()
            time.sleep(LOOK_EVERY_S)

    def _look_after(self, name: str, supervised: Supervised) -> None:
        """Starts a dead child again: at once the first time, then after a growing pause."""
        now = time.monotonic()
        if supervised.restart_at is None:
            code = supervised.child.exit_code
            if code is None:
                return
            supervised.child.kill_session()
            if now - supervised.child.started_at > CALM_AFTER_S:
                supervised.failures = 0
            pause = 0.0 if supervised.failures == 0 else min(LONGEST_BACKOFF_S, 0.5 * 2**supervised.failures)
            supervised.failures += 1
            supervised.restart_at = now + pause
            self.say(f"{name} ended ({ending(code)}); starting it again" + (f" in {pause:.0f} s." if pause else "."))
        if now >= supervised.restart_at:
            supervised.restart_at = None
            with self._stop_signals.held():
                supervised.child = supervised.start()
            supervised.child.go()

    # --- Stop

    def _stop(self) -> None:
        self.layout.state_file.unlink(missing_ok=True)
        for step in self._steps:
            step.stop()
        for name in STOP_ORDER:
            if (supervised := self._supervised.get(name)) is not None:
                supervised.child.stop(GRACE_S[name])
        for lock in self._locks:
            lock.release()


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _on_stop_signals(handlers: dict[signal.Signals, Any]) -> dict[signal.Signals, Any]:
    """Sets what the signals do that end a foreground program, and gives what they did before."""
    return {number: signal.signal(number, handler) for number, handler in handlers.items()}
