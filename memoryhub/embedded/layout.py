"""The data directory of a hub: what lies where, who may pass, and the lock that keeps it to one hub."""

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memoryhub.embedded.accounts import Account
from memoryhub.embedded.binaries import open_directory
from memoryhub.embedded.errors import HubError

SYSTEM_STATE = Path("/var/lib/memoryhub")
# A unix socket's address holds 108 bytes on Linux and 104 on macOS, the closing zero among them.
LONGEST_SOCKET_PATH = 102
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"


def data_directory(option: Path | None, named: str, environment: Mapping[str, str]) -> Path:
    """`--data`, else the one that MEMORYHUB_DATA has `named`, else the user's own data directory (XDG). Absolute."""
    if option is not None:
        return option.expanduser().absolute()
    if named:
        return Path(named).expanduser().absolute()
    home = environment.get("XDG_DATA_HOME", "").strip() or "~/.local/share"
    return (Path(home).expanduser() / "memoryhub").absolute()


@dataclass(frozen=True, slots=True)
class Layout:
    """Names inside one data directory. Nothing is made until `prepare`.

    `system_state` is where root puts clusters that cannot lie in the data directory.
    """

    data: Path
    system_state: Path = SYSTEM_STATE

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @property
    def state_file(self) -> Path:
        """What a running hub says about itself."""
        return self.run / "hub.json"

    @property
    def lock_file(self) -> Path:
        return self.data / "hub.lock"

    @property
    def cluster_record(self) -> Path:
        """Holds the cluster's path where it cannot lie in the data directory."""
        return self.data / "pg.location"

    @property
    def socket_record(self) -> Path:
        """Holds the directory of the sockets where their path in the data directory would be too long."""
        return self.data / "sockets.location"

    def prepare(self) -> None:
        """Makes the data directory where it is missing.

        Under root others may pass through it, since PostgreSQL runs as another account; what is secret inside has
        a mode of its own. A directory that exists keeps its mode. Raises HubError when it belongs to somebody else.
        """
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            if not self.data.exists():
                self.data.mkdir(parents=True)
                self.data.chmod(mode)
            self._refuse_foreign_owner()
            for directory in (self.run, self.logs, self.secrets, self.blobs):
                if not directory.is_dir():
                    directory.mkdir()
                    directory.chmod(mode if directory == self.run else 0o700)
        except OSError as error:
            raise HubError(f"The data directory {self.data} cannot be used: {error.strerror}.") from error

    def _refuse_foreign_owner(self) -> None:
        owner = self.data.stat().st_uid
        if owner != os.geteuid():
            raise HubError(
                f"The data directory {self.data} belongs to user id {owner}, and this is user id {os.geteuid()}. "
                "Start the hub as its owner, or name another directory with --data."
            )

    def cluster_place(self, account: Account, major: int) -> Path:
        """Where the cluster of this major version lies, inside the data directory where `account` can reach it.

        Raises HubError when the hub's cluster is of another major version.
        """
        home = self._cluster_home(account)
        wanted = home / f"pg{major}"
        clusters = [path for path in home.glob("pg[0-9][0-9]") if (path / "PG_VERSION").exists()]
        others = sorted(path.name.removeprefix("pg") for path in clusters)
        if others and str(major) not in others:
            raise HubError(
                f"The data in {home} is of PostgreSQL {', '.join(others)}; the programs found are of version {major}. "
                f"Set MEMORYHUB_PG_BINDIR to the programs of version {others[-1]}, or bring the data over with pg_dump "
                "and pg_restore."
            )
        return wanted

    def _cluster_home(self, account: Account) -> Path:
        if self.cluster_record.is_file():
            return Path(self.cluster_record.read_text().strip())
        if not account.switches or account.can_enter(self.data):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        home = self.system_state / digest
        open_directory(self.system_state)
        if not home.is_dir():
            home.mkdir(mode=0o700)
        account.give(home)
        write_private(self.cluster_record, f"{home}\n")
        return home

    def postgres_sockets(self, account: Account, cluster_home: Path) -> Path:
        """The directory of PostgreSQL's socket, made for `account`."""
        directory = (cluster_home if cluster_home != self.data else self._socket_base()) / "pg-socket"
        if not directory.is_dir():
            directory.mkdir(mode=0o700)
            account.give(directory)
        return directory

    def valkey_sockets(self) -> Path:
        """The directory of Valkey's socket, made for the account that runs this."""
        directory = self._socket_base() / "valkey"
        if not directory.is_dir():
            directory.mkdir(mode=0o700)
        return directory

    def _socket_base(self) -> Path:
        if len(os.fsencode(self.run / "pg-socket" / LONGEST_SOCKET_NAME)) < LONGEST_SOCKET_PATH:
            return self.run
        if self.socket_record.is_file():
            recorded = Path(self.socket_record.read_text().strip())
            if _is_own_directory(recorded) and self._owns_sockets(recorded):
                return recorded
        base = Path(tempfile.mkdtemp(prefix="memoryhub-", dir=_short_parent()))
        base.chmod(0o711 if os.geteuid() == 0 else 0o700)
        write_private(base / "owner", f"{self.data}\n")
        write_private(self.socket_record, f"{base}\n")
        return base

    def _owns_sockets(self, base: Path) -> bool:
        """False for the record in a copied data directory: the sockets there belong to the original."""
        try:
            return (base / "owner").read_text().strip() == str(self.data)
        except OSError:
            return False


def _short_parent() -> str:
    """A directory with a short name. Root's own is not swept by the cleaners of /tmp."""
    return "/run" if os.geteuid() == 0 and Path("/run").is_dir() else "/tmp"


def _is_own_directory(path: Path) -> bool:
    """True for a directory, not a link to one, that only this user can have made and can write to."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        os.fchmod(descriptor, 0o600)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    partial.rename(path)


class HubLock:
    """An advisory lock on a data directory. The kernel lets go of it when its process ends, however that happens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """False when another process holds it. It is not passed on to children."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_running(layout: Layout) -> bool:
    """True while a hub runs on this data directory."""
    if not layout.lock_file.exists():
        return False
    lock = HubLock(layout.lock_file)
    if not lock.acquire():
        return True
    lock.release()
    return False
