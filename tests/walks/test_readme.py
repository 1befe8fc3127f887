"""The README's first steps, as they stand there, against a hub that has just been started for the first time."""

import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import services
from tests.live import LiveHub, LiveWorkspace

pytestmark = pytest.mark.system

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOST_IN_README = "http://127.0.0.1:8000"
TOKEN_IN_README = "$(./hub token issue default)"
# curl's own settings file makes it tell status and version, so that the commands stay as they are.
CURL_SETTINGS = 'silent\nshow-error\nnoproxy = "*"\nwrite-out = "\\n[%{http_code} %header{etag}]\\n"\n'
ANSWER = re.compile(r"(.*?)\n\[(\d{3}) (.*?)\]\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command was answered. `body` is without the headers that `curl -i` shows."""

    status: int
    etag: str
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def first_steps() -> str:
    """The shell commands of the README that talk to a running hub, in order."""
    blocks = BLOCK.findall((services.ROOT / "README.md").read_text())
    return "\n".join(block for block in blocks if "curl" in block)


def answers_in(output: str) -> list[Answer]:
    return [
        Answer(int(status), etag, re.sub(r"\AHTTP/1\.1 .*?\n\n", "", shown, flags=re.DOTALL))
        for shown, status, etag in ANSWER.findall(output)
    ]


@pytest.fixture
def default(service_addresses: dict[str, str], tmp_path: Path) -> Iterator[LiveWorkspace]:
    """The workspace that the first start has made, and an editor's token as `token issue` prints it."""
    settings = services.hub_settings(service_addresses, redis_database=0)
    settings["DATABASE_URL"] = services.create_database(service_addresses, "readme")
    with LiveHub(tmp_path / "hub", settings) as hub:
        yield LiveWorkspace(hub.url, "default", hub.command("token", "issue", "default").stdout.strip())


def test_the_first_steps_do_what_the_readme_says(default: LiveWorkspace) -> None:
    script = first_steps()
    assert HOST_IN_README in script and TOKEN_IN_README in script
    script = script.replace(HOST_IN_README, default.hub_url).replace(TOKEN_IN_README, default.token)

    with tempfile.TemporaryDirectory() as home:
        (Path(home) / ".curlrc").write_text(CURL_SETTINGS)
        environment = {"CURL_HOME": home, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            ["sh", "-euc", script], check=False, env=environment, capture_output=True, text=True, timeout=60
        )

    assert (done.returncode, done.stderr) == (0, "")
    answers = answers_in(done.stdout)
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 412, 200, 200, 200, 200, 201, 200, 200]
    written, read, history, changed, refused, deleted, old, index, changes, proxy_put, proxy_get, sync = answers
    assert (written.etag, written.json()["version"]) == ('"1"', 1)
    assert (read.etag, read.body) == ('"1"', "Ada prefers tea.")
    assert [item["version"] for item in history.json()["items"]] == [1]
    assert changed.etag == '"2"'
    coffee = hashlib.sha256(b"Ada prefers coffee.").hexdigest()
    assert refused.json()["code"] == "precondition_failed"
    assert (refused.json()["version"], refused.json()["sha256"]) == (2, coffee)
    assert (deleted.json()["version"], deleted.json()["is_deleted"]) == (3, True)
    assert old.body == "Ada prefers tea."
    assert (index.json()["sequence"], len(index.json()["files"])) == (3, 1)
    assert [(item["path"], item["version"], item["is_deleted"]) for item in changes.json()["items"]] == [
        ("people/ada.md", 3, True)
    ]
    assert (proxy_put.body, proxy_get.body) == ("", "Hello, World!")
    entries = {path: entry["is_deleted"] for path, entry in sync.json()["files"].items()}
    assert entries == {"people/ada.md": True, "test.txt": False}
