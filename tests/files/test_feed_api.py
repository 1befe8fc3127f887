"""Index, changes and history: what there is, what changed, what was."""

import gzip
import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest
import zstandard

from apps.accounts.actors import Actor
from apps.blobs.content import Content
from apps.common.conditions import ABSENT, ANY
from apps.files import actions
from apps.files.changes import ChangeItem
from apps.files.cursors import parse_cursor
from apps.files.epochs import renew_epochs
from apps.files.models import ChangeSet, File
from apps.files.sql import INDEX_COLUMNS, INDEX_PAGE_ROWS
from apps.workspaces.models import Workspace
from tests.factories import make_token, make_workspace
from tests.files.client import Api, assert_sound, body_of, statements_sent

HELLO = Content.of_bytes(b"hello")


def fill(workspace: Any, paths: list[str], condition: Any = ABSENT) -> None:
    """Writes the same small content to all paths, a thousand in a change set."""
    for start in range(0, len(paths), 1000):
        items = [ChangeItem(path, condition, HELLO, "text/plain") for path in paths[start : start + 1000]]
        changes = actions.apply_changes(workspace, items, all_or_nothing=True, actor=Actor("test"))
        assert all(change.is_applied for change in changes)


def index(api: Api, query: str = "", **headers: str) -> dict[str, Any]:
    answer = api.get(f"index{query}", **headers)
    assert answer.status_code == 200
    parsed: dict[str, Any] = json.loads(body_of(answer))
    return parsed


def paths(answer: dict[str, Any]) -> list[str]:
    return [row[0] for row in answer["files"][1:]]


@pytest.fixture
def filled(api: Api) -> Api:
    """A few paths that sort differently by bytes than by any locale; `gone` is deleted."""
    for path in ("b", "a/1", "a-b", "a/2/x", "a0", "B", "é", "a", "gone"):
        api.put(quote(path), path.encode())
    api.delete("gone")
    return api


# --- Index


def test_the_index_tells_columns_first_and_then_each_live_file(filled: Api) -> None:
    answer = index(filled)

    assert answer["files"][0] == list(INDEX_COLUMNS)
    assert paths(answer) == ["B", "a", "a-b", "a/1", "a/2/x", "a0", "b", "é"]
    assert answer["sequence"] == 10
    row = dict(zip(INDEX_COLUMNS, answer["files"][4], strict=True))
    file = File.objects.get(path="a/1")
    assert row == {
        "path": "a/1",
        "version": 2,
        "size_bytes": 3,
        "sha256": hashlib.sha256(b"a/1").hexdigest(),
        "md5": hashlib.md5(b"a/1").hexdigest(),
        "content_type": "text/markdown",
        "is_deleted": False,
        "changed_at_ms": round(file.changed_at.timestamp() * 1000),
    }


def test_an_empty_workspace_has_an_index(api: Api) -> None:
    answer = index(api)

    assert (answer["files"], answer["sequence"]) == ([list(INDEX_COLUMNS)], 0)
    assert api.get(f"changes?since={answer['cursor']}").json()["items"] == []


@pytest.mark.parametrize(
    ("prefix", "below"),
    [
        ("a", ["a/1", "a/2/x"]),
        ("a/", ["a/1", "a/2/x"]),
        ("a/2", ["a/2/x"]),
        ("a/1", []),
        ("c", []),
        ("gone", []),
        ("", ["B", "a", "a-b", "a/1", "a/2/x", "a0", "b", "é"]),
    ],
)
def test_a_prefix_selects_a_folder(filled: Api, prefix: str, below: list[str]) -> None:
    assert paths(index(filled, f"?prefix={quote(prefix)}")) == below


def test_tombstones_are_told_when_asked_for(filled: Api) -> None:
    rows = {row[0]: row for row in index(filled, "?tombstones=true")["files"][1:]}

    assert len(rows) == 9
    gone = dict(zip(INDEX_COLUMNS, rows["gone"], strict=True))
    assert (gone["version"], gone["size_bytes"], gone["is_deleted"]) == (10, 0, True)


@pytest.mark.parametrize("path", ['quo"te', "line\u2028separator", "width\u200b", "back%5Cslash", "💾", "</script>"])
def test_odd_names_come_back_from_the_index(api: Api, path: str) -> None:
    api.put(quote(path), b"x", type='text/plain; x="\\"')

    row = index(api)["files"][1]

    assert (row[0], row[5]) == (path, 'text/plain; x="\\"')


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.1", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd; q=0, gzip; q=0", None),
        ("GZIP", "gzip"),
        ("br", None),
        ("identity", None),
        ("", None),
        ("gzipped", None),
    ],
)
def test_the_index_is_compressed_as_the_caller_takes_it(filled: Api, accept: str, encoding: str | None) -> None:
    plain = body_of(filled.get("index"))

    answer = filled.get("index", Accept_Encoding=accept)

    assert answer.get("Content-Encoding") == encoding
    assert answer["Vary"] == "Accept-Encoding, Authorization"
    data = body_of(answer)
    decoders = {
        "gzip": gzip.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    }
    assert (decoders[encoding](data) if encoding else data) == plain


