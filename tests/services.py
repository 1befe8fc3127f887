"""Starts what tests talk to: a real PostgreSQL, a real Valkey, an S3-speaking server. Imports no Django."""

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from memoryhub.embedded import accounts
from memoryhub.embedded.binaries import PG_BINDIR_VARIABLE, find_postgres, find_valkey, within_reach
from memoryhub.embedded.postgres import Cluster, new_password
from memoryhub.embedded.processes import Child
from memoryhub.embedded.valkey import Valkey

ROOT = Path(__file__).resolve().parents[1]
TEST_BINDIR_VARIABLE = "TEST_PG_BINDIR"
FAST_OPTIONS = {"fsync": "off", "full_page_writes": "off", "max_connections": "300", "shared_buffers": "128MB"}
DURABLE_OPTIONS = {"max_connections": "100"}

# What the hub reads from the environment; a user's own values must not reach the tests.
FOREIGN_PREFIXES = (
    "MEMORYHUB_",
    "AGMEM_",
    "CLOUD_SYNC_",
    "S3_",
    "AWS_",
    "HEARE_",
    "DATABASE_URL",
    "REDIS_URL",
    "API_KEY",
    "LOG_",
    "PG",
)
FOREIGN_NAMES = {"ROOT_DIALECT", "DIALECT_HOSTS", "TRUSTED_PROXIES", "DJANGO_SETTINGS_MODULE"}
PASSED_ON = "HUB_TEST_SERVICES"


class PostgresServer:
    """One PostgreSQL in a short directory of its own, reached by a unix socket. `durable` keeps fsync on."""

    def __init__(self, *, durable: bool) -> None:
        account = accounts.for_postgres()
        # Not below pytest's own directory: sockets need a short path that every account can reach.
        self.directory = Path(tempfile.mkdtemp(prefix="mhtest-pg-", dir="/tmp"))
        self.directory.chmod(0o711)
        socket_directory = self.directory / "socket"
        socket_directory.mkdir(mode=0o755)
        account.give(socket_directory)
        self.log = self.directory / "postgres.log"
        self.cluster = Cluster(
            programs=within_reach(find_postgres(_postgres_environment()), account),
            account=account,
            data=self.directory / "data",
            socket_directory=socket_directory,
            password=new_password(),
            options=DURABLE_OPTIONS if durable else FAST_OPTIONS,
        )
        self.cluster.create()
        self.start()

    @property
    def url(self) -> str:
        """Of its `postgres` database, which is empty."""
        return self.cluster.url("postgres")

    def start(self) -> None:
        self.child = self.cluster.start(os.environ, self.log)
        self.cluster.wait_ready(self.child, self.log)

    def kill(self) -> None:
        """As a power cut for the process: SIGKILL to the server, then to what it started."""
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(10)
        self.child.kill_session()

    def stop(self) -> None:
        self.child.stop(grace_s=20)
        shutil.rmtree(self.directory, ignore_errors=True)


class Services:
    """The servers of one test run, in directories that go when they stop."""

    def __init__(self, *, durable: bool) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="mhtest-", dir="/tmp"))
        self.postgres = PostgresServer(durable=durable)
        try:
            self._start_valkey()
        except BaseException:
            self.postgres.stop()
            raise

    def _start_valkey(self) -> None:
        program, _origin = find_valkey(os.environ)
        self.valkey = Valkey(program, accounts.current(), self.directory)
        log = self.directory / "valkey.log"
        self._valkey_process = self.valkey.start(os.environ, log)
        self.valkey.wait_ready(self._valkey_process, log)

    def stop(self) -> None:
        """Stops every server and removes the directories."""
        self._valkey_process.stop(grace_s=10)
        self.postgres.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def addresses(self) -> dict[str, str]:
        """What another process needs to use these servers."""
        return {
            "directory": str(self.directory),
            "database_url": self.postgres.url,
            "redis_url": self.valkey.url(),
        }


class S3Server:
    """Moto's S3 server in a process of its own, on a free loopback port."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        program = (
            "import sys, time\n"
            "from moto.server import ThreadedMotoServer\n"
            "ThreadedMotoServer(ip_address='127.0.0.1', port=int(sys.argv[1]), verbose=False).start()\n"
            "while True:\n    time.sleep(3600)\n"
        )
        self._child = Child(
            "s3",
            [sys.executable, "-c", program, str(self.port)],
            environment={**os.environ, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
            account=accounts.current(),
            log=log,
        )
        wait_for_url(f"{self.url}/moto-api/", self._child, timeout_s=60)

    def stop(self) -> None:
        self._child.stop(grace_s=5)


def _postgres_environment() -> dict[str, str]:
    named = os.environ.get(TEST_BINDIR_VARIABLE, "")
    return {"PATH": os.environ.get("PATH", ""), **({PG_BINDIR_VARIABLE: named} if named else {})}


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_url(url: str, child: Child, *, timeout_s: float) -> None:
    """Returns when `url` answers 200. Raises when the process ends or the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if child.exit_code is not None:
            raise RuntimeError(f"{child.name} ended with {child.exit_code} before {url} answered")
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer within {timeout_s:.0f} s")


def wait_for_output(path: Path, text: str, child: Child, *, timeout_s: float) -> None:
    """Returns when `text` stands in the file. Raises with its last part when the process ends or the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        said = path.read_text(errors="replace") if path.exists() else ""
        if text in said:
            return
        if child.exit_code is not None:
            raise RuntimeError(f"{child.name} ended with {child.exit_code}:\n{said[-4000:]}")
        time.sleep(0.05)
    raise RuntimeError(f"{child.name} did not say {text!r} within {timeout_s:.0f} s:\n{said[-4000:]}")


def remove_foreign_settings(environment: dict[str, str] | os._Environ[str]) -> None:
    """Takes out whatever the user's shell says about a hub, so that a test run is the same everywhere."""
    for name in list(environment):
        if name.startswith(FOREIGN_PREFIXES) or name in FOREIGN_NAMES:
            del environment[name]


def hub_settings(addresses: Mapping[str, str], *, redis_database: int) -> dict[str, str]:
    """The environment of a hub that uses the test servers. Keys are fresh, so no test can lean on a known one."""
    return {
        "DJANGO_SETTINGS_MODULE": "memoryhub.settings",
        "MEMORYHUB_ENV_FILE": "none",
        "DATABASE_URL": addresses["database_url"],
        "REDIS_URL": addresses["redis_url"].replace("db=0", f"db={redis_database}"),
        "MEMORYHUB_DATA": str(Path(addresses["directory"]) / f"data-{os.getpid()}"),
        "MEMORYHUB_SECRET_KEY": secrets.token_urlsafe(48),
        "MEMORYHUB_TOKEN_KEY": f"test:{secrets.token_hex(32)}",
        "MEMORYHUB_SECRETS_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def passed_on() -> dict[str, str] | None:
    """The addresses that the controlling process left for its workers, or None in a process that must start its own."""
    text = os.environ.get(PASSED_ON)
    return json.loads(text) if text else None


def create_database(server: Mapping[str, str], name: str) -> str:
    """Makes an empty database on the test server and gives its address."""
    with psycopg.connect(server["database_url"], autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return server["database_url"].replace("@/postgres?", f"@/{name}?")


def run_hub_command(arguments: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs `python -m memoryhub ...` and gives back what it said."""
    return subprocess.run(
        [sys.executable, "-m", "memoryhub", *arguments],
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def copy_tree(source: Path, target: Path) -> None:
    """Copies a data directory as an operator would, without its sockets."""
    shutil.copytree(source, target, ignore=lambda _directory, names: [name for name in names if name == "run"])


def remove_tree(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
