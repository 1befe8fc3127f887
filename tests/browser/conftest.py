"""A browser, and a hub with a row of everything that its console shows."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.watching import Watch
from tests.live import LiveHub

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 30_000
SCOPES = ["workspace:admin", "files:read", "files:write", "jobs:write"]


@dataclass(frozen=True, slots=True)
class Console:
    """A hub as its administrator knows it: by address, name, and the password that was printed once."""

    url: str
    password: str
    username: str = "admin"


@pytest.fixture(scope="session")
def console(live_hub: LiveHub) -> Console:
    """The live hub with at least one row of each model that the console shows."""
    workspace = live_hub.workspace("shown", scopes=SCOPES)
    live_hub.command("user", "create", "rosa", "--workspace", "shown")
    with workspace.client() as client:
        client.put("/files/notes/a.md", content=b"# A", headers={"If-None-Match": "*"}).raise_for_status()
        identity = {"provider": "heare", "subject": "key-17", "scopes": ["files:read"]}
        client.post("/identities", json=identity).raise_for_status()
        webhook = {"url": "https://hooks.invalid/one", "events": ["job.failed"]}
        made = client.post("/webhooks", json=webhook).raise_for_status().json()
        client.post(f"/webhooks/{made['id']}:test").raise_for_status()
    printed = re.search(r"Made the administrator admin with the password (\S+)", live_hub.said())
    assert printed is not None
    return Console(live_hub.url, printed[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Not for the whole session: its event loop would be in the way of other tests."""
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    assert program is not None, f"none of {', '.join(CHROMIUMS)} is installed"
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that knows nobody."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def watch(page: Page, console: Console) -> Watch:
    """Faults and links of the page."""
    return Watch(page, console.url)


@pytest.fixture
def signed_in(page: Page, watch: Watch, console: Console) -> Page:
    """The page with the console's first view, as the administrator."""
    sign_in(page, console, console.password)
    page.wait_for_url(f"{console.url}/admin/")
    return page


def sign_in(page: Page, console: Console, password: str) -> None:
    page.goto(f"{console.url}/", wait_until="networkidle")
    page.fill("input[name=username]", console.username)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_load_state("networkidle")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests leave a picture of each page, for whoever wants to look."""
    directory = tmp_path_factory.mktemp("pages")
    print(f"pictures of the pages: {directory}")
    return directory
