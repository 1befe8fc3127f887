"""A workspace to test with. Imports wait until Django has its settings."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.services import ROOT

if TYPE_CHECKING:
    from apps.workspaces.models import Workspace
    from tests.conftest import Bucket
    from tests.files.client import Api


@pytest.fixture
def api(db: None) -> "Api":
    """A new workspace and a token for it, inside a transaction that is rolled back."""
    return _new_api()


@pytest.fixture
def committed_api(transactional_db: None) -> "Api":
    """The same for tests with more than one connection."""
    return _new_api()


def _new_api() -> "Api":
    from django.test import Client

    from tests.factories import make_token, make_workspace
    from tests.files.client import Api

    workspace = make_workspace()
    return Api(Client(), workspace, make_token(workspace))


@pytest.fixture
def live_and_gone(api: "Api") -> "Api":
    """`live` at version 1, `gone` deleted at version 3."""
    api.put("live", b"bytes")
    api.put("gone", b"old")
    api.delete("gone")
    return api


@pytest.fixture
def workspace(db: None) -> "Workspace":
    """An empty workspace, inside a transaction that is rolled back."""
    from tests.factories import make_workspace

    return make_workspace()


@pytest.fixture
def bucket(s3_server: "Bucket", settings: Any) -> "Bucket":
    """A bucket that holds the blobs of this test, as the settings would build it."""
    from pathlib import Path

    from memoryhub.settings import backends

    values = {
        "S3_BUCKET": s3_server.name,
        "S3_PREFIX": "hub",
        "AWS_REGION": s3_server.region,
        "S3_ENDPOINT_URL": s3_server.endpoint_url,
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
        "AWS_SESSION_TOKEN": "",
        "S3_SERVER_SIDE_ENCRYPTION": "",
        "MEMORYHUB_STORAGE_TIMEOUT_S": 10.0,
    }
    settings.STORAGES = settings.STORAGES | {"blobs": backends.storage(values, directory=Path("unused"))}
    return s3_server


@pytest.fixture
def another_process(transactional_db: None) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts `python <arguments>` as another process of this hub; whatever still runs at the end is killed."""
    from django.conf import settings
    from django.db import connection

    name = connection.settings_dict["NAME"]
    keys = ("MEMORYHUB_SECRET_KEY", "MEMORYHUB_TOKEN_KEY", "MEMORYHUB_SECRETS_KEY")
    environment = {
        **os.environ,
        **{key: getattr(settings, key) for key in keys},
        "DATABASE_URL": os.environ["DATABASE_URL"].replace("@/postgres?", f"@/{name}?"),
    }
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment | variables, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def filled(api: "Api") -> "Api":
    """`a` at version 1, `b` at 2, `gone` deleted at 4."""
    api.put("a", b"first")
    api.put("b", b"second")
    api.put("gone", b"third")
    api.delete("gone")
    return api
