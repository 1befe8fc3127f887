"""What operators do in the console, in a real browser: each button once, on wide and narrow screens, light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import TIMEOUT_MS, Console, sign_in
from tests.browser.watching import Watch
from tests.live import LiveHub

pytestmark = pytest.mark.browser

TOKEN = re.compile(r"mh_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
PAGES = [
    "",
    "workspaces/workspace/",
    "workspaces/workspace/add/",
    "workspaces/membership/",
    "workspaces/membership/add/",
    "workspaces/externalidentity/",
    "workspaces/externalidentity/add/",
    "accounts/apitoken/",
    "accounts/apitoken/add/",
    "accounts/user/",
    "accounts/user/add/",
    "accounts/auditevent/",
    "jobs/job/",
    "jobs/job/?q=nothing-like-this",
    "jobs/webhookendpoint/",
    "jobs/webhookdelivery/",
]
TOO_WIDE = "() => document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(params=["light", "dark"])
def narrow(browser: Browser, console: Console, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A telephone's page, signed in."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=request.param)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    sign_in(page, console, console.password)
    yield page
    context.close()


def open_workspace(page: Page, console: Console, slug: str) -> None:
    page.goto(f"{console.url}/admin/workspaces/workspace/?q={slug}", wait_until="networkidle")
    page.get_by_role("link", name=re.compile(f"^{slug}")).click()
    page.wait_for_load_state("networkidle")


def test_every_page_fits_a_telephone_in_both_modes(narrow: Page, console: Console, pictures: Path) -> None:
    wide = {}
    for path in PAGES:
        narrow.goto(f"{console.url}/admin/{path}", wait_until="networkidle")
        name = re.sub(r"\W+", "-", path).strip("-") or "overview"
        narrow.screenshot(path=pictures / f"narrow-{name}.png")
        if (over := narrow.evaluate(TOO_WIDE)) > 0:
            wide[path] = over

    assert wide == {}


@pytest.mark.parametrize("look", ["light", "dark"])
def test_nothing_keeps_people_with_weak_eyes_or_a_screen_reader_out(
    signed_in: Page, console: Console, look: Literal["light", "dark"]
) -> None:
    signed_in.emulate_media(color_scheme=look)

    faults = []
    for path in PAGES:
        signed_in.goto(f"{console.url}/admin/{path}", wait_until="networkidle")
        faults += violations(signed_in)

    assert faults == []


def test_the_overview_says_how_the_hub_is(signed_in: Page, watch: Watch, console: Console) -> None:
    watch.visit(f"{console.url}/admin/")

    for service in ("Postgres", "Redis", "Storage", "Scheduler", "Worker"):
        line = signed_in.locator(".hub-services li", has_text=service)
        expect(line.get_by_text("well", exact=True)).to_be_visible()
    assert watch.faults == []


def test_a_token_is_issued_copied_used_and_revoked(
    signed_in: Page, watch: Watch, console: Console, pictures: Path
) -> None:
    open_workspace(signed_in, console, "shown")
    signed_in.get_by_role("link", name="Issue a token").click()
    expect(signed_in.get_by_label("Workspace", exact=True)).to_have_value("shown")
    signed_in.get_by_label("Name", exact=True).fill("from the browser")
    signed_in.get_by_role("button", name="Issue the token").click()

    field = signed_in.get_by_label("The token")
    text = field.input_value()
    signed_in.get_by_role("button", name="Copy").first.click()
    expect(signed_in.get_by_role("button", name="Copied")).to_be_visible()
    signed_in.screenshot(path=pictures / "token-issued.png", full_page=True)
    index = f"{console.url}/api/v1/workspaces/shown/index"
    headers = {"Authorization": f"Bearer {text}"}

    assert TOKEN.fullmatch(text)
    assert signed_in.evaluate("() => window.getSelection().toString() || document.activeElement.value") == text
    assert httpx.get(index, headers=headers, trust_env=False).status_code == 200
    signed_in.get_by_role("link", name="I have copied it").click()
    signed_in.wait_for_load_state("networkidle")
    assert text not in signed_in.content()
    signed_in.get_by_role("link", name="Revoke").click()
    signed_in.get_by_role("button", name="Revoke the token").click()
    expect(signed_in.get_by_text("The token is revoked.")).to_be_visible()
    assert watch.faults == []


def test_the_token_can_be_copied_by_hand_without_scripts(browser: Browser, console: Console, signed_in: Page) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=signed_in.context.storage_state())
    page = context.new_page()
    page.goto(f"{console.url}/admin/accounts/apitoken/add/?workspace=shown")
    token = page.request.get(page.url).text()
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', token)
    assert csrf is not None

    form = {"csrfmiddlewaretoken": csrf[1], "workspace": "shown", "access": "viewer", "expires": "7", "kind": "api"}
    answer = page.request.post(page.url, form=form, headers={"Referer": page.url})

    assert answer.headers["cache-control"].startswith("no-store") or "no-store" in answer.headers["cache-control"]
    page.set_content(answer.text())
    field = page.locator("#token")
    assert TOKEN.fullmatch(field.get_attribute("value") or "")
    assert field.get_attribute("readonly") is not None
    assert page.locator("[data-hub-copy]:not([hidden])").count() == 0
    context.close()


def test_members_come_change_and_go(signed_in: Page, watch: Watch, console: Console, live_hub: LiveHub) -> None:
    live_hub.command("user", "create", "mia")
    open_workspace(signed_in, console, "shown")

    signed_in.get_by_label("User name").fill("mia")
    signed_in.get_by_label("Role", exact=True).select_option("viewer")
    signed_in.get_by_role("button", name="Add member").click()
    expect(signed_in.get_by_text("mia is viewer in shown.")).to_be_visible()
    signed_in.get_by_label("Role of mia", exact=True).select_option("admin")
    signed_in.get_by_role("button", name="Set the role of mia").click()
    expect(signed_in.get_by_text("mia is admin in shown.")).to_be_visible()
    signed_in.get_by_role("link", name="Remove mia").click()
    signed_in.get_by_role("button", name="Remove the member").click()
    expect(signed_in.get_by_text("mia was removed from shown.")).to_be_visible()

    assert watch.faults == []


def test_a_workspace_is_made_set_up_and_archived(
    signed_in: Page, watch: Watch, console: Console, pictures: Path
) -> None:
    watch.visit(f"{console.url}/admin/workspaces/workspace/add/")
    signed_in.get_by_label("Slug").fill("passing")
    signed_in.get_by_role("button", name="Make the workspace").click()
    expect(signed_in.get_by_text("The workspace passing is there.")).to_be_visible()
    signed_in.get_by_label("Quota of stored bytes").fill("10 GB")
    signed_in.get_by_role("button", name="Save the options").click()
    expect(signed_in.get_by_text("The options of passing are saved.")).to_be_visible()
    expect(signed_in.get_by_text("of 10.0 GB")).to_be_visible()
    signed_in.get_by_role("link", name="Archive this workspace").click()
    signed_in.screenshot(path=pictures / "archive.png")

    signed_in.get_by_label(re.compile("^Type")).fill("wrong")
    signed_in.get_by_role("button", name="Archive the workspace").click()
    expect(signed_in.get_by_text("Type passing to go on.", exact=True)).to_be_visible()
    signed_in.get_by_label(re.compile("^Type")).fill("passing")
    signed_in.get_by_role("button", name="Archive the workspace").click()
    expect(signed_in.get_by_text("passing is archived.")).to_be_visible()

    assert watch.faults == []


def test_a_waiting_job_is_cancelled_and_tried_again_and_its_page_follows(
    signed_in: Page, watch: Watch, console: Console
) -> None:
    # The webhook of this hub leads nowhere, so that its delivery waits for the next attempt.
    watch.visit(f"{console.url}/admin/jobs/job/?kind=webhooks.deliver")
    signed_in.get_by_role("link", name=re.compile("^webhooks.deliver")).first.click()
    with signed_in.expect_response(re.compile(r"/live/$")) as told:
        signed_in.wait_for_load_state("domcontentloaded")
    signed_in.get_by_role("link", name="Cancel").click()
    signed_in.get_by_role("button", name="Cancel the job").click()
    expect(signed_in.get_by_text("cancelled", exact=True)).to_be_visible()
    signed_in.get_by_role("link", name="Try again").click()
    signed_in.get_by_role("button", name="Try again").click()
    expect(signed_in.get_by_text("The job is queued again.")).to_be_visible()

    assert told.value.ok
    assert watch.faults == []


def test_a_webhook_is_switched_off_and_on(signed_in: Page, watch: Watch, console: Console) -> None:
    watch.visit(f"{console.url}/admin/jobs/webhookendpoint/")
    signed_in.get_by_role("link", name=re.compile("hooks.invalid")).click()

    signed_in.get_by_role("button", name="Switch off").click()
    expect(signed_in.get_by_text("The webhook is switched off.")).to_be_visible()
    signed_in.get_by_role("button", name="Switch on").click()
    expect(signed_in.get_by_text("The webhook is switched on.")).to_be_visible()

    assert watch.faults == []
