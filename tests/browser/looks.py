"""Pages of the console in each of their looks."""

from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.accessibility import violations
from tests.browser.test_pages import broken
from tests.browser.watching import Watch

LOOKS = ["wide", "dark", "narrow", "narrow-dark"]
TOO_WIDE = "document.documentElement.scrollWidth > window.innerWidth"


def assert_without_fault(page: Page, watch: Watch, pages: Mapping[str, str], look: str, pictures: Path) -> None:
    """Each page by its name: what can be unfolded is, nothing fails, nothing is out of reach or too wide.

    Leaves a picture of each. In one look also all links are followed.
    """
    page.emulate_media(color_scheme="dark" if "dark" in look else "light")
    page.set_viewport_size({"width": 390 if "narrow" in look else 1400, "height": 900})

    faults, too_wide = [], []
    for name, url in pages.items():
        watch.visit(url)
        for closed in page.locator("details:not([open]) > summary.hub-head").all():
            closed.click()
        page.screenshot(path=pictures / f"{name}-{look}.png", full_page=True)
        faults += violations(page)
        if page.evaluate(TOO_WIDE):
            too_wide.append(name)

    assert watch.faults == []
    assert faults == []
    assert too_wide == []
    assert watch.links_elsewhere == set()
    if look == "wide":
        assert broken(page, watch.links) == {}
