"""What axe finds on a page: faults that keep people with a keyboard, a screen reader or weak eyes out."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

_axe = Axe()


def violations(page: Page) -> list[str]:
    """Each fault of the page as it stands: its rule, and the first elements that it was found on."""
    found: list[dict[str, Any]] = _axe.run(page, options={"runOnly": RULES}).response["violations"]
    return [f"{page.url}: {fault['id']}: {[node['html'][:200] for node in fault['nodes'][:3]]}" for fault in found]
