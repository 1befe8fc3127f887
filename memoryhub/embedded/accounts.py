"""Which system account runs what. PostgreSQL refuses to run as root, so root runs it as `nobody`."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memoryhub.embedded.errors import HubError

UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A system account. `switches` says that a process must change to it."""

    name: str
    uid: int
    gid: int
    switches: bool

    def popen_arguments(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this account: no group of root stays."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switches else {}

    def give(self, path: Path) -> None:
        """Makes the account the owner of `path`."""
        if self.switches:
            os.chown(path, self.uid, self.gid)

    def can_run(self, program: Path) -> bool:
        """True when the account can reach and execute `program`. The kernel is asked, so mounts and ACLs count."""
        return self._test("-x", program)

    def can_enter(self, directory: Path) -> bool:
        """True when the account can pass through `directory`, which exists."""
        return self._test("-x", directory)

    def _test(self, condition: str, path: Path) -> bool:
        command = ["/bin/sh", "-c", f'test {condition} "$1"', "sh", str(path)]
        return subprocess.run(command, cwd="/", check=False, **self.popen_arguments()).returncode == 0


def current() -> Account:
    """The account that runs this process."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Account(name, uid, os.getegid(), switches=False)


def for_postgres() -> Account:
    """The account that PostgreSQL runs as: `nobody` under root, else one's own."""
    if os.geteuid() != 0:
        return current()
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        raise HubError(
            f"PostgreSQL refuses to run as root and this machine has no account {UNPRIVILEGED!r}. "
            "Start the hub as an ordinary user, or set DATABASE_URL to a PostgreSQL that runs elsewhere."
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switches=True)
