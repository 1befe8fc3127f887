import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.test import Client, RequestFactory

from apps.operations.api import views
from tests.services import ROOT


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api/docs"])
def test_manuals_load_nothing_from_another_host(client: Client, path: str) -> None:
    page = client.get(path)

    assert page.status_code == 200
    text = page.content.decode()
    assert "://" not in re.sub(r"https?://testserver", "", text)
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
    assert loaded
    for asset in loaded:
        assert client.get(asset).status_code == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/api/schema"])
def test_the_description_is_open_and_conditional(client: Client, path: str) -> None:
    answer = client.get(path)
    again = client.get(path, headers={"If-None-Match": answer["ETag"]})

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    description = answer.json()
    assert description["openapi"].startswith("3.")
    assert description["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert all(name.startswith("/api/v1/") for name in description["paths"])
    assert (again.status_code, again.content) == (304, b"")


def test_the_home_page_is_the_console(client: Client) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_the_description_names_the_public_address() -> None:
    program = (
        "import memoryhub.wsgi, json\n"
        "from apps.operations.api.views import _schema\n"
        "print(json.dumps(json.loads(_schema()[0]).get('servers')))"
    )
    environment = {**os.environ, "MEMORYHUB_PUBLIC_URL": "https://hub.example.org/base/"}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == [{"url": "https://hub.example.org/base"}]


def test_the_first_who_ask_at_once_all_get_the_description() -> None:
    """Before it is made, as after each start of a web server."""
    views._schema.cache_clear()
    together = Barrier(6)

    def asked(_number: int) -> int:
        together.wait()
        return views.schema(RequestFactory().get("/openapi.json")).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(asked, range(6))) == {200}
