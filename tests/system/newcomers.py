"""Somebody who has never run a hub: a fresh home, a fresh clone, and a login's bare environment."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memoryhub.embedded.accounts import Account
from tests.house.tree import committed_files
from tests.services import ROOT
from tests.system.hubs import Hub
from tests.system.processes import kill, processes_of

LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin"
INSTALL_TIMEOUT_S = 600.0
VIRTUAL_ENVIRONMENT = ".venv"
STATE_OUTSIDE = ("pg.location", "sockets.location")


@dataclass(frozen=True)
class Newcomer:
    """An account with a closed home and a clone in it. `environment` is all that its shell knows."""

    account: Account
    home: Path
    clone: Path
    hubs: list[Hub] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": LOGIN_PATH, "HOME": str(self.home)}

    def run(
        self, *command: str, environment: Mapping[str, str] | None = None, timeout_s: float = 120.0
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command in the clone."""
        return subprocess.run(
            command,
            env={**self.environment, **(environment or {})},
            cwd=self.clone,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            **self.account.popen_arguments(),
        )

    def hub(self, name: str, program: Sequence[str] = ("./hub",)) -> Hub:
        """A hub of the clone, on a data directory of that name in the home."""
        hub = Hub(self.home / name, program, environment=self.environment, account=self.account, directory=self.clone)
        self.hubs.append(hub)
        return hub

    def leave(self) -> None:
        """Stops the hubs and removes what they keep outside the home."""
        for hub in self.hubs:
            kill(*processes_of(hub.data))
            for record in STATE_OUTSIDE:
                if (hub.data / record).is_file():
                    shutil.rmtree((hub.data / record).read_text().strip(), ignore_errors=True)


def settle(account: Account, place: Path, clone: str) -> Newcomer:
    """A closed home in `place` for the account, with an empty directory for the clone."""
    home = place / f"home-of-{account.name}"
    directory = home / clone
    directory.mkdir(parents=True)
    for made in (directory, *directory.relative_to(home).parents):
        (home / made).chmod(0o700)
        os.chown(home / made, account.uid, account.gid)
    return Newcomer(account, home, directory)


def take_a_clone(newcomer: Newcomer) -> None:
    """What git has, or would have after a commit of everything."""
    for path in committed_files():
        target = newcomer.clone / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
    _give_all(newcomer)


def take_over(newcomer: Newcomer, other: Newcomer) -> None:
    """A copy of another's clone. The virtual environment's files are links: to install them anew takes a minute."""
    virtual = other.clone / VIRTUAL_ENVIRONMENT
    ignored = shutil.ignore_patterns(VIRTUAL_ENVIRONMENT)
    shutil.copytree(other.clone, newcomer.clone, symlinks=True, ignore=ignored, dirs_exist_ok=True)
    _give_all(newcomer)
    shutil.copytree(virtual, newcomer.clone / VIRTUAL_ENVIRONMENT, symlinks=True, copy_function=os.link)


def _give_all(newcomer: Newcomer) -> None:
    for path in (newcomer.clone, *newcomer.clone.rglob("*")):
        os.chown(path, newcomer.account.uid, newcomer.account.gid, follow_symlinks=False)


def way_to_packages() -> dict[str, str]:
    """What this machine says about reaching a package index; a new user's machine would say it in its own files."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy") or name in names
    }


class OrdinaryUser:
    """A new account of this machine for the time of the block."""

    def __enter__(self) -> Account:
        assert os.geteuid() == 0, "making an account takes root"
        self.name = f"mhtest{secrets.token_hex(4)}"
        subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", self.name], check=True)
        uid, gid = (int(subprocess.check_output(["id", option, self.name])) for option in ("-u", "-g"))
        return Account(self.name, uid, gid, switches=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["userdel", "--force", self.name], check=True, capture_output=True)


def temporary_place() -> Path:
    """A directory with a short name that every account may pass."""
    place = Path(tempfile.mkdtemp(prefix="mhtest-", dir="/tmp"))
    place.chmod(0o711)
    return place
