"""What the image does, without an engine: its program in a container's surroundings, with the packages of the image.

The surroundings are those of the Dockerfile and of docker-compose.yml: their environment and nothing else, a user
without a name, a volume that belongs to another one of the group 0.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from memoryhub.embedded import accounts
from memoryhub.embedded.accounts import Account
from memoryhub.embedded.processes import Child
from tests import services
from tests.conftest import Bucket
from tests.embedded.marks import as_root
from tests.house.stack import ANSWERS, STACK, stack
from tests.system.newcomers import LOGIN_PATH
from tests.system.processes import wait_until_gone

pytestmark = pytest.mark.system

OWNER_OF_THE_VOLUME, NAMELESS = 10001, 54321
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
SCRIPT = "docker-entrypoint.sh"
NOBODY_LISTENS = "http://127.0.0.1:9"


class Image:
    """The programs of the image and its environment; `container` runs them."""

    def __init__(self, program: Path, place: Path) -> None:
        self.place = place
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        temporary = place / "tmp"
        temporary.mkdir()
        temporary.chmod(0o1777)
        shutil.copy(services.ROOT / SCRIPT, program.parent)
        self.environment = {
            "PATH": f"{program.parent}:{LOGIN_PATH}",
            "HOME": "/home/memoryhub",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "memoryhub.settings",
            "MEMORYHUB_ENV_FILE": "none",
            "MEMORYHUB_DATA": str(place / "data" / "hub"),
            "TMPDIR": str(temporary),
            "PORT": str(self.port),
        }

    def run(
        self, *words: str, account: Account | None = None, environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end, in a new container or in one that runs: they share the volume."""
        return subprocess.run(
            words,
            env={**self.environment, **(environment or {})},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT_S,
            **(account or accounts.current()).popen_arguments(),
        )

    @contextmanager
    def container(
        self, *words: str, account: Account | None = None, environment: Mapping[str, str] | None = None
    ) -> Iterator[Child]:
        """The entrypoint with these words, killed at the end of the block if it still runs then."""
        number = len(list(self.place.glob("output-*")))
        child = Child(
            " ".join(words) or "web",
            [SCRIPT, *words],
            environment={**self.environment, **(environment or {})},
            account=account or accounts.current(),
            log=self.place / f"output-{number}.txt",
        )
        try:
            yield child
        finally:
            child.stop(grace_s=0)

    def said(self, number: int) -> str:
        return (self.place / f"output-{number}.txt").read_text(errors="replace")

    def _all_said(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.place.glob("output-*")))

    def wait_until_healthy(self, child: Child, account: Account | None, environment: Mapping[str, str]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.run(SCRIPT, "healthy", account=account, environment=environment).returncode != 0:
            assert child.exit_code is None and time.monotonic() < deadline, self._all_said()
            time.sleep(0.5)


def stopped(child: Child) -> int | None:
    """The exit code after a SIGTERM, as an engine sends it; None when it did not end."""
    os.kill(child.pid, signal.SIGTERM)
    child.wait(STOP_TIMEOUT_S)
    return child.exit_code


@pytest.fixture
def image(installed_wheel: Path, hub_place: Path) -> Image:
    return Image(installed_wheel, hub_place)


@as_root
def test_without_a_database_it_is_a_whole_hub_that_finds_its_data_again(image: Image) -> None:
    volume = image.place / "data"
    volume.mkdir()
    os.chown(volume, OWNER_OF_THE_VOLUME, 0)
    volume.chmod(0o770)
    user = Account(str(NAMELESS), NAMELESS, 0, switches=True)
    note = f"{image.url}/api/v1/workspaces/default/files/a.md"
    # Engines hand on the proxy of their machine, which does not lead to the container itself.
    image.environment["http_proxy"] = NOBODY_LISTENS

    with image.container(account=user) as container:
        services.wait_for_output(
            image.place / "output-0.txt", "Stop       Ctrl-C", container, timeout_s=START_TIMEOUT_S
        )
        health = image.run(SCRIPT, "healthy", account=user)
        token = image.run("memoryhub", "token", "issue", "default", account=user)
        with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token.stdout.strip()}"}) as client:
            written = client.put(note, content=b"kept", headers={"If-None-Match": "*"})
        first_exit, left = stopped(container), wait_until_gone(volume, timeout_s=5)
    sick = image.run(SCRIPT, "healthy", account=user)
    with image.container("web", account=user) as container:
        image.wait_until_healthy(container, user, {})
        with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token.stdout.strip()}"}) as client:
            read = client.get(note)
        second_exit = stopped(container)

    assert re.search(r"^Made the administrator admin with the password \S{20}$", image.said(0), re.MULTILINE)
    assert (health.returncode, health.stdout[:3], sick.returncode) == (0, "200", 1)
    assert (written.status_code, read.content) == (201, b"kept")
    assert "administrator" not in image.said(1)
    assert (first_exit, left, second_exit) == (0, {}, 0)
    assert {path.stat().st_uid for path in volume.rglob("*")} == {NAMELESS}


