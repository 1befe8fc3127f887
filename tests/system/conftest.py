"""Places and people for whole hubs. What they leave on the machine goes at the end."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from memoryhub.embedded import accounts
from tests.system import newcomers
from tests.system.newcomers import Newcomer, OrdinaryUser
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
