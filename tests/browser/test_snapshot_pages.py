"""Snapshots, copies, restores, policies and targets in a real browser: every page in every look, every button once."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.looks import LOOKS, assert_without_fault
from tests.browser.watching import Watch
from tests.live import LiveHub, LiveWorkspace

pytestmark = pytest.mark.browser

SLUG = "photographed"
SCOPES = [
    *("files:read", "files:write", "snapshots:read", "snapshots:write", "restores:read", "restores:write"),
    "workspace:admin",
]
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A workspace, a restore into it that is done, and the directory of its target."""

    workspace: LiveWorkspace
    restore: str
    directory: Path

    @property
    def hub(self) -> str:
        return self.workspace.hub_url


def wait_for(condition: Callable[[], bool]) -> None:
    until = monotonic() + TIMEOUT_S
    while not condition():
        assert monotonic() < until
        sleep(0.1)


def put(client: httpx.Client, path: str, text: str) -> None:
    client.put(f"/files/{path}?overwrite=true", content=text.encode()).raise_for_status()


def uploaded(client: httpx.Client, name: str) -> None:
    copies = "/targets/offsite/copies"
    client.post("/snapshots", json={"name": name, "message": f"the {name} state"}).raise_for_status()
    client.post(copies, json={"snapshot": name}).raise_for_status()
    wait_for(lambda: client.get(f"{copies}/{name}").json()["state"] == "sealed")