def test_the_tag_of_the_index_changes_with_the_files_and_with_the_question(filled: Api) -> None:
    tags = {
        query: filled.get(query)["ETag"]
        for query in (
            "index",
            "index?prefix=a",
            "index?prefix=b",
            "index?tombstones=true",
            "changes",
            "changes?limit=1",
        )
    }
    again = {query: filled.get(query)["ETag"] for query in tags}
    filled.put("new", b"x")
    after = {query: filled.get(query)["ETag"] for query in tags}

    assert len(set(tags.values())) == len(tags)
    assert again == tags
    assert not set(after.values()) & set(tags.values())
    assert filled.get("index?prefix=a%2F")["ETag"] == after["index?prefix=a"]


def test_the_tag_of_the_index_changes_with_epoch_and_purge(filled: Api) -> None:
    tags = [filled.get("index")["ETag"]]
    renew_epochs()
    tags.append(filled.get("index")["ETag"])
    Workspace.objects.filter(pk=filled.workspace.pk).update(purged_sequence=3)
    tags.append(filled.get("index")["ETag"])

    assert len(set(tags)) == 3
    assert all(tag.startswith('W/"') for tag in tags)


@pytest.mark.parametrize("query", ["index", "index?prefix=a", "changes", "changes?limit=2"])
def test_a_known_tag_is_answered_without_reading_any_file(filled: Api, query: str) -> None:
    tag = filled.get(query)["ETag"]

    with statements_sent() as sent:
        answers = [filled.get(query, If_None_Match=text) for text in (tag, f'"x", {tag}', "*", tag.removeprefix("W/"))]
    other = filled.get(query, If_None_Match='W/"x"')

    for answer in answers:
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
        assert answer["Vary"] == "Accept-Encoding, Authorization"
    assert len(sent) == len(answers)  # Each asks only where the workspace stands.
    assert other.status_code == 200


def test_an_index_of_more_than_one_page_misses_and_repeats_nothing(api: Api) -> None:
    wanted = sorted(f"{number % 3}/{number:05}.md" for number in range(2 * INDEX_PAGE_ROWS + 7))
    fill(api.workspace, wanted)

    whole = paths(index(api))
    folder = paths(index(api, "?prefix=1"))

    assert whole == wanted
    assert folder == [path for path in wanted if path.startswith("1/")]


def test_an_index_of_exactly_one_page_ends_there(api: Api) -> None:
    wanted = [f"{number:05}" for number in range(INDEX_PAGE_ROWS)]
    fill(api.workspace, wanted)

    assert paths(index(api)) == wanted


# --- Changes


def changes(api: Api, query: str = "") -> dict[str, Any]:
    answer = api.get(f"changes{query}")
    assert answer.status_code == 200
    parsed: dict[str, Any] = answer.json()
    return parsed


def test_changes_tell_each_path_once_with_its_newest_state(filled: Api) -> None:
    start = changes(filled)
    filled.put("a", b"one", If_Match='"8"')
    filled.put("a", b"two", If_Match='"11"')
    filled.put("new", b"x")
    filled.delete("new")
    filled.put("b", b"y", If_Match='"1"')

    news = changes(filled, f"?since={start['cursor']}")

    assert [(item["path"], item["version"], item["is_deleted"]) for item in news["items"]] == [
        ("a", 12, False),
        ("new", 14, True),
        ("b", 15, False),
    ]
    assert news["has_more"] is False
    assert news["items"][0]["sha256"] == hashlib.sha256(b"two").hexdigest()
    assert [news["items"][1][name] for name in ("sha256", "md5", "size_bytes")] == [None, None, 0]


def test_changes_without_a_cursor_begin_at_the_beginning(filled: Api) -> None:
    whole = changes(filled)

    assert [item["version"] for item in whole["items"]] == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert parse_cursor(whole["cursor"]).sequence == 10


def test_pages_of_changes_follow_each_other(filled: Api) -> None:
    seen, query = [], "?limit=2"
    while True:
        page = changes(filled, query)
        seen.append([item["version"] for item in page["items"]])
        query = f"?limit=2&since={page['cursor']}"
        if not page["has_more"]:
            break

    assert seen == [[1, 2], [3, 4], [5, 6], [7, 8], [10]]


