"""GET /sync and GET /sync/{ns}: shape, order, stability, size."""

import gzip
import json
import re
from datetime import UTC, datetime

import pytest
import zstandard
from django.db import connection

from apps.files import sql
from apps.files.models import SEQUENCE_BITS
from apps.workspaces.models import WorkspaceCounter
from tests.dialects.memory_proxy.proxy import BASE, Proxy

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def test_an_empty_namespace_is_an_empty_index_that_stays_the_same(proxy: Proxy) -> None:
    born = proxy.workspace.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")

    first, second = proxy.get("/sync/nobody"), proxy.get("/sync/nobody")

    assert first.status_code == 200
    assert first.text == f'{{"files":{{}},"index_last_modified":"{born}","index_version":{BASE}}}'
    assert second.text == first.text


def test_the_index_tells_every_path_once_in_the_order_of_paths_with_tombstones(proxy: Proxy) -> None:
    for path in ("b", "a/z", "B", "é", "a"):
        proxy.put(f"/ns/blob/{path}", path.encode(), If_Match_Version="0")
    proxy.delete("/ns/blob/b")

    body = proxy.get("/sync/ns").json()

    assert list(body) == ["files", "index_last_modified", "index_version"]
    assert list(body["files"]) == ["B", "a", "a/z", "b", "é"]
    assert all(
        list(entry) == ["md5", "last_modified", "size", "version", "is_deleted"] for entry in body["files"].values()
    )
    assert [entry["version"] - BASE for entry in body["files"].values()] == [3, 5, 2, 6, 4]
    assert [path for path, entry in body["files"].items() if entry["is_deleted"]] == ["b"]
    assert body["index_version"] == BASE + 6
    assert body["index_last_modified"] == body["files"]["b"]["last_modified"]
    assert STAMP.fullmatch(body["index_last_modified"])


def test_a_whole_second_is_told_without_a_fraction(proxy: Proxy) -> None:
    proxy.put("/ns/blob/a", b"x", If_Match_Version="0")
    proxy.put("/ns/blob/b", b"x", If_Match_Version="0")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE files_file SET changed_at = %s WHERE path = 'ns/a'", [datetime(2026, 1, 5, 9, 30, tzinfo=UTC)]
        )
        moment = datetime(2026, 1, 5, 9, 30, 1, 120000, tzinfo=UTC)
        cursor.execute("UPDATE files_file SET changed_at = %s WHERE path = 'ns/b'", [moment])

    body = proxy.get("/sync/ns").json()

    assert body["files"]["a"]["last_modified"] == "2026-01-05T09:30:00Z"
    assert body["files"]["b"]["last_modified"] == "2026-01-05T09:30:01.120000Z"
    assert body["index_last_modified"] == "2026-01-05T09:30:01.120000Z"


def test_a_namespace_sees_only_what_lies_below_its_folder(proxy: Proxy) -> None:
    for address in ("/p/a/blob/f", "/p/ab/blob/f", "/p/blob/a", "/p/a%2Fdeep/blob/f"):
        assert proxy.put(address, b"x", If_Match_Version="0").status_code == 201

    assert list(proxy.get("/sync/p/a").json()["files"]) == ["deep/f", "f"]
    assert list(proxy.get("/sync/p/ab").json()["files"]) == ["f"]
    assert list(proxy.get("/sync/p").json()["files"]) == ["a", "a/deep/f", "a/f", "ab/f"]
    assert list(proxy.get("/sync").json()["files"]) == ["p/a", "p/a/deep/f", "p/a/f", "p/ab/f"]


def test_odd_names_come_back_as_they_were(proxy: Proxy) -> None:
    names = ['quote".md', "per%cent", "emoji-😀", "tab-free but spaced", "{curly}", "\u2028line", "ünï/cödé"]
    for name in names:
        answer = proxy.native("PUT", f"files/ns/{name.replace('%', '%25')}", b"x", If_None_Match="*")
        assert answer.status_code == 201

    assert list(proxy.get("/sync/ns").json()["files"]) == sorted(names, key=str.encode)


