"""The stock client of agmem, from the package index, in an environment of its own, against a hub that is restarted."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import services
from tests.live import LiveHub
from tests.waiting import wait_until

pytestmark = pytest.mark.system

RELEASE = "agmem[coordinator]==0.3.0"
NOTES = {"semantic/user.md": "# User prefs\n\nTea.\n", "semantic/x.md": "---\ntags: [secret-x]\n---\nX\n"}


@pytest.fixture(scope="module")
def agmem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's own program."""
    place = tmp_path_factory.mktemp("agmem")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([place / "bin/python", "-m", "pip", "install", "--quiet", RELEASE], check=True)
    return place / "bin/agmem"


@contextmanager
def stock_coordinator(agmem: Path, log: Path) -> Iterator[str]:
    """The original server, from the same environment. Its address."""
    port = services.free_port()
    arguments = ["-m", "uvicorn", "memvcs.coordinator.server:app", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen([agmem.parent / "python", *arguments], stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: b"startup complete" in log.read_bytes())
        yield url
    finally:
        process.terminate()
        process.wait(10)


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
    settings["DATABASE_URL"] = services.create_database(service_addresses, f"agmem_{uuid.uuid4().hex[:12]}")
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


def test_a_hub_exchanges_with_a_stock_coordinator_and_with_another_hub(
    agmem: Path, settings_of_hub: dict[str, str], tmp_path: Path
) -> None:
    allowed = settings_of_hub | {"MEMORYHUB_OUTBOUND_ALLOW": "127.0.0.1"}
    with stock_coordinator(agmem, tmp_path / "stock.txt") as stock, LiveHub(tmp_path / "hub", allowed) as hub:
        mine = hub.workspace("mine")
        with mine.client() as client:
            for path in ("notes/tea.md", "notes/coffee.md", "work/plan.md"):
                assert client.put(f"/files/{path}", content=b"x", headers={"If-None-Match": "*"}).status_code == 201
        hub.workspace("notes")
        token = hub.command("token", "issue", "notes", "--path").stdout.strip()
        own = f"http://127.0.0.1:{settings_of_hub['AGMEM_COORDINATOR_PORT']}"
        agent_of_stock = Repository(agmem, tmp_path / "agent")
        agent_of_stock.write({"episodic/day.md": "# Day two\n"}, stock)
        assert agent_of_stock.pushed()[0] == 0
        for name, url in (("stock", stock), ("other", f"{own}/t/{token}")):
            assert hub.command("federation", "peer", "add", "mine", name, url, "--schedule", "every 1h").returncode == 0

        for name in ("stock", "other"):
            hub.command("federation", "peer", "exchange", "mine", name)
        seen = wait_until(lambda: answers_of(hub, ("stock", "other")))

        assert seen["stock"]["merged_topic_counts"] == {"episodic": 1, "notes": 2, "semantic": 0, "work": 1}
        assert seen["stock"]["contributing_agents"] == 2
        assert seen["other"]["merged_topic_counts"] == {"notes": 2, "work": 1}
        (agent,) = json.loads(hub.command("federation", "agents", "notes", "--json").stdout)
        assert agent["agent_id"].startswith("hub-")
        assert token not in hub.said()


def answers_of(hub: LiveHub, names: tuple[str, ...]) -> dict[str, Any] | None:
    """The views that all of the peers gave; None while one has given none."""
    views = {name: json.loads(hub.command("federation", "peer", "show", "mine", name).stdout)["view"] for name in names}
    return views if all(views.values()) else None
