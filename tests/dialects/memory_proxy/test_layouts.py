"""The original's bucket layout, told apart from everything else that may lie in a bucket."""

import json
from datetime import UTC, datetime

import pytest

from apps.dialects.memory_proxy.layouts import (
    BadIndex,
    BadMetadata,
    Indexes,
    Layout,
    Stated,
    index_entries,
    index_namespace,
    stated,
)
from apps.dialects.memory_proxy.provenance import Provenance
from apps.files.errors import BadPath

MD5 = "65a8e27d8879283831b664bd8b7f0ad4"
ENTRY = Stated(MD5, 5, is_deleted=False)
MOMENT = datetime(2025, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    "metadata, expected",
    [
        ({"content-md5": MD5, "version": "17", "is-deleted": "false"}, Stated(MD5, 17, is_deleted=False)),
        ({"content-md5": MD5, "version": "17", "is-deleted": "true"}, Stated(MD5, 17, is_deleted=True)),
        ({"content-md5": MD5.upper()}, Stated(MD5, 0, is_deleted=False)),
    ],
)
def test_metadata_tell_a_state(metadata: dict[str, str], expected: Stated) -> None:
    assert stated(metadata) == expected


@pytest.mark.parametrize(
    "metadata",
    [{}, {"version": "17"}, {"content-md5": "new"}, {"content-md5": MD5 + "0"}, {"content-md5": MD5, "version": "-1"}],
)
def test_metadata_of_another_hand_are_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(BadMetadata):
        stated(metadata)


def test_an_index_of_either_form_is_read() -> None:
    current = {"files": {"a": {"md5": MD5, "version": 17, "is_deleted": True, "size": 0}}, "index_version": 17}
    seed = {"files": {"a": {"md5": MD5, "is_deleted": False, "size": 3}}}

    assert index_entries(json.dumps(current).encode()) == {"a": Stated(MD5, 17, is_deleted=True)}
    assert index_entries(json.dumps(seed).encode()) == {"a": Stated(MD5, 0, is_deleted=False)}


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"[]", b"{}", b'{"files": []}', b'{"files": {"a": 1}}', b"[" * 100_000]
)
def test_an_index_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BadIndex):
        index_entries(data)


@pytest.mark.parametrize(
    "relative, layout, namespace",
    [
        ("personas/ada/memory/.sync-index.json", Layout.CURRENT, "personas/ada/memory"),
        (".sync-index.json", Layout.CURRENT, ""),
        (".sync-index.json", Layout.SEED, ""),
        ("notes/.sync-index.json", Layout.SEED, None),
        ("ns/x.sync-index.json", Layout.CURRENT, None),
        ("ns/a.md", Layout.CURRENT, None),
    ],
)
def test_an_index_is_known_by_its_place(relative: str, layout: Layout, namespace: str | None) -> None:
    assert index_namespace(relative, layout) == namespace


@pytest.mark.parametrize(
    "indexes, relative, path",
    [
        ({"ns": ["a.md"]}, "ns/a.md", "ns/a.md"),
        ({"ns": []}, "ns/deep/a.md", "ns/deep/a.md"),
        ({}, "ns/a.md", "ns/a.md"),
        ({"": ["a.md"]}, "a.md", "a.md"),
        # The client meant `blob/x.md` and `a/blob/y.md` of `ns`; the original split the address at its last /blob/.
        ({"ns": [], "ns/blob": ["x.md"]}, "ns/blob/x.md", "ns/blob/x.md"),
        ({"ns": [], "ns/blob/a": ["y.md"]}, "ns/blob/a/y.md", "ns/a/blob/y.md"),
        ({"ns": [], "ns/blob/a/blob/b": ["y.md"]}, "ns/blob/a/blob/b/y.md", "ns/a/blob/b/blob/y.md"),
        # No index knows it: it stays where it lies.
        ({"ns": []}, "ns/blob/a/y.md", "ns/blob/a/y.md"),
        # The dialect does not serve these namespaces, but the bytes are kept.
        ({"health/memory": ["a.md"]}, "health/memory/a.md", "health/memory/a.md"),
        ({"blob/x": ["a.md"]}, "blob/x/a.md", "blob/x/a.md"),
    ],
)
def test_a_file_goes_where_its_client_looks_for_it(indexes: dict[str, list[str]], relative: str, path: str) -> None:
    known = Indexes()
    for namespace, names in indexes.items():
        known.add(namespace, dict.fromkeys(names, ENTRY))

    assert known.workspace_path(relative) == path


@pytest.mark.parametrize(
    "relative", ["", "/abs", "a//b", "ns/../x", "ns/a\x00", "ns/a\\b", "ns/deep/.Sync-Index.json", ".memoryhub/x"]
)
def test_a_path_that_the_hub_refuses_is_refused_here(relative: str) -> None:
    known = Indexes()
    known.add("ns", {})

    with pytest.raises(BadPath):
        known.workspace_path(relative)


def test_of_two_namespaces_that_name_one_object_the_last_writer_counts() -> None:
    known = Indexes()
    known.add("a", {"b/c": Stated(MD5, 9, is_deleted=True)})
    known.add("a/b", {"c": Stated(MD5, 8, is_deleted=False)})

    assert known.entry("a/b/c") == Stated(MD5, 9, is_deleted=True)


def test_what_the_indexes_name_without_an_object_is_told() -> None:
    known = Indexes()
    known.add("ns", {"there": ENTRY, "gone": ENTRY, "/abs": ENTRY})

    assert list(known.unnamed_by(["ns/there", "ns/abs"])) == [("ns/gone", ENTRY)]


@pytest.mark.parametrize(
    "provenance",
    [
        Provenance(1763600000000, MOMENT, MD5, is_deleted=False),
        Provenance(0, MOMENT.replace(microsecond=0), MD5, is_deleted=True, object_version="a-b_c.1"),
        Provenance(0, MOMENT, "", is_deleted=True, object_version="x"),
    ],
)
@pytest.mark.parametrize("key", ["memory/a b, md5 x.md", "p/" + "é" * 1022, "a\nb"])
def test_a_message_is_read_back_and_fits(provenance: Provenance, key: str) -> None:
    message = provenance.message("b" * 63, key)

    assert Provenance.from_message(message, is_deleted=provenance.is_deleted) == provenance
    assert len(message) <= 1000


@pytest.mark.parametrize(
    "message", ["", "Silica version 1", "Silica version 1 of yesterday, s3://b/k", "Silica version x of 2025, s3://b/k"]
)
def test_other_messages_are_no_provenance(message: str) -> None:
    assert Provenance.from_message(message, is_deleted=False) is None


def test_states_are_told_apart_by_the_old_version_or_else_by_time() -> None:
    one = Provenance(0, MOMENT, MD5, is_deleted=False)

    assert one.is_same(Provenance(0, MOMENT, MD5, is_deleted=False, object_version="x"))
    assert not one.is_same(Provenance(0, MOMENT.replace(day=21), MD5, is_deleted=False))
    assert not one.is_same(Provenance(0, MOMENT, MD5, is_deleted=True))
    assert not one.is_same(Provenance(7, MOMENT, MD5, is_deleted=False))
    assert Provenance(7, MOMENT, MD5, is_deleted=False).is_same(
        Provenance(7, MOMENT.replace(day=21), MD5, is_deleted=False)
    )
