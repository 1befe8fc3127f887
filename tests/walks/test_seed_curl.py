"""The commands of the memory proxy's first document, as they stand there, against a hub that serves it at its root."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.live import LiveHub, LiveWorkspace

pytestmark = pytest.mark.system

COMMANDS = """
   # Health check (no auth required)
   curl http://localhost:8000/health
   
   # Write file
   curl -X PUT http://localhost:8000/blob/test.txt \\
     -H "Authorization: Bearer YOUR_TOKEN" \\
     -H "Content-MD5: new" \\
     -d "Hello, World!"
   
   # Read file
   curl http://localhost:8000/blob/test.txt \\
     -H "Authorization: Bearer YOUR_TOKEN"
   
   # Get sync index
   curl http://localhost:8000/sync \\
     -H "Authorization: Bearer YOUR_TOKEN"
"""  # noqa: W293 - verbatim
SLUG = "memories"
AFTER_EACH = "\\n[%{http_code}]\\n"


@pytest.fixture
def workspace(service_addresses: dict[str, str], tmp_path: Path) -> Iterator[LiveWorkspace]:
    settings = services.hub_settings(service_addresses, redis_database=0)
    settings["DATABASE_URL"] = services.create_database(service_addresses, "seed_curl")
    settings["ROOT_DIALECT"] = f"memory-proxy:{SLUG}"
    with LiveHub(tmp_path / "hub", settings) as hub:
        yield hub.workspace(SLUG)


def test_the_seeds_commands_work_with_only_token_and_host_changed(workspace: LiveWorkspace, tmp_path: Path) -> None:
    # curl's own settings file makes it tell the statuses, so that the commands stay as they are.
    (tmp_path / ".curlrc").write_text(f'silent\nshow-error\nnoproxy = "*"\nwrite-out = "{AFTER_EACH}"\n')
    script = COMMANDS.replace("http://localhost:8000", workspace.hub_url).replace("YOUR_TOKEN", workspace.token)

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
    assert [status for _, status in answers] == ["200", "201", "200", "200"]
    health, written, read, index = [body for body, _ in answers]
    assert json.loads(health)["status"] == "ok"
    assert (written, read) == ("", "Hello, World!")
    entry = json.loads(index)["files"]["test.txt"]
    assert (entry["md5"], entry["size"], entry["is_deleted"]) == ("65a8e27d8879283831b664bd8b7f0ad4", 13, False)
