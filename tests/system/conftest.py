"""Places and people for whole hubs. What they leave on the machine goes at the end."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from memoryhub.embedded import accounts
from tests.services import ROOT
from tests.system import newcomers
from tests.system.newcomers import LOGIN_PATH, VIRTUAL_ENVIRONMENT, Newcomer, OrdinaryUser
from tests.system.processes import kill, processes_of


@pytest.fixture
def hub_place() -> Iterator[Path]:
    """An empty directory with a short name that every account may pass, for data directories.

    Whatever still runs in it at the end is killed: a hub that a test has cut off from its supervisor too.
    """
    place = newcomers.temporary_place()
    yield place
    kill(*processes_of(place))
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def people_place() -> Iterator[Path]:
    """Where the homes of the session's newcomers lie."""
    place = newcomers.temporary_place()
    yield place
    kill(*processes_of(place))
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def ordinary_user(people_place: Path) -> Iterator[Newcomer]:
    """An ordinary user who has run `./hub --help` in a fresh clone: once a session, since it installs everything."""
    with OrdinaryUser() as account:
        newcomer = newcomers.settle(account, people_place, "my clones/memory hub")
        newcomers.take_a_clone(newcomer)
        began = time.monotonic()
        done = newcomer.run(
            "./hub", "--help", environment=newcomers.way_to_packages(), timeout_s=newcomers.INSTALL_TIMEOUT_S
        )
        print(f"./hub made .venv in {time.monotonic() - began:.0f} s")
        assert done.returncode == 0, done.stderr
        assert "making .venv from requirements.lock" in done.stderr
        yield newcomer
        newcomer.leave()


@pytest.fixture(scope="session")
def root_user(people_place: Path, ordinary_user: Newcomer) -> Iterator[Newcomer]:
    """Root with a home that nobody else may enter, and the same clone in it."""
    newcomer = newcomers.settle(accounts.current(), people_place, "memoryhub")
    newcomers.take_over(newcomer, ordinary_user)
    yield newcomer
    newcomer.leave()


@pytest.fixture(scope="session")
def installed_wheel(people_place: Path, ordinary_user: Newcomer) -> Path:
    """The command `memoryhub` of an environment that holds what the lock names, and the wheel, for every account.

    It begins as the one that `./hub` made from the same lock with the same options.
    """
    built, environment = people_place / "dist", people_place / "environment"
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    made_first = ordinary_user.clone / VIRTUAL_ENVIRONMENT
    shutil.copytree(made_first, environment, symlinks=True, copy_function=os.link)
    _move_scripts(environment / "bin", made_first, environment)
    (wheel,) = built.glob("memoryhub-*.whl")
    install = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, env={"PATH": LOGIN_PATH, "HOME": str(people_place)})
    return environment / "bin/memoryhub"


def _move_scripts(scripts: Path, before: Path, now: Path) -> None:
    """Lets the programs of a copied environment use it, and not the one that it was copied from."""
    for script in scripts.iterdir():
        if script.is_symlink() or not script.is_file() or os.fsencode(before) not in (text := script.read_bytes()):
            continue
        # A new file: the old one is the other environment's as well.
        script.unlink()
        script.write_bytes(text.replace(os.fsencode(before), os.fsencode(now)))
        script.chmod(0o755)