def test_a_file_that_changes_between_two_pages_comes_again(filled: Api) -> None:
    first = changes(filled, "?limit=3")
    filled.put("b", b"new", If_Match='"1"')
    filled.put("é", b"new", If_Match='"7"')

    rest = changes(filled, f"?since={first['cursor']}")

    assert [item["path"] for item in first["items"]] == ["b", "a/1", "a-b"]
    assert [item["path"] for item in rest["items"]] == ["a/2/x", "a0", "B", "a", "gone", "b", "é"]


def test_changes_of_more_than_a_page_are_capped_at_a_thousand(api: Api) -> None:
    fill(api.workspace, [f"{number:04}" for number in range(1200)])

    first = changes(api, "?limit=5000")
    rest = changes(api, f"?limit=5000&since={first['cursor']}")

    assert (len(first["items"]), first["has_more"], len(rest["items"]), rest["has_more"]) == (1000, True, 200, False)


@pytest.mark.parametrize("count", [1, 50])
def test_the_number_of_statements_does_not_grow_with_the_files(api: Api, count: int) -> None:
    fill(api.workspace, [f"{number}" for number in range(count)])
    start = changes(api)["cursor"]
    fill(api.workspace, [f"{number}" for number in range(count)], ANY)
    for number in range(count):
        api.put("much", b"%d" % number, query="?overwrite=true")
    sent = {}

    for path in (f"changes?since={start}", "changes", "index", "history/much", "files/0"):
        with statements_sent() as sent[path]:
            body_of(api.get(path))
    with statements_sent() as sent["files:get"]:
        api.get_many(*({"path": f"{number}"} for number in range(count)))
    with statements_sent() as sent["files:put"]:
        api.put_many(*(({"path": f"{number}", "if_version": "any"}, b"new") for number in range(count)))

    assert [len(statements) for statements in sent.values()] == [3, 2, 2, 1, 1, 1, 1]


def test_the_cursor_of_an_index_leads_on_in_the_changes(filled: Api) -> None:
    start = index(filled, "?prefix=a")
    filled.put("later", b"x")

    assert [item["path"] for item in changes(filled, f"?since={start['cursor']}")["items"]] == ["later"]


# --- History


def test_the_history_tells_who_wrote_what_and_why(api: Api) -> None:
    api.put("a", b"one", query="?overwrite=true&message=first+try")
    api.put("other", b"x")
    api.put_many(
        ({"path": "x", "if_version": 0}, b""), ({"path": "a", "if_version": 1}, b"two"), query="?message=batch"
    )
    api.delete("a")

    items = api.get("history/a").json()["items"]

    actor = f"token:{api.token.split('_')[1]}"
    assert [(item["version"], item["origin"], item["message"], item["size_bytes"]) for item in items] == [
        (5, "put", "", 0),
        (4, "sync", "batch", 3),
        (1, "put", "first try", 3),
    ]
    assert {item["actor"] for item in items} == {actor}
    assert [item["is_deleted"] for item in items] == [True, False, False]
    assert [item["sha256"] for item in items] == [
        None,
        hashlib.sha256(b"two").hexdigest(),
        hashlib.sha256(b"one").hexdigest(),
    ]
    assert ChangeSet.objects.count() == 4


def test_pages_of_a_history_follow_each_other(api: Api) -> None:
    for number in range(7):
        api.put("a", b"%d" % number, query="?overwrite=true")
        api.put("b", b"%d" % number, query="?overwrite=true")

    seen, query = [], "?limit=3"
    while query:
        page = api.get(f"history/a{query}").json()
        seen.append([item["version"] for item in page["items"]])
        query = f"?limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else ""

    assert seen == [[13, 11, 9], [7, 5, 3], [1]]


def test_a_new_version_does_not_shift_the_pages_of_a_history(api: Api) -> None:
    for number in range(4):
        api.put("a", b"%d" % number, query="?overwrite=true")
    first = api.get("history/a?limit=2").json()
    api.put("a", b"new", query="?overwrite=true")

    rest = api.get(f"history/a?limit=2&cursor={first['next_cursor']}").json()

    assert [item["version"] for item in rest["items"]] == [2, 1]
    assert rest["next_cursor"] is None


def test_versions_of_two_paths_and_two_workspaces_do_not_mix(api: Api) -> None:
    other_workspace = make_workspace()
    other = Api(api.client, other_workspace, make_token(other_workspace))
    for number in range(3):
        api.put("a", b"mine%d" % number, query="?overwrite=true")
        other.put("a", b"theirs%d" % number, query="?overwrite=true")

    assert [item["version"] for item in api.get("history/a").json()["items"]] == [3, 2, 1]
    assert body_of(other.get("files/a?version=2")) == b"theirs1"
    assert paths(index(api)) == paths(index(other)) == ["a"]
    assert len(changes(api)["items"]) == len(changes(other)["items"]) == 1
    assert_sound()