def test_the_clients_own_index_is_neither_stored_nor_shown(proxy: Proxy) -> None:
    """A client that downloads this name overwrites its own state with it."""
    proxy.native("PUT", "files/ns/.sync-index.json", b"x", If_None_Match="*")
    proxy.native("PUT", "files/ns/.sync-index.json/below", b"x", If_None_Match="*")
    proxy.native("PUT", "files/ns/my.sync-index.json", b"x", If_None_Match="*")

    assert list(proxy.get("/sync/ns").json()["files"]) == ["my.sync-index.json"]
    for address in (
        "/ns/blob/.sync-index.json",
        "/blob/ns/.sync-index.json",
        "/blob/.sync-index.json",
        "/ns/blob/a/.sync-index.json",
    ):
        for method in ("GET", "PUT", "DELETE"):
            answer = proxy.call(method, address, b"x" if method == "PUT" else None, If_Match_Version="0")
            assert (answer.status_code, answer.json()["context"]) == (400, {"rule": "reserved"})


def test_pages_join_without_a_seam(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "INDEX_PAGE_ROWS", 3)
    for count in range(7):
        proxy.put(f"/ns/blob/f{count}", b"x", If_Match_Version="0")

        assert list(proxy.get("/sync/ns").json()["files"]) == [f"f{number}" for number in range(count + 1)]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd", "gzip;q=0"])
def test_the_index_is_compressed_only_for_those_who_ask(proxy: Proxy, encoding: str) -> None:
    proxy.put("/ns/blob/a", b"x", If_Match_Version="0")
    with proxy.http.stream("GET", "/sync/ns", headers={"Accept-Encoding": encoding}) as answer:
        raw = b"".join(answer.iter_raw())

    opened = {
        "gzip": lambda: gzip.decompress(raw),
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress(raw),
    }
    assert list(json.loads(opened.get(encoding, lambda: raw)())["files"]) == ["a"]
    assert answer.headers.get("Content-Encoding") == (encoding if encoding in opened else None)
    assert answer.headers["Vary"] == "Accept-Encoding, Authorization"


def test_an_index_that_a_client_has_already_is_304(proxy: Proxy) -> None:
    proxy.put("/ns/blob/a", b"x", If_Match_Version="0")
    tag = proxy.get("/sync/ns").headers["ETag"]

    same = proxy.get("/sync/ns", If_None_Match=tag)
    proxy.delete("/ns/blob/a")

    assert (same.status_code, same.content) == (304, b"")
    assert proxy.get("/sync/ns", If_None_Match=tag).status_code == 200


def test_an_old_position_that_purging_has_emptied_still_answers(proxy: Proxy) -> None:
    WorkspaceCounter.objects.filter(workspace=proxy.workspace).update(last_sequence=2**30)

    body = proxy.get("/sync/ns").json()

    assert (body["files"], body["index_version"]) == ({}, BASE + 2**30)


def test_the_index_of_many_files_is_read_by_the_path_index_alone(proxy: Proxy) -> None:
    """Cost grows with the namespace, not with the workspace or the table."""
    key = proxy.workspace.pk
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            """
            INSERT INTO files_file (id, workspace_id, path, head, blob_id, sha256, md5, size_bytes, content_type,
                                    is_deleted, changed_at)
            SELECT (%s::bigint << %s) | n, %s, 'p' || (n %% 50) || '/memory/' || lpad(n::text, 6, '0'),
                   (%s::bigint << %s) | n, n, sha256(n::text::bytea), decode(md5(n::text), 'hex'), 9, 'text/plain',
                   false, now() FROM generate_series(1, 20000) n
            """,
            [key, SEQUENCE_BITS, key, key, SEQUENCE_BITS],
        )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE files_file")
    arguments = {
        "workspace": key,
        "skipped": 11,
        "base": BASE,
        "last": "p7/memory/",
        "end": "p7/memory0",
        "hidden": ".sync-index.json",
        "limit": 10_000,
    }
    with sql.hot_cursor() as cursor:
        plan = "\n".join(row[0] for row in cursor.execute("EXPLAIN " + sql._INDEX_MEMBERS, arguments).fetchall())

    assert "file_path_once_per_workspace" in plan
    assert "Seq Scan" not in plan
    assert len(proxy.get("/sync/p7/memory").json()["files"]) == 400


def test_the_index_costs_the_same_few_queries_for_one_file_and_for_fifty(
    proxy: Proxy, django_assert_num_queries
) -> None:  # type: ignore[no-untyped-def]
    """The hot statements run on psycopg's own cursor; Django's own queries here are the gate's."""
    for number in range(50):
        proxy.put(f"/ns/blob/{number}", b"x", If_Match_Version="0")
    proxy.get("/sync/ns")

    with django_assert_num_queries(0):
        assert len(proxy.get("/sync/ns").json()["files"]) == 50
