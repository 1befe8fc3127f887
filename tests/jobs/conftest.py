import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.services import ROOT


@pytest.fixture(autouse=True)
def rung_anew() -> Iterator[None]:
    """The bell as in a new process: not silent because of an earlier test's broker."""
    from apps.jobs import bell

    bell._silent_until = 0.0
    yield
    bell._silent_until = 0.0


@pytest.fixture
def register() -> Iterator[Callable[..., None]]:
    """`apps.jobs.registry.register`, for the time of the test."""
    from apps.jobs import registry

    names: list[str] = []

    def add(kind: str, worker: Any, **options: Any) -> None:
        registry.register(kind, worker, **options)
        names.append(kind)

    yield add
    for name in names:
        registry.unregister(name)


@pytest.fixture
def test_kinds(register: Callable[..., None]) -> None:
    """The kinds of `tests.jobs.workers`."""
    from tests.jobs import workers

    for kind, worker in workers.KINDS.items():
        register(kind, worker, lease_s=workers.LEASE_S)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file that test workers write to; its path is a job's subject."""
    path = tmp_path / "log"
    path.touch()
    return path


def steps(log: Path) -> list[str]:
    """What the workers did, as `<attempt> <step>`, in order."""
    return [line.split(" ", 1)[1] for line in log.read_text().splitlines()]


@pytest.fixture
def hub_environment(transactional_db: None) -> dict[str, str]:
    """The environment of another process of this hub: the test's database, broker and keys."""
    from django.conf import settings
    from django.db import connection

    name = connection.settings_dict["NAME"]
    database_url = os.environ["DATABASE_URL"].replace("@/postgres?", f"@/{name}?")
    assert name in database_url
    keys = ("MEMORYHUB_SECRET_KEY", "MEMORYHUB_TOKEN_KEY", "MEMORYHUB_SECRETS_KEY")
    return {
        **os.environ,
        **{key: getattr(settings, key) for key in keys},
        "DATABASE_URL": database_url,
        "MEMORYHUB_ENV_FILE": "none",
        "MEMORYHUB_OUTBOUND_ALLOW": "127.0.0.1",
    }


@pytest.fixture
def start(hub_environment: dict[str, str]) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts `python <arguments>` as another process of this hub; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> "subprocess.Popen[str]":
        # A session of its own: Celery's beat is a child that outlives a killed worker and would hold the pipe open.
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=hub_environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
