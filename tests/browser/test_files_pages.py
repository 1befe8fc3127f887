"""Files in a real browser: what is stored runs nothing, and a version comes back by a person's clicks."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import Console
from tests.browser.watching import Watch
from tests.live import LiveHub

pytestmark = pytest.mark.browser

HACKED = "document.title='hacked'; fetch('/hacked')"
MARKDOWN = f"""---
tags: [one]
---
# A fine day

![dot](img/dot.svg) ![far](https://example.invalid/x.png) [far](https://example.invalid/)

<script>{HACKED}</script>
<img src=x onerror="{HACKED}">
[click](javascript:{HACKED})

| a | b |
|---|---|
| 1 | 2 |
"""
SVG = f"""<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" onload="{HACKED}">
<rect width="40" height="40" fill="teal"/><script>{HACKED}</script>
<image href="https://example.invalid/x.png" width="1" height="1"/></svg>"""
HTML = f'<title>hacked</title><script>{HACKED}</script><body onload="{HACKED}">text</body>'
SLUG = "looked-at"
PATHS = {
    "journal/today.md": ("text/markdown", MARKDOWN),
    "journal/img/dot.svg": ("image/svg+xml", SVG),
    "page.html": ("text/html", HTML),
    "page.xhtml": ("application/xhtml+xml", HTML),
    '"><script>document.title="hacked"</script>.md': ("text/markdown", "a path that looks like HTML"),
}


@pytest.fixture(scope="module")
def stored(live_hub: LiveHub) -> str:
    """The address of the console, for a workspace with all of PATHS, two versions of one, and a deleted file."""
    workspace = live_hub.workspace(SLUG, scopes=["files:read", "files:write"])
    with workspace.client() as client:
        for path, (content_type, text) in PATHS.items():
            client.put(
                f"/files/{path}", content=text.encode(), headers={"If-None-Match": "*", "Content-Type": content_type}
            ).raise_for_status()
        grand = MARKDOWN.replace("fine", "grand").encode()
        client.put("/files/journal/today.md?overwrite=true", content=grand).raise_for_status()
        client.put("/files/gone.md", content=b"x", headers={"If-None-Match": "*"}).raise_for_status()
        client.delete("/files/gone.md?overwrite=true").raise_for_status()
    return live_hub.url


def address(hub: str, page: str, **parameters: object) -> str:
    return f"{hub}/admin/{page}?{urlencode({'workspace': SLUG} | parameters)}"


def pages(hub: str) -> dict[str, str]:
    """Every page about files, by a name for its picture."""
    path = {"path": "journal/today.md"}
    return {
        "choose": f"{hub}/admin/files/file/",
        "folder": address(hub, "files/file/"),
        "inner-folder": address(hub, "files/file/", folder="journal"),
        "with-deleted": address(hub, "files/file/", deleted=1),
        "found": address(hub, "files/file/", q="today"),
        "nothing-found": address(hub, "files/file/", q="never"),
        "markdown": address(hub, "files/file/page/", **path),
        "old-version": address(hub, "files/file/page/", version=1, **path),
        "svg": address(hub, "files/file/page/", path="journal/img/dot.svg"),
        "html": address(hub, "files/file/page/", path="page.html"),
        "xhtml": address(hub, "files/file/page/", path="page.xhtml"),
        "gone": address(hub, "files/file/page/", path="gone.md"),
        "compare": address(hub, "files/file/compare/", **{"from": 1, "to": 6}, **path),
        "bring-back": address(hub, "files/file/bring-back/", version=1, **path),
        "change-sets": address(hub, "files/changeset/"),
        "change-set": address(hub, "files/changeset/page/", number=1),
        "storage": f"{hub}/admin/blobs/blob/",
    }


@pytest.mark.parametrize("look", ["wide", "dark", "narrow"])
def test_every_page_about_files_is_without_a_fault(
    signed_in: Page, watch: Watch, stored: str, pictures: Path, look: str
) -> None:
    signed_in.emulate_media(color_scheme="dark" if look == "dark" else "light")
    signed_in.set_viewport_size({"width": 390 if look == "narrow" else 1400, "height": 900})

    faults, too_wide = [], []
    for name, url in pages(stored).items():
        watch.visit(url)
        signed_in.screenshot(path=pictures / f"files-{name}-{look}.png")
        faults += violations(signed_in)
        if signed_in.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            too_wide.append(name)

    assert watch.faults == []
    assert faults == []
    assert too_wide == []
    assert {link for link in watch.links_elsewhere if not link.startswith("https://example.invalid/")} == set()
    assert signed_in.title() != "hacked"


def test_nothing_that_is_stored_runs(signed_in: Page, watch: Watch, stored: str) -> None:
    for path in PATHS:
        watch.visit(address(stored, "files/file/page/", path=path))
        assert "hacked" not in signed_in.title()
    watch.visit(address(stored, "files/file/page/", path="journal/img/dot.svg"))
    expect(signed_in.locator("img.mh-image")).to_be_visible()

    assert [fault for fault in watch.faults if "hacked" in fault or "example.invalid" in fault] == []


@pytest.mark.parametrize("path", ["page.html", "page.xhtml", "journal/img/dot.svg"])
def test_stored_pages_are_offered_for_download_and_never_opened(signed_in: Page, stored: str, path: str) -> None:
    with signed_in.expect_download() as download:
        signed_in.evaluate("address => { window.location = address }", address(stored, "files/file/bytes/", path=path))

    assert Path(download.value.path()).read_text() == PATHS[path][1]
    assert "hacked" not in signed_in.title()


def test_a_version_is_found_compared_and_brought_back(
    signed_in: Page, watch: Watch, stored: str, console: Console
) -> None:
    watch.visit(address(stored, "files/file/"))
    signed_in.get_by_role("link", name="journal/").click()
    signed_in.get_by_role("link", name="today.md").click()
    expect(signed_in.get_by_role("heading", name="A grand day")).to_be_visible()

    signed_in.get_by_role("button", name="Compare these two").click()
    expect(signed_in.locator("del", has_text="fine")).to_be_visible()
    expect(signed_in.locator("ins", has_text="grand")).to_be_visible()
    signed_in.get_by_role("link", name="today.md").click()
    signed_in.get_by_role("link", name="Bring back").last.click()
    signed_in.get_by_label("Why").fill("the finer day")
    signed_in.get_by_role("button", name="Bring it back").click()

    expect(signed_in.get_by_role("heading", name="A fine day")).to_be_visible()
    expect(signed_in.get_by_text("the finer day")).to_be_visible()
    expect(signed_in.get_by_text(f"user:{console.username}")).to_be_visible()
    assert watch.faults == []
