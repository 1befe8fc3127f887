"""A hub of its own for a benchmark, CPU read from its processes, and clients that keep their connections."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
WEB, POSTGRES = "embedded.web", "postgres"


@dataclass
class Hub:
    """A running `memoryhub up` with a workspace and a token."""

    process: subprocess.Popen[bytes]
    data: Path
    port: int
    token: str = ""

    def client(self) -> "Client":
        return Client(self.port, self.token)

    def cpu_s(self) -> float:
        """CPU seconds of the web server and of Postgres, ended children included."""
        return cpu_of(self.processes())

    def processes(self, *, of: tuple[str, ...] = (WEB, POSTGRES)) -> list[psutil.Process]:
        """The web server's processes and Postgres's; not the worker, whose housekeeping is no request's cost."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            # Postgres ends helpers of its own at any time; their cost is then in their parent's.
            with suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline())
                if any(part in command for part in of):
                    found.append(process)
        return found

    def requests(self) -> int:
        """How many requests the web server has answered, but for this one."""
        _status, text = Client(self.port, "")("GET", "/metrics")
        lines = [line for line in text.decode().splitlines() if line.startswith("memoryhub_request_seconds_count")]
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))

    def memoryhub(self, *arguments: str) -> str:
        """What a command of the hub prints."""
        return subprocess.run(
            [sys.executable, "-m", "memoryhub", *arguments],
            env=_environment(self.data),
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, self._token | named)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def header(self, path: str, name: str) -> str:
        self._connection.request("GET", path, headers=self._token)
        answer = self._connection.getresponse()
        answer.read()
        return answer.headers[name]


@contextmanager
def running_hub(data: Path | None = None) -> Iterator[Hub]:
    """A hub on a free port, with the embedded profile and fsync on, and a directory that goes with it."""
    own = data is None
    data = data or Path(tempfile.mkdtemp(prefix="memoryhub-bench-"))
    hub = start(data)
    try:
        hub.token = hub.memoryhub("token", "issue", "default")
        yield hub
    finally:
        stop(hub)
        if own:
            shutil.rmtree(data, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(data: Path) -> Hub:
    """Starts a hub and returns when it is ready."""
    port = free_port()
    log = (data / "bench.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "memoryhub", "up", "--data", str(data), "--port", str(port)],
        env=_environment(data),
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )
    hub = Hub(process, data, port)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if Client(port, "")("GET", "/readyz")[0] == 200:
                return hub
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"the hub did not start; see {data / 'bench.log'}")


def stop(hub: Hub) -> None:
    hub.process.send_signal(signal.SIGTERM)
    hub.process.wait(60)


class Server(Protocol):
    """Whose CPU is read: the hub, or a peer."""

    def cpu_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one request, in microseconds: CPU of the server's processes, and the time that the client waited."""

    cpu_us: float
    wall_us: float


def cost(server: Server, request: Callable[[int], object], seconds: float = 1.0) -> Cost:
    """Of one request of one client, over so many seconds after a warm-up.

    The kernel counts CPU in ticks of 10 ms: a fast server needs thousands of requests to be measured.
    """
    for number in range(-20, 0):
        request(number)
    cpu_s, began, done = server.cpu_s(), time.monotonic(), 0
    while (wall_s := time.monotonic() - began) < seconds:
        request(done)
        done += 1
    return Cost((server.cpu_s() - cpu_s) / done * 1e6, wall_s / done * 1e6)


def cpu_of(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds of processes, ended children included."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def rate(clients: int, seconds: float, work: Callable[[int, int], int]) -> float:
    """Units of work a second, by so many threads; `work(client, round)` says how many units it did."""
    end = time.monotonic() + seconds

    def loop(client: int) -> int:
        done = number = 0
        while time.monotonic() < end:
            done += work(client, number)
            number += 1
        return done

    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        total = sum(pool.map(loop, range(clients)))
    return total / (time.monotonic() - started)


def seconds_for_all(clients: int, items: Sequence[T], work: Callable[[T], object]) -> float:
    """Seconds in which so many threads do all the work."""
    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, items))
    return time.monotonic() - started


def as_json(body: bytes) -> object:
    return json.loads(body)


def _environment(data: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "MEMORYHUB_DATA": str(data),
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "MEMORYHUB_RATE_LIMIT_TOKEN": "off",
        "MEMORYHUB_RATE_LIMIT_PUSH": "off",
        "LOG_LEVEL": "WARNING",
    }
