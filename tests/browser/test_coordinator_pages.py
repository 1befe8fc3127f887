"""The pages of the coordinator dialect, in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.test_pages import REDOC_OPERATION
from tests.browser.watching import Watch
from tests.live import LiveHub

pytestmark = pytest.mark.browser

OPERATIONS = 7
BASE = "/w/shown/coordinator"


def test_docs_tries_a_push_out_where_it_is_mounted(
    page: Page, watch: Watch, console: Console, live_hub: LiveHub, pictures: Path
) -> None:
    token = live_hub.workspace("shown", scopes=["federation:push"]).token
    watch.visit(f"{console.url}{BASE}/docs")
    expect(page.locator(".opblock")).to_have_count(OPERATIONS)

    page.locator(".btn.authorize").click()
    page.locator(".auth-container input").fill(token)
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".auth-btn-wrapper .btn-done").click()
    push = page.locator("#operations-default-push")
    push.click()
    push.locator(".try-out__btn").click()
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        push.locator(".execute").click()
    expect(push.locator(".live-responses-table")).to_contain_text("stored successfully")
    page.screenshot(path=pictures / "coordinator-docs.png", full_page=True)

    assert (answered.value.url, answered.value.status) == (f"{console.url}{BASE}/push", 200)
    assert watch.faults == []
    assert watch.links_elsewhere == set()


def test_redoc_shows_every_operation(page: Page, watch: Watch, console: Console, pictures: Path) -> None:
    watch.visit(f"{console.url}{BASE}/redoc")

    expect(page.locator(REDOC_OPERATION)).to_have_count(OPERATIONS)
    page.screenshot(path=pictures / "coordinator-redoc.png")
    assert watch.faults == []
