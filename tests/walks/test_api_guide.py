"""The examples of docs/api.md, as they stand there, against a live hub."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.live import LiveHub, LiveWorkspace

pytestmark = pytest.mark.system

GUIDE = services.ROOT / "docs/api.md"
HOST_IN_GUIDE = "http://127.0.0.1:8000"
TOKEN_IN_GUIDE = "$(memoryhub token issue default)"
ADMIN_IN_GUIDE = "$(memoryhub token issue default --scope workspace:admin)"
SNAPSHOTS_IN_GUIDE = (
    "$(memoryhub token issue default --scope snapshots:write --scope snapshots:read --scope restores:write)"
)


def blocks(language: str) -> list[str]:
    """What stands in the guide's fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def hub(service_addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    settings = services.hub_settings(service_addresses, redis_database=0)
    settings["DATABASE_URL"] = services.create_database(service_addresses, "api_guide")
    with LiveHub(tmp_path_factory.mktemp("guide") / "hub", settings) as running:
        yield running


def test_the_shell_commands_are_answered_as_the_guide_says(hub: LiveHub, tmp_path: Path) -> None:
    script = "\n".join(blocks("sh"))
    snapshot_scopes = ["snapshots:write", "snapshots:read", "restores:write"]
    for words, text in [
        (ADMIN_IN_GUIDE, hub.workspace("default", scopes=["workspace:admin"]).token),
        (SNAPSHOTS_IN_GUIDE, hub.workspace("default", scopes=snapshot_scopes).token),
        (TOKEN_IN_GUIDE, hub.workspace("default").token),
        (HOST_IN_GUIDE, hub.url),
    ]:
        assert words in script
        script = script.replace(words, text)
    (tmp_path / ".curlrc").write_text('silent\nshow-error\nnoproxy = "*"\nwrite-out = "\\n[%{http_code}]\\n"\n')

    done = subprocess.run(
        ["sh", "-euc", script],
        check=False,
        env={"CURL_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    answers = re.findall(r"(.*?)\n\[(\d{3})\]\n", done.stdout, re.DOTALL)
    statuses = "200 201 200 200 200 200 201 200 200 201 200 200 200"
    assert " ".join(status for _, status in answers) == statuses
    _me, _first, _second, old, copied, reverted, snapshot, differences, restored, pushed, topics, history, options = [
        body for body, _ in answers
    ]
    assert old == "Ada prefers tea."
    assert ('"version": 3' in copied, '"version": 4' in reverted) == (True, True)
    assert ('"name":"before-the-move"' in snapshot, differences) == (True, '{"items":[],"next_cursor":null}')
    assert restored == '{"put":0,"deleted":0,"safety_snapshot":null}'
    assert '"is_new":true' in pushed
    assert topics == '{"items":[{"topic":"cooking","count":12,"agents":1}],"next_cursor":null}'
    assert re.findall(r'"version": (\d+)', history) == ["4", "2"]
    assert ('"history_days":365' in options, '"quota_files":100000' in options) == (True, True)


def test_the_program_prints_what_the_guide_says(hub: LiveHub) -> None:
    [program], [printed] = blocks("python"), blocks("text")
    workspace: LiveWorkspace = hub.workspace()

    # Isolated, so that nothing but the standard library can be imported.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        check=False,
        env={"HUB": workspace.url, "TOKEN": workspace.token, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.rstrip() for line in done.stdout.splitlines()] == printed.splitlines()