@pytest.fixture(scope="module")
def stored(live_hub: LiveHub, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A workspace with a row of everything that these pages show."""
    directory = tmp_path_factory.mktemp("targets") / "offsite"
    live_hub.command("target", "add", "offsite", "--kind", "directory", "--path", str(directory))
    key = directory.with_name("key")
    key.write_text("secret")
    away = ["--bucket", "memories", "--endpoint", "http://127.0.0.1:9", "--access-key", "x", "--secret-key-file", key]
    live_hub.command("target", "add", "away", *map(str, away))
    live_hub.command("target", "test", "offsite")
    other = live_hub.workspace("another-hub", scopes=SCOPES)
    with other.client() as client:
        put(client, "theirs.md", "of another hub")
        uploaded(client, "of-another-hub")
    workspace = live_hub.workspace(SLUG, scopes=SCOPES)
    with workspace.client() as client:
        for number in range(30):
            put(client, f"notes/{number:02}.md", f"# Note {number}\n\nA fine day.\n")
        uploaded(client, "first")
        uploaded(client, "worn")
        put(client, "notes/01.md", "# Note 1\n\nA grand day.\n")
        put(client, "journal/today.md", "new")
        client.delete("/files/notes/02.md?overwrite=true").raise_for_status()
        client.post("/snapshots", json={"name": "second", "tags": ["layout", "kept"]}).raise_for_status()
        client.patch("/snapshots/second", json={"is_pinned": True}).raise_for_status()
        wish = {"confirm": True, "prefix": "journal", "delete": True, "message": "tried"}
        made = client.post("/targets/offsite/copies/first/restore", json=wish).raise_for_status().json()
        wait_for(lambda: client.get(f"/restores/{made['id']}").json()["state"] == "done")
        client.patch("/snapshot-policy", json={"target": "offsite", "alarm_after_hours": 24}).raise_for_status()
        client.post("/targets/away/copies", json={"snapshot": "second"}).raise_for_status()
        (directory / "another-hub" / "of-another-hub").rename(directory / SLUG / "of-another-hub")
        (directory / SLUG / "worn" / "manifest.mhs").unlink()
        client.get("/targets/offsite/copies?refresh=true").raise_for_status()
    return Stored(workspace, made["id"], directory)


def address(hub: str, page: str, **parameters: object) -> str:
    return f"{hub}/admin/snapshots/{page}?{urlencode(parameters)}"


def pages(stored: Stored) -> dict[str, str]:
    """Every page about snapshots, by a name for its picture."""

    def here(page: str, **parameters: object) -> str:
        return address(stored.hub, page, **{"workspace": SLUG} | parameters)

    def target(page: str, **parameters: object) -> str:
        return address(stored.hub, f"remotetarget/{page}", **parameters)

    copy = {"target": "offsite", "name": "first"}
    return {
        "choose": f"{stored.hub}/admin/snapshots/snapshot/",
        "snapshots": here("snapshot/"),
        "no-snapshots": address(stored.hub, "snapshot/", workspace="shown"),
        "none-of-a-kind": here("snapshot/", kind="pre-import"),
        "snapshot": here("snapshot/page/", name="first"),
        "pinned": here("snapshot/page/", name="second"),
        "make": here("snapshot/make/"),
        "compare": here("snapshot/compare/", **{"from": "first", "to": "second"}),
        "compare-equal": here("snapshot/compare/", **{"from": "second", "to": "second"}),
        "delete": here("snapshot/delete/", name="first"),
        "copies": here("remotecopy/"),
        "no-copies": address(stored.hub, "remotecopy/", workspace="shown"),
        "copy": here("remotecopy/page/", **copy),
        "copy-damaged": here("remotecopy/page/", target="offsite", name="worn"),
        "copy-of-another-hub": here("remotecopy/page/", target="offsite", name="of-another-hub"),
        "copy-uploading": here("remotecopy/page/", target="away", name="second"),
        "copy-delete": here("remotecopy/delete/", **copy),
        "restores": here("restore/"),
        "no-restores": address(stored.hub, "restore/", workspace="shown"),
        "restore": here("restore/page/", id=stored.restore),
        "ask": here("restore/ask/", snapshot="first", delete=1),
        "ask-copy": here("restore/ask/", target="offsite", copy="first"),
        "ask-damaged": here("restore/ask/", target="offsite", copy="worn"),
        "policy": here("snapshotpolicy/"),
        "retention": here("snapshotpolicy/retention/"),
        "retention-copies": here("snapshotpolicy/retention/", target="offsite"),
        "targets": target(""),
        "target": target("page/", name="offsite"),
        "target-untested": target("page/", name="away"),
        "target-kinds": target("new/"),
        "target-bucket": target("new/", kind="s3", preset="minio"),
        "target-directory": target("new/", kind="directory"),
        "target-sftp": target("new/", kind="sftp"),
        "target-change": target("change/", name="away"),
        "target-remove": target("remove/", name="away"),
        "target-held": target("held/", name="offsite"),
        "target-away": target("held/", name="away"),
        "overview": f"{stored.hub}/admin/",
    }


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_about_snapshots_is_without_a_fault(
    signed_in: Page, watch: Watch, stored: Stored, pictures: Path, look: str
) -> None:
    named = {f"snapshots-{name}": url for name, url in pages(stored).items()}
    assert_without_fault(signed_in, watch, named, look, pictures)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state("networkidle")


def follow(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    page.wait_for_load_state("networkidle")


def test_a_snapshot_is_made_compared_pinned_uploaded_and_deleted(
    signed_in: Page, watch: Watch, console: Console, stored: Stored
) -> None:
    watch.visit(f"{console.url}/admin/workspaces/workspace/?q={SLUG}")
    signed_in.get_by_role("link", name=re.compile(f"^{SLUG}")).click()
    signed_in.get_by_label("Of this workspace").get_by_role("link", name="Snapshots").click()
    follow(signed_in, "Make a snapshot")
    signed_in.get_by_label("Name", exact=True).fill("by-hand")
    signed_in.get_by_label("Tags").fill("one, two")
    press(signed_in, "Make the snapshot")
    expect(signed_in.get_by_role("heading", name="by-hand", exact=True)).to_be_visible()

    signed_in.get_by_label("What changed from here to").select_option("first")
    press(signed_in, "Compare")
    expect(signed_in.get_by_role("heading", name="What changed")).to_be_visible()
    follow(signed_in, "Lines: notes/01.md")
    expect(signed_in.locator("ins", has_text="fine")).to_be_visible()

    watch.visit(address(stored.hub, "snapshot/page/", workspace=SLUG, name="by-hand"))
    press(signed_in, "Pin")
    expect(signed_in.get_by_text("by-hand is pinned: nothing deletes it.")).to_be_visible()
    press(signed_in, "Unpin")
    expect(signed_in.get_by_text("by-hand is not pinned any more.")).to_be_visible()
    signed_in.get_by_label("Copy it to").select_option("offsite")
    press(signed_in, "Upload")
    expect(signed_in.locator(".hub-table").get_by_text("sealed", exact=True)).to_be_visible()
    follow(signed_in, "Delete")
    press(signed_in, "Delete the snapshot")
    expect(signed_in.get_by_text("by-hand is deleted.")).to_be_visible()
    assert watch.faults == []


def test_a_copy_is_refreshed_verified_pinned_and_deleted(signed_in: Page, watch: Watch, stored: Stored) -> None:
    with stored.workspace.client() as client:
        uploaded(client, "passing")
    watch.visit(address(stored.hub, "remotecopy/", workspace=SLUG))
    press(signed_in, "Refresh offsite")
    expect(signed_in.get_by_text(re.compile(r"offsite holds \d copies"))).to_be_visible()

    follow(signed_in, "passing")
    signed_in.get_by_label(re.compile("^All read back")).check()
    press(signed_in, "Verify")
    expect(signed_in.get_by_text("(all read back)")).to_be_visible()
    press(signed_in, "Pin")
    press(signed_in, "Unpin")
    follow(signed_in, "Delete")
    press(signed_in, "Delete the copy")
    expect(signed_in.get_by_text("passing is deleted from offsite.")).to_be_visible()
    assert watch.faults == []


def test_a_restore_is_looked_at_asked_for_followed_and_undone(signed_in: Page, watch: Watch, stored: Stored) -> None:
    watch.visit(address(stored.hub, "snapshot/page/", workspace=SLUG, name="first"))
    follow(signed_in, "Restore")
    signed_in.get_by_label("Only this folder").fill("notes")
    signed_in.get_by_label("Delete what was not there then").check()
    press(signed_in, "Show what it would change")
    expect(signed_in.get_by_text("2 to write")).to_be_visible()

    signed_in.get_by_label("Why").fill("from the browser")
    press(signed_in, "Restore")
    expect(signed_in.get_by_text("done", exact=True)).to_be_visible()
    expect(signed_in.get_by_text("from the browser")).to_be_visible()
    follow(signed_in, "Undo")
    press(signed_in, "Restore")
    expect(signed_in.get_by_text("done", exact=True)).to_be_visible()
    follow(signed_in, "All restores")
    expect(signed_in.get_by_role("link", name=re.compile("^safety_"))).not_to_have_count(0)
    assert watch.faults == []


def test_a_policy_and_what_is_kept_are_changed(signed_in: Page, watch: Watch, stored: Stored, pictures: Path) -> None:
    watch.visit(address(stored.hub, "snapshotpolicy/", workspace=SLUG))
    signed_in.get_by_label("Schedule", exact=True).fill("every 6h")
    signed_in.get_by_label("Target", exact=True).select_option("offsite")
    press(signed_in, "Save the policy")
    expect(signed_in.get_by_text(f"The policy of {SLUG} is saved.")).to_be_visible()
    signed_in.screenshot(path=pictures / "snapshots-policy-saved.png", full_page=True)

    follow(signed_in, "Change: Snapshots in this hub")
    signed_in.get_by_label("Last", exact=True).fill("1")
    signed_in.get_by_label("Grace (hours)").fill("48")
    press(signed_in, "Preview")
    expect(signed_in.get_by_role("heading", name="What the new rule would do now")).to_be_visible()
    expect(signed_in.get_by_text("goes", exact=True).first).to_be_visible()
    signed_in.screenshot(path=pictures / "snapshots-retention-preview.png", full_page=True)
    press(signed_in, "Save this rule")
    expect(signed_in.get_by_text("The last 1")).to_be_visible()
    assert watch.faults == []


def test_a_target_is_added_tested_changed_and_removed(
    signed_in: Page, watch: Watch, stored: Stored, tmp_path: Path
) -> None:
    watch.visit(f"{stored.hub}/admin/snapshots/remotetarget/")
    follow(signed_in, "Add a target")
    signed_in.get_by_role("link", name=re.compile("A directory")).click()
    signed_in.get_by_label("Name", exact=True).fill("passing")
    signed_in.get_by_label("Directory").fill(str(tmp_path / "passing"))
    press(signed_in, "Add the target")
    expect(signed_in.get_by_text("passing is known now.")).to_be_visible()

    press(signed_in, "Test the connection")
    expect(signed_in.get_by_text("passing was tested: no problem.")).to_be_visible()
    follow(signed_in, "Look what it holds")
    expect(signed_in.get_by_role("heading", name="It holds nothing yet")).to_be_visible()
    watch.visit(address(stored.hub, "remotetarget/page/", name="passing"))
    follow(signed_in, "Change")
    press(signed_in, "Save the target")
    expect(signed_in.get_by_text("passing is changed.")).to_be_visible()
    follow(signed_in, "Remove")
    signed_in.get_by_label(re.compile("^Type")).fill("passing")
    press(signed_in, "Remove the target")
    expect(signed_in.get_by_text("passing is removed.")).to_be_visible()
    assert watch.faults == []


def test_a_lost_workspace_is_brought_back(signed_in: Page, watch: Watch, stored: Stored) -> None:
    others = shutil.ignore_patterns("of-another-hub")
    shutil.copytree(stored.directory / SLUG, stored.directory / "lost-and-found", ignore=others)
    watch.visit(address(stored.hub, "remotetarget/held/", name="offsite"))

    press(signed_in, "Bring lost-and-found back")
    expect(signed_in.get_by_text("done", exact=True)).to_be_visible()

    assert watch.faults == []
