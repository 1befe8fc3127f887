"""What a backup of the original becomes: names, paths, and the text of a file."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dialects.cloud_sync.layouts import BadBackup, backup_prefix, backup_time, files_of, markdown
from apps.dialects.cloud_sync.names import cleaned_prefix, is_backup_name
from apps.files.paths import check_portable, checked_path
from apps.snapshots.names import checked_name, dated_name

NOON = datetime(2026, 2, 14, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "prefix", "moment"),
    [
        ("manual_20260214_120000", "manual", NOON),
        ("pre_delete_batch_20260214_120000", "pre_delete_batch", NOON),
        ("pre-import_20260214_120000", "pre-import", NOON),
        ("__20260214_120000", "_", NOON),
        ("manual_20260230_120000", "manual", None),
        ("_20260214_120000", "", None),
        ("manual_20260214", "", None),
        ("manual_20260214_1200000", "", None),
        ("manual_20260214_120000_2", "", None),
        ("photos", "", None),
        ("", "", None),
    ],
)
def test_the_time_is_in_the_name(name: str, prefix: str, moment: datetime | None) -> None:
    assert (backup_prefix(name), backup_time(name)) == (prefix, moment)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("notes", "notes/1.md"),
        ("claude-code/memoryhub", "claude-code/memoryhub/1.md"),
        ("/abs//path/./../file.md:12", "abs/path/file.md_12/1.md"),
        ("..", "1.md"),
        ("", "1.md"),
        (None, "1.md"),
        (7, "1.md"),
        ("a\\b", "a/b/1.md"),
        ("con/aux.txt/x", "_con/_aux.txt/x/1.md"),
        ("trailing. /x ", "trailing/x/1.md"),
        ("tab\there", "tab_here/1.md"),
        ("config.json", "config.json_/1.md"),
        ("cafe\u0301", "caf\u00e9/1.md"),
        ("x" * 300, "x" * 100 + "/1.md"),
    ],
)
def test_a_source_becomes_a_folder(source: Any, path: str) -> None:
    assert list(files_of([{"id": 1, "text": "t", "source": source}], None)) == [path]


@pytest.mark.parametrize(
    ("identity", "name"), [(0, "0.md"), (12, "12.md"), ("a/b", "a_b.md"), ("..", "_.md"), ("con", "_con.md")]
)
def test_an_id_becomes_a_name(identity: int | str, name: str) -> None:
    assert list(files_of([{"id": identity, "text": "t"}], None)) == [name]


def test_an_id_that_comes_twice_loses_nothing() -> None:
    memories = [{"id": 1, "text": "one"}, {"id": 1, "text": "two"}, {"id": "1", "text": "three"}]

    assert list(files_of(memories, b"{}")) == ["config.json", "1.md", "1-2.md", "1-3.md"]


def test_places_of_deleted_memories_make_no_file() -> None:
    assert list(files_of([None, {"id": 1, "text": "one"}, None], None)) == ["1.md"]
    assert files_of([], None) == {}


@pytest.mark.parametrize(
    "memories",
    [
        {},
        "text",
        None,
        [1],
        [{}],
        [{"id": 1}],
        [{"text": "t"}],
        [{"id": 1, "text": None}],
        [{"id": True, "text": "t"}],
        [{"id": " ", "text": "t"}],
        [{"id": None, "text": "t"}],
        [{"id": 1, "text": "t"}, []],
    ],
)
def test_what_the_original_does_not_write_is_damaged(memories: Any) -> None:
    with pytest.raises(BadBackup, match=r"\.$"):
        files_of(memories, None)


def test_a_file_begins_with_what_is_known_of_the_memory() -> None:
    memory = {"id": 7, "text": "Ada prefers tea.\n---\n", "source": "a: b", "tags": ["x"], "on": None, "ключ": 1.5}

    assert markdown(memory).decode() == (
        '---\nid: 7\nsource: "a: b"\ntags: ["x"]\n"on": null\n"ключ": 1.5\n---\n\nAda prefers tea.\n---\n\n'
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
UNICODE = st.text(st.characters(exclude_categories=("Cs",)))


@given(UNICODE, st.dictionaries(UNICODE.filter(lambda name: name not in ("text", "id")), VALUES, max_size=4))
def test_nothing_of_a_memory_is_lost(text: str, metadata: dict[str, Any]) -> None:
    memory = json.loads(json.dumps({"id": 1, **metadata, "text": text}))

    head, _, body = markdown(memory).decode().removeprefix("---\n").partition("\n---\n\n")

    assert body == f"{text}\n"
    read = {}
    for line in head.split("\n"):
        name, value = _split(line)
        read[name] = json.loads(value)
    assert read | {"text": text} == memory


def _split(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        name, end = json.JSONDecoder().raw_decode(line)
        return name, line[end + 2 :]
    name, _, value = line.partition(": ")
    return name, value


@given(UNICODE, st.integers() | UNICODE.filter(str.strip))
def test_every_path_is_one_that_any_workspace_takes(source: str, identity: int | str) -> None:
    [path] = files_of([{"id": identity, "text": "t", "source": source}], None)

    whole = f"memories/{path}"
    assert checked_path(whole) == whole
    check_portable(whole)


@given(UNICODE.filter(lambda prefix: len(prefix) <= 50))
def test_every_prefix_makes_a_name_that_snapshots_and_this_wire_take(prefix: str) -> None:
    name = dated_name(cleaned_prefix(prefix), NOON)

    assert checked_name(name) == name
    assert is_backup_name(name)
