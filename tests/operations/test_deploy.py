"""`check --deploy` has nothing to warn of in the environment that docker-compose.yml gives the hub."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.house.stack import ANSWERS, OPEN_ANSWERS, SECRETS, STACK, stack
from tests.services import ROOT

SECRET_FILES = {
    "database_url": "DATABASE_URL",
    "s3_secret_key": "S3_SECRET_KEY",
    "secret_key": "MEMORYHUB_SECRET_KEY",
    "token_key": "MEMORYHUB_TOKEN_KEY",
    "secrets_key": "MEMORYHUB_SECRETS_KEY",
}
MESSAGE_ID = re.compile(r"\(([a-z_]+\.[EWIC][0-9]+)\)")

pytestmark = pytest.mark.slow


def checked(environment: dict[str, str], bucket: Bucket, directory: Path) -> "subprocess.CompletedProcess[str]":
    """`manage.py check --deploy` for the web service of the stack, on the stores of the test."""
    secrets = directory / "secrets"
    secrets.mkdir()
    for name, variable in SECRET_FILES.items():
        (secrets / name).write_text({**ANSWERS, **os.environ}[variable] + "\n")
    here = {
        "REDIS_URL": os.environ["REDIS_URL"],
        "S3_ENDPOINT_URL": bucket.endpoint_url,
        "S3_BUCKET": bucket.name,
        "MEMORYHUB_DATA": str(directory),
        "MEMORYHUB_ENV_FILE": "none",
        "PATH": os.environ["PATH"],
    }
    if environment["DATABASE_URL"]:
        here["DATABASE_URL"] = os.environ["DATABASE_URL"]
    given = {name: value.replace("/run/secrets", str(secrets)) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env={**given, **here},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("files", "answers"), [((STACK,), ANSWERS), ((STACK, SECRETS), OPEN_ANSWERS)], ids=["from .env", "from files"]
)
def test_the_stack_is_fit_for_an_open_network(
    files: tuple[str, ...], answers: dict[str, str], s3_server: Bucket, tmp_path: Path
) -> None:
    environment = stack(*files, variables=answers)["services"]["web"]["environment"]

    done = checked(environment, s3_server, tmp_path)

    assert done.returncode == 0, done.stderr
    # Which says what kind of bucket it is.
    assert MESSAGE_ID.findall(done.stdout + done.stderr) == ["memoryhub.I001"]


def test_a_stack_that_was_opened_to_plain_http_is_not(s3_server: Bucket, tmp_path: Path) -> None:
    answers = {**ANSWERS, "MEMORYHUB_HTTPS_REQUIRED": "false", "MEMORYHUB_ALLOWED_HOSTS": "*"}

    done = checked(stack(STACK, variables=answers)["services"]["web"]["environment"], s3_server, tmp_path)

    assert done.returncode == 1
    assert sorted(MESSAGE_ID.findall(done.stderr)) == ["memoryhub.I001", "memoryhub.W001", "memoryhub.W002"]
