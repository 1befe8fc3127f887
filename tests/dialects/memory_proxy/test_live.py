"""The dialect over a socket, from several clients at once, through the web server's own processes."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.dialects.memory_proxy.proxy import BASE
from tests.dialects.memory_proxy.silica import Silica
from tests.live import LiveHub


@pytest.fixture
def http(live_hub: LiveHub) -> httpx.Client:
    workspace = live_hub.workspace()
    headers = {"Authorization": f"Bearer {workspace.token}"}
    url = f"{live_hub.url}/w/{workspace.slug}/memory-proxy"
    return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)


def test_two_machines_sync_over_the_wire(http: httpx.Client) -> None:
    files = {"persona.md": b"me", "blob/x.md": b"x", "a b/é+%41&c.md": b"odd", "big.bin": bytes(range(256)) * 1024}
    a, b = Silica(http, files=dict(files)), Silica(http)

    a.sync()
    b.sync()
    b.files["persona.md"] = b"me, changed"
    del b.files["blob/x.md"]
    b.sync()
    a.sync()

    files["persona.md"] = b"me, changed"
    del files["blob/x.md"]
    assert a.files == b.files == files
    assert a.sync() == b.sync() == []


def test_of_simultaneous_creates_one_wins_and_all_distinct_ones_are_listed(http: httpx.Client) -> None:
    """The original let three of twelve pass twice, and lost two of forty from its index."""

    def create(path: str) -> tuple[int, str]:
        answer = http.put(f"/ns/blob/{path}", content=path.encode(), headers={"If-Match-Version": "0"})
        return answer.status_code, answer.headers.get("X-Version", "")

    with ThreadPoolExecutor(8) as threads:
        same = list(threads.map(create, ["same"] * 12))
        distinct = list(threads.map(create, [f"f{number}" for number in range(40)]))

    assert sorted(status for status, _ in same) == [201] + [412] * 11
    assert {status for status, _ in distinct} == {201}
    assert sorted(int(version) - BASE for _, version in distinct) == list(range(2, 42))
    assert set(http.get("/sync/ns").json()["files"]) == {"same", *(f"f{number}" for number in range(40))}


def test_a_body_that_tells_no_length_is_refused(http: httpx.Client) -> None:
    answer = http.put("/blob/a", content=iter([b"part", b"part"]))

    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")
    assert http.get("/blob/a").status_code == 404


def test_head_of_the_index_and_of_a_file_have_no_body(http: httpx.Client) -> None:
    http.put("/blob/a", content=b"text")

    file, index = http.head("/blob/a"), http.head("/sync")

    assert (file.status_code, file.content, file.headers["Content-Length"]) == (200, b"", "4")
    assert (index.status_code, index.content) == (200, b"")
    assert http.get("/sync").status_code == 200
