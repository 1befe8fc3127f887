"""The built wheel alone: everything that a hub needs is inside, far from any clone."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from memoryhub.embedded import accounts
from tests.services import ROOT
from tests.system.hubs import Hub
from tests.system.newcomers import LOGIN_PATH

pytestmark = pytest.mark.system

PAGES = ("/admin/login/", "/docs", "/redoc")
ASSET = re.compile(r'(?:href|src)="(/[^"]+)"')


@pytest.fixture
def hub(hub_place: Path, installed_wheel: Path) -> Iterator[Hub]:
    """A hub of the wheel, run in an empty directory."""
    empty = hub_place / "empty"
    empty.mkdir()
    environment = {"PATH": LOGIN_PATH, "HOME": str(hub_place)}
    hub = Hub(
        hub_place / "data",
        [str(installed_wheel)],
        environment=environment,
        account=accounts.current(),
        directory=empty,
    )
    hub.start("--demo")
    yield hub
    hub.stop()


def test_a_hub_of_the_wheel_has_its_migrations_pages_and_samples(hub: Hub) -> None:
    with httpx.Client(base_url=hub.url, trust_env=False) as client:
        ready = client.get("/readyz")
        pages = {page: client.get(page) for page in PAGES}
        assets = sorted({asset for page in pages.values() for asset in ASSET.findall(page.text) if "/static/" in asset})
        broken = [asset for asset in assets if client.get(asset).status_code != 200]
        styles = client.get(next(asset for asset in assets if asset.startswith("/static/unfold/css/")))
    with hub.workspace("demo").client() as client:
        first_note = client.get("/files/README.md")
    said = hub.said()
    check = hub.command("fsck", "--read-data")
    exit_code = hub.interrupt()

    assert ready.json()["checks"]["migrations"] is True
    assert re.search(r"^Applied [0-9]+ migrations\.$", said, re.MULTILINE)
    assert {page: answer.status_code for page, answer in pages.items()} == dict.fromkeys(PAGES, 200)
    assert len(assets) > len(PAGES)
    assert broken == []
    assert styles.headers["Content-Type"].startswith("text/css")
    assert first_note.content == (ROOT / "memoryhub/demo/notes/README.md").read_bytes()
    assert "Token      memoryhub token issue default" in said
    assert (check.returncode, check.stderr) == (0, "")
    assert (exit_code, hub.left_running()) == (0, {})