@pytest.fixture
def stack_environment(
    image: Image, service_addresses: dict[str, str], s3_server: Bucket
) -> Mapping[str, dict[str, str]]:
    """The environment of each service of docker-compose.yml, but for the addresses of the stores and the volume."""
    database = services.create_database(service_addresses, f"image_{os.getpid()}_{time.monotonic_ns()}")
    here = {
        "DATABASE_URL": database,
        "REDIS_URL": os.environ["REDIS_URL"],
        "S3_ENDPOINT_URL": s3_server.endpoint_url,
        "S3_BUCKET": f"{s3_server.name}-made",
        "TRUSTED_PROXIES": "127.0.0.1",
        "TMPDIR": image.environment["TMPDIR"],
    }
    environments = {}
    for name, service in stack(STACK, variables=ANSWERS)["services"].items():
        if service["image"] == "memoryhub:core":
            environments[name] = {**service["environment"], **here}
            if "MEMORYHUB_PULSE_FILE" in environments[name]:
                environments[name]["MEMORYHUB_PULSE_FILE"] = str(image.place / f"pulse-{name}")
    return environments


def test_with_services_of_its_own_each_part_gets_well_and_stops_when_told(
    image: Image, stack_environment: Mapping[str, dict[str, str]]
) -> None:
    given = stack_environment
    bucket = image.run(SCRIPT, "python", "-m", "django", "make_bucket", environment=given["bucket"])
    migrated = image.run(SCRIPT, "migrate", environment=given["migrate"])
    made = image.run("memoryhub", "workspace", "create", "default", environment=given["web"])
    token = image.run("memoryhub", "token", "issue", "default", environment=given["web"])
    headers = {"Authorization": f"Bearer {token.stdout.strip()}", "If-None-Match": "*", "Host": "hub.example.org"}
    note = f"{image.url}/api/v1/workspaces/default/files/a.md"

    with (
        image.container("web", environment=given["web"]) as web,
        image.container("worker", environment=given["worker"]) as worker,
        image.container("beat", environment=given["beat"]) as beat,
    ):
        parts = {"web": web, "worker": worker, "beat": beat}
        for name, part in parts.items():
            image.wait_until_healthy(part, None, given[name])
        with httpx.Client(trust_env=False, headers=headers) as client:
            plain = client.put(note, content=b"one")
            by_proxy = client.put(note, content=b"one", headers={"X-Forwarded-Proto": "https"})
        exits = {name: stopped(part) for name, part in parts.items()}

    assert (bucket.returncode, bucket.stdout) == (0, f"Made the bucket {given['web']['S3_BUCKET']}.\n"), bucket.stderr
    assert (migrated.returncode, made.returncode) == (0, 0), migrated.stderr
    assert (plain.status_code, plain.json()["code"]) == (403, "https_required")
    assert by_proxy.status_code == 201
    assert by_proxy.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert exits == {"web": 0, "worker": 0, "beat": 0}


def test_a_stack_without_a_key_stops_before_it_changes_the_database(
    image: Image, stack_environment: Mapping[str, dict[str, str]]
) -> None:
    without = {**stack_environment["migrate"], "MEMORYHUB_TOKEN_KEY": ""}

    refused = image.run(SCRIPT, "migrate", environment=without)
    after = image.run("python", "-m", "django", "showmigrations", "files", environment=stack_environment["migrate"])

    assert refused.returncode == 1
    assert refused.stderr.startswith("Set MEMORYHUB_TOKEN_KEY (or MEMORYHUB_TOKEN_KEY_FILE) before starting a server:")
    assert "[X]" not in after.stdout
    assert "[ ] 0001" in after.stdout
