"""What the original's own tests pin down, beyond the status tables."""

import pytest

from tests.dialects.memory_proxy.proxy import Proxy

NAMESPACE = "personas/ada/memory"


def put(proxy: Proxy, path: str, body: bytes, version: str = "0", namespace: str = NAMESPACE) -> str:
    """The new version as it stands in the answer."""
    answer = proxy.put(f"/{namespace}/blob/{path}", body, If_Match_Version=version)
    assert answer.status_code in (200, 201)
    return answer.headers["X-Version"]


def test_the_whole_life_of_two_files_leaves_two_entries(proxy: Proxy) -> None:
    first = put(proxy, "a.md", b"one")
    put(proxy, "b.md", b"two")
    second = put(proxy, "a.md", b"one more", first)
    deleted = proxy.delete(f"/{NAMESPACE}/blob/b.md").headers["X-Version"]

    body = proxy.get(f"/sync/{NAMESPACE}").json()

    assert int(first) < int(second) < int(deleted)
    assert {path: entry["is_deleted"] for path, entry in body["files"].items()} == {"a.md": False, "b.md": True}
    assert body["index_version"] == int(deleted)
    assert proxy.get(f"/{NAMESPACE}/blob/b.md").status_code == 404


def test_index_version_and_time_follow_each_operation(proxy: Proxy) -> None:
    seen = []
    version = "0"
    for text in (b"one", b"two", b"two"):
        version = put(proxy, "a.md", text, version)
        body = proxy.get(f"/sync/{NAMESPACE}").json()
        assert body["index_version"] == int(version)
        seen.append((body["index_version"], body["index_last_modified"]))

    assert seen == sorted(set(seen))


def test_two_namespaces_do_not_see_each_others_file_entry_or_deletion(proxy: Proxy) -> None:
    put(proxy, "same.md", b"ada", namespace="personas/ada/memory")
    put(proxy, "same.md", b"bob", namespace="personas/bob/memory")

    proxy.delete("/personas/bob/memory/blob/same.md")

    assert proxy.get("/personas/ada/memory/blob/same.md").content == b"ada"
    entry = proxy.get("/sync/personas/ada/memory").json()["files"]["same.md"]
    assert entry["is_deleted"] is False
    assert f'"{entry["md5"]}"' == proxy.get("/personas/ada/memory/blob/same.md").headers["ETag"]


def test_deep_paths_are_keys_as_they_are(proxy: Proxy) -> None:
    path = "a/b/c/d/e/f/g/deep.md"
    put(proxy, path, b"x")

    assert list(proxy.get(f"/sync/{NAMESPACE}").json()["files"]) == [path]


def test_a_wrong_version_comes_back_as_it_was_given(proxy: Proxy) -> None:
    put(proxy, "a.md", b"one")

    answer = proxy.put(f"/{NAMESPACE}/blob/a.md", b"two", If_Match_Version="999")

    assert answer.json()["context"]["provided_version"] == "999"


@pytest.mark.parametrize("kind", ["application/json", "application/gzip", "image/png"])
def test_the_media_type_comes_back_exactly(proxy: Proxy, kind: str) -> None:
    proxy.put("/n/blob/a", b"{}", If_Match_Version="0", Content_Type=kind)

    assert proxy.get("/n/blob/a").headers["Content-Type"] == kind
