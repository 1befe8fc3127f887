"""A PostgreSQL cluster of our own: made once, started and stopped with the hub, reached by a unix socket."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier

from memoryhub.embedded.accounts import Account
from memoryhub.embedded.binaries import PostgresPrograms
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.processes import Child

SUPERUSER = "memoryhub"
DATABASE = "memoryhub"
PORT = 5432
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0

# Sized for a small machine. Everything may be overruled in the cluster's postgresql.conf but the first three.
SERVER_OPTIONS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0777",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data directory with the programs, account and password that belong to it."""

    programs: PostgresPrograms
    account: Account
    data: Path
    socket_directory: Path
    password: str
    options: Mapping[str, str] = field(default_factory=dict)

    def url(self, database: str = DATABASE) -> str:
        """A `postgres://` address over the unix socket, as Django and libpq read it."""
        secret = quote(self.password, safe="")
        return f"postgres://{SUPERUSER}:{secret}@/{database}?host={quote(str(self.socket_directory), safe='/')}"

    @property
    def exists(self) -> bool:
        return (self.data / "PG_VERSION").is_file()

    def create(self) -> None:
        """Makes the cluster with checksums and scram-sha-256 where there is none yet.

        A half-made one, whose maker was killed, is removed first: `initdb` writes to a directory beside and the
        finished cluster is renamed into place.
        """
        if self.exists:
            return
        partial = self.data.with_name(f"{self.data.name}.partial")
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
        self.account.give(partial)
        # The password goes through a pipe: it is in no file and no command line.
        reading, writing = os.pipe()
        os.write(writing, self.password.encode() + b"\n")
        os.close(writing)
        if self.account.switches:
            os.fchown(reading, self.account.uid, self.account.gid)
        command: list[str | Path] = [
            self.programs.program("initdb"),
            f"--pgdata={partial}",
            f"--username={SUPERUSER}",
            "--auth=scram-sha-256",
            f"--pwfile=/dev/fd/{reading}",
            "--data-checksums",
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
            *(["--no-sync"] if self.options.get("fsync") == "off" else []),
        ]
        try:
            self._run(command, pass_fds=[reading])
        finally:
            os.close(reading)
        partial.rename(self.data)

    def start(self, environment: Mapping[str, str], log_path: Path) -> Child:
        """Starts the server and returns at once; `wait_ready` waits. What a killed one left behind is stopped first."""
        self.stop_orphan()
        options = {**SERVER_OPTIONS, **self.options, "unix_socket_directories": str(self.socket_directory)}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Child(
            "postgres",
            [self.programs.program("postgres"), "-D", self.data, *settings],
            environment=clean_environment(environment),
            account=self.account,
            log=log_path,
            # SIGINT is the fast shutdown: connections are ended, the data is left clean.
            stop_signal=signal.SIGINT,
        )

    def wait_ready(self, child: Child, log_path: Path) -> None:
        """Returns when the server takes connections. Raises HubError when it ended or took too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            # The file's eighth line turns "ready" exactly when connections are taken.
            lines = _lines(self.data / "postmaster.pid")
            if len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready":
                return
            if child.exit_code is not None:
                raise HubError(f"PostgreSQL ended while it started; its log is {log_path}:\n{tail(log_path)}")
            time.sleep(0.02)
        raise HubError(f"PostgreSQL was not ready after {START_TIMEOUT_S:.0f} s; its log is {log_path}.")

    def create_database(self) -> None:
        """Makes the hub's database on the running server where it is missing."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))

    def stop_orphan(self) -> None:
        """Stops a server on this data directory whose supervisor was killed. A stale pid file is no obstacle."""
        lines = _lines(self.data / "postmaster.pid")
        if not lines or not lines[0].strip().lstrip("-").isdigit() or not _is_postgres(abs(int(lines[0]))):
            return
        program = self.programs.program("pg_ctl")
        stop: list[str | Path] = [program, "stop", "-D", self.data, "-m", "fast", "-w", "-t", "60"]
        subprocess.run(stop, cwd="/", capture_output=True, check=False, **self.account.popen_arguments())

    def _run(self, command: Sequence[str | Path], *, pass_fds: Sequence[int] = ()) -> None:
        done = subprocess.run(
            command,
            cwd="/",
            env=clean_environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
            pass_fds=pass_fds,
            **self.account.popen_arguments(),
        )
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip()[-2000:]
            raise HubError(f"{Path(command[0]).name} failed (exit {done.returncode}):\n{reason}")


def new_password() -> str:
    return secrets.token_urlsafe(24)


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without what steers PostgreSQL's programs from outside, and without the hub's own secrets."""
    # The last three name a user whose id has no name, as in a container: `initdb` asks for it.
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP")
    return {"LC_ALL": "C", **{name: environment[name] for name in kept if name in environment}}


def tail(path: Path, *, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        return f"({error})"
    return "\n".join(text.splitlines()[-lines:])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except (FileNotFoundError, PermissionError):
        return []


def _is_postgres(pid: int) -> bool:
    """True when the process runs and is a PostgreSQL server: pids are used again, and a stale file names a stranger."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        if Path("/proc/self/comm").exists():
            return False
        answer = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
        name = Path(answer.stdout.strip()).name
    return name.startswith(("postgres", "postmaster"))
