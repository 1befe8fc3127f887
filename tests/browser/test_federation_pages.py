"""Federation in a real browser: every page in every look, every button once."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.looks import LOOKS, assert_without_fault
from tests.browser.test_snapshot_pages import follow, press
from tests.browser.watching import Watch
from tests.live import LiveHub

pytestmark = pytest.mark.browser

SLUG = "federated"
SCOPES = ["federation:push", "federation:pull"]
HOSTILE = ["<script>alert(1)</script>", "\u202egnp.exe", "w" * 500, "\u200f"]
TOPICS = ["semantic", "episodic", "procedural", "people", "places", "projects", "recipes", "travel", "music"]


def push(client: httpx.Client, name: str, topics: dict[str, int], labels: list[str], at: str = "") -> None:
    summary: dict[str, Any] = {"agent_id": name, "topic_counts": topics, "fact_hashes": labels}
    summary["timestamp"] = at or datetime.now(UTC).isoformat()
    client.post("/push", json={"summary": summary}).raise_for_status()


@pytest.fixture(scope="module")
def hub(live_hub: LiveHub) -> str:
    """A hub with a workspace in which these pages have something to show, and with one where they have nothing."""
    live_hub.workspace("unfederated")
    workspace = live_hub.workspace(SLUG, scopes=SCOPES)
    headers = {"Authorization": f"Bearer {workspace.token}"}
    coordinator = f"{live_hub.url}/w/{SLUG}/coordinator"
    with httpx.Client(base_url=coordinator, headers=headers, timeout=60, trust_env=False) as client:
        for number in range(6):
            counts = {topic: 3 + 7 * place + number for place, topic in enumerate(TOPICS[number % 3 :])}
            push(client, f"agent-{number:016x}", counts, ["untitled", f"label {number}", f"{number:064x}"])
        client.get("/pull").raise_for_status()
        wrong = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
        push(client, "hostile " + HOSTILE[0], dict.fromkeys(HOSTILE, 2**62), HOSTILE, at=wrong)
        push(client, "", {"semantic": 40}, [])
        push(client, "x" * 200, {"semantic": -2}, [])
        client.get("/pull").raise_for_status()
    return live_hub.url


def address(hub: str, page: str, **parameters: object) -> str:
    return f"{hub}/admin/federation/{page}?{urlencode({'workspace': SLUG} | parameters)}"


def add_peer(page: Page, hub: str, name: str) -> None:
    page.goto(address(hub, "peer/new/"), wait_until="networkidle")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Address").fill("http://peer.invalid/coordinator/t/secret")
    page.get_by_label("Schedule", exact=True).fill("@monthly")
    press(page, "Add the peer")
    expect(page.get_by_text(f"{name} is known now.")).to_be_visible()


def pages(page: Page, hub: str) -> dict[str, str]:
    """Every page of federation, by a name for its picture."""
    page.goto(address(hub, "agent/", name="hostile"), wait_until="networkidle")
    hostile = page.locator(".hub-two a").get_attribute("href")
    assert hostile is not None
    agent = hostile.partition("&id=")[2]
    return {
        "choose": f"{hub}/admin/federation/agent/",
        "agents": address(hub, "agent/"),
        "agents-about": address(hub, "agent/", topic=HOSTILE[2]),
        "no-such-agent": address(hub, "agent/", name="nobody"),
        "no-agents": address(hub, "agent/", workspace="unfederated"),
        "agent": address(hub, "agent/page/", id=agent),
        "withdraw": address(hub, "agent/withdraw/", id=agent),
        "over-time": address(hub, "agent/topics/", days=7),
        "over-months": address(hub, "agent/topics/", days=90),
        "no-topics": address(hub, "agent/topics/", workspace="unfederated"),
        "pulls": address(hub, "pull/"),
        "no-pulls": address(hub, "pull/", workspace="unfederated"),
        "peers": address(hub, "peer/"),
        "no-peers": address(hub, "peer/", workspace="unfederated"),
        "peer": address(hub, "peer/page/", name="shown"),
        "peer-new": address(hub, "peer/new/"),
        "peer-change": address(hub, "peer/change/", name="shown"),
        "peer-remove": address(hub, "peer/remove/", name="shown"),
        "settings": address(hub, "federation/"),
        "reset": address(hub, "federation/reset/"),
    }


@pytest.fixture(scope="module")
def peers() -> set[str]:
    """Those that are there already."""
    return set()


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_about_federation_is_without_a_fault(
    signed_in: Page, watch: Watch, hub: str, peers: set[str], pictures: Path, look: str
) -> None:
    if "shown" not in peers:
        add_peer(signed_in, hub, "shown")
        peers.add("shown")
    named = {f"federation-{name}": url for name, url in pages(signed_in, hub).items()}
    assert_without_fault(signed_in, watch, named, look, pictures)


def test_an_agent_is_found_looked_at_and_withdrawn(
    signed_in: Page, watch: Watch, console: Console, hub: str, live_hub: LiveHub
) -> None:
    workspace = live_hub.workspace("parting", scopes=SCOPES)
    headers = {"Authorization": f"Bearer {workspace.token}"}
    coordinator = f"{hub}/w/parting/coordinator"
    with httpx.Client(base_url=coordinator, headers=headers, timeout=60, trust_env=False) as client:
        push(client, "stays", {"semantic": 1}, [])
        push(client, "goes", {"semantic": 1, "secret plans": 4}, ["untitled"])

        watch.visit(f"{console.url}/admin/workspaces/workspace/?q=parting")
        signed_in.get_by_role("link", name=re.compile("^parting")).click()
        signed_in.get_by_label("Of this workspace").get_by_role("link", name="Federation").click()
        expect(signed_in.get_by_text("1 label tells in clear what it is about")).to_be_visible()
        follow(signed_in, "secret plans")
        follow(signed_in, "goes")
        expect(signed_in.get_by_role("heading", name="goes", exact=True)).to_be_visible()
        follow(signed_in, "Withdraw")
        press(signed_in, "Withdraw the agent")

        expect(signed_in.get_by_text("Withdrawn, with all that it ever pushed: goes")).to_be_visible()
        expect(signed_in.get_by_role("link", name="stays")).to_be_visible()
        assert client.get("/pull").json()["merged_topic_counts"] == {"semantic": 1}
    assert watch.faults == []


def test_settings_are_saved_and_refused_at_their_fields(signed_in: Page, watch: Watch, hub: str) -> None:
    watch.visit(address(hub, "federation/", workspace="unfederated"))
    signed_in.get_by_label("Of each agent counts").select_option("sum")
    signed_in.get_by_label("Hash labels").check()
    press(signed_in, "Save the settings")
    expect(signed_in.get_by_text("The federation of unfederated is set.")).to_be_visible()
    expect(signed_in.get_by_label("Hash labels")).to_be_checked()

    signed_in.get_by_label("Epsilon").fill("0")
    press(signed_in, "Save the settings")
    expect(signed_in.get_by_text("From 0.000001 to 1, or null")).to_be_visible()
    assert watch.faults == []


def test_a_peer_is_added_exchanged_with_changed_and_removed(signed_in: Page, watch: Watch, hub: str) -> None:
    add_peer(signed_in, hub, "passing")
    press(signed_in, "Exchange now")
    expect(signed_in.get_by_role("heading", name="Exchanging with passing")).to_be_visible()

    follow(signed_in, "Change")
    expect(signed_in.get_by_label("Address")).to_have_value("")
    press(signed_in, "Save the peer")
    expect(signed_in.get_by_text("passing is changed.")).to_be_visible()
    follow(signed_in, "Remove")
    press(signed_in, "Remove the peer")
    expect(signed_in.get_by_text("passing is removed.")).to_be_visible()
    assert watch.faults == []
