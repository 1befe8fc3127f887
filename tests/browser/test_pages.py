"""Every page that people see, in a real browser."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from playwright.sync_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import Console, sign_in
from tests.browser.watching import Watch

pytestmark = pytest.mark.browser

WRONG_PASSWORD = "Please enter the correct username and password for a staff account."
WRITTEN_BY_HAND = {
    "/admin/blobs/blob/",
    "/admin/federation/agent/",
    "/admin/federation/federation/",
    "/admin/federation/peer/",
    "/admin/federation/pull/",
    "/admin/files/changeset/",
    "/admin/files/file/",
    "/admin/snapshots/remotecopy/",
    "/admin/snapshots/remotetarget/",
    "/admin/snapshots/restore/",
    "/admin/snapshots/snapshot/",
    "/admin/snapshots/snapshotpolicy/",
}
"""Models that are looked at by workspace and name: their rows have no page of Django's own."""
REDOC_OPERATION = "[data-section-id^='operation/']"


def registered_models() -> set[str]:
    """The address of each model in the console."""
    return {f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry}


def broken(page: Page, links: set[str]) -> dict[str, int]:
    """The links that do not lead to a page for whoever is signed in, with what is answered."""
    answers = {link: page.request.get(link).status for link in sorted(links)}
    return {link: status for link, status in answers.items() if status >= 400}


def first_row(page: Page, model: str) -> str | None:
    """The address of the first row of the list that is shown."""
    addresses = page.eval_on_selector_all("a[href]", "found => found.map(one => one.getAttribute('href'))")
    rows = (urlsplit(address).path for address in addresses)
    return next((row for row in rows if row.startswith(model) and row.endswith("/change/")), None)


def operations(page: Page, console: Console) -> int:
    """How many the hub describes."""
    described = page.request.get(f"{console.url}/openapi.json").json()["paths"]
    methods = {"get", "head", "put", "post", "patch", "delete", "options"}
    return sum(len(methods & path.keys()) for path in described.values())


def test_the_printed_password_opens_the_console_and_logging_out_closes_it(
    signed_in: Page, watch: Watch, console: Console, pictures: Path
) -> None:
    watch.collect()
    models = {urlsplit(link).path for link in watch.links}

    signed_in.get_by_text(console.username, exact=True).first.click()
    signed_in.screenshot(path=pictures / "account-menu.png")
    signed_in.get_by_text("Log out").click()
    signed_in.wait_for_url(f"{console.url}/admin/logout/")
    signed_in.screenshot(path=pictures / "logged-out.png")
    watch.visit(f"{console.url}/admin/")

    assert registered_models() <= models
    assert signed_in.url == f"{console.url}/admin/login/?next=/admin/"
    assert watch.faults == []


def test_a_wrong_password_is_told_and_opens_nothing(page: Page, watch: Watch, console: Console) -> None:
    sign_in(page, console, "not the password")

    expect(page.get_by_text(WRONG_PASSWORD)).to_be_visible()
    watch.visit(f"{console.url}/admin/")
    assert page.url == f"{console.url}/admin/login/?next=/admin/"
    assert watch.faults == []


def test_every_model_has_a_list_a_form_and_a_row_without_a_fault(
    signed_in: Page, watch: Watch, console: Console, pictures: Path
) -> None:
    without_rows, barriers = [], []
    for model in sorted(registered_models()):
        name = model.strip("/").replace("/", "-")
        watch.visit(f"{console.url}{model}")
        signed_in.screenshot(path=pictures / f"{name}.png")
        row = first_row(signed_in, model)
        if row is None:
            without_rows.append(model)
            continue
        can_add = f"{console.url}{model}add/" in watch.links
        watch.visit(f"{console.url}{row}")
        barriers += violations(signed_in)
        signed_in.screenshot(path=pictures / f"{name}-row.png", full_page=True)
        if can_add:
            watch.visit(f"{console.url}{model}add/")
            signed_in.screenshot(path=pictures / f"{name}-add.png", full_page=True)

    assert set(without_rows) == WRITTEN_BY_HAND
    assert barriers == []
    assert watch.faults == []
    assert watch.links_elsewhere == set()
    assert broken(signed_in, watch.links) == {}


def test_docs_shows_every_operation_with_bundled_assets(
    page: Page, watch: Watch, console: Console, pictures: Path
) -> None:
    watch.visit(f"{console.url}/docs")
    blocks = page.locator(".opblock")

    expect(blocks).to_have_count(operations(page, console))
    blocks.first.locator("button").first.click()
    expect(page.locator(".opblock.is-open .responses-wrapper")).to_be_visible()
    page.screenshot(path=pictures / "docs.png")
    watch.collect()
    assert watch.faults == []
    assert broken(page, watch.links) == {}


def test_redoc_shows_every_operation_with_bundled_assets(
    page: Page, watch: Watch, console: Console, pictures: Path
) -> None:
    watch.visit(f"{console.url}/redoc")

    expect(page.locator(REDOC_OPERATION)).to_have_count(operations(page, console))
    page.screenshot(path=pictures / "redoc.png")
    watch.collect()
    assert watch.faults == []
    assert broken(page, watch.links) == {}
