"""The stock client of agmem, from the package index, in an environment of its own, against a hub that is restarted."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests import services
from tests.live import LiveHub
from tests.waiting import wait_until

pytestmark = pytest.mark.system

RELEASE = "agmem==0.3.0"
NOTES = {"semantic/user.md": "# User prefs\n\nTea.\n", "semantic/x.md": "---\ntags: [secret-x]\n---\nX\n"}


@pytest.fixture(scope="module")
def agmem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's own program."""
    place = tmp_path_factory.mktemp("agmem")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([place / "bin/python", "-m", "pip", "install", "--quiet", RELEASE], check=True)
    return place / "bin/agmem"


class Repository:
    """An agent's repository with its `.agmemrc`."""

    def __init__(self, program: Path, place: Path) -> None:
        self.program = program
        self.place = place
        place.mkdir()
        self.typed("init")

    def typed(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "HOME": str(self.place.parent)}
        return subprocess.run(
            [self.program, *arguments], cwd=self.place, env=environment, capture_output=True, text=True, check=False
        )

    def write(self, notes: dict[str, str], address: str) -> None:
        for path, text in notes.items():
            file = self.place / "current" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (self.place / ".agmemrc").write_text(json.dumps({"federated": {"enabled": True, "coordinator_url": address}}))

    def pushed(self) -> tuple[int, str]:
        done = self.typed("federated", "push")
        return done.returncode, done.stdout

    def pulled(self) -> dict[str, str]:
        """What the client prints, line by line."""
        done = self.typed("federated", "pull")
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(line.strip().split(": ", 1) for line in done.stdout.splitlines()[1:])


@pytest.fixture
def settings_of_hub(service_addresses: dict[str, str]) -> dict[str, str]:
    """The same for both runs of the hub, its database too."""
    settings = services.hub_settings(service_addresses, redis_database=0)
    settings["DATABASE_URL"] = services.create_database(service_addresses, f"agmem_{os.getpid()}")
    return settings | {"AGMEM_COORDINATOR_PORT": str(services.free_port()), "AGMEM_COORDINATOR_WORKSPACE": "notes"}


def test_the_stock_client_pushes_and_pulls_and_a_restart_loses_nothing(
    agmem: Path, settings_of_hub: dict[str, str], tmp_path: Path
) -> None:
    with LiveHub(tmp_path / "hub", settings_of_hub) as hub:
        hub.workspace("notes")
        token = hub.command("token", "issue", "notes", "--path").stdout.strip()
        assert token.startswith("mhp_")
        address = f"/w/notes/coordinator/t/{token}"
        own = f"http://127.0.0.1:{settings_of_hub['AGMEM_COORDINATOR_PORT']}"
        first, second = Repository(agmem, tmp_path / "first"), Repository(agmem, tmp_path / "second")
        first.write(NOTES, hub.url + address)
        second.write({"episodic/day.md": "# Day two\n"}, f"{own}/t/{token}")

        assert first.pushed() == (0, "Pushed updates to coordinator\n")
        assert second.pushed() == (0, "Pushed updates to coordinator\n")
        # Once more: a sum of all pushes would be 4.
        assert first.pushed()[0] == 0
        pulled = first.pulled()

        assert pulled["merged_topic_counts"] == "{'episodic': 1, 'semantic': 2}"
        assert pulled["unique_fact_hashes"] == "['Day two', 'User prefs', 'secret-x']"
        assert pulled["contributing_agents"] == "2"
        agents = json.loads(hub.command("federation", "agents", "notes", "--json").stdout)
        assert [agent["pushes"] for agent in agents] == [2, 1]
        with httpx.Client(base_url=own, trust_env=False) as browser:
            assert browser.get("/").json()["service"] == browser.get("/openapi.json").json()["info"]["title"]
            assert browser.get("/admin/").status_code == 404
            files = re.findall(r'(?:src|href)="([^"]+)"', browser.get("/docs").text + browser.get("/redoc").text)
            assert {browser.get(file).status_code for file in files} == {200}

        os.kill(hub.pids()["coordinator"], signal.SIGKILL)
        wait_until(lambda: "coordinator ended (by SIGKILL); starting it again." in hub.said())
        wait_until(lambda: second.typed("federated", "pull").returncode == 0)
        assert f"Agents     {own}  (coordinator of notes)" in hub.said()
        assert token not in hub.said()
        assert hub.stop() == 0

    with LiveHub(tmp_path / "hub", settings_of_hub) as again:
        for repository in (first, second):
            repository.write({}, again.url + address)
        assert wait_until(first.pulled) == pulled

        again.command("federation", "withdraw", "notes", agents[0]["id"])
        assert second.pulled()["merged_topic_counts"] == "{'episodic': 1, 'semantic': 0}"
        first.write({}, again.url + f"/w/notes/coordinator/t/{token[:-1]}x")
        code, said = first.pushed()
        assert (code, "401" in said) == (1, True)
        assert token not in again.said()
