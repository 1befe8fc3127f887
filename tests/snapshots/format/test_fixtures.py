"""Copies that earlier releases have written: every later one reads them, and so does who has only the document.

A fixture never changes. A new format gets a new folder beside them, written once by `write_fixtures`.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from apps.snapshots.format.extracting import extract
from apps.snapshots.format.manifests import Details
from apps.snapshots.format.reading import CopyReader, Seals
from apps.snapshots.format.sealing import MasterKeys, Seal
from apps.snapshots.places.opening import directory_place
from tests.snapshots.format.reference_reader import Repository
from tests.snapshots.format.writing import (
    KEY,
    MASTER_TEXT,
    MASTERS,
    PLAIN,
    Content,
    data_of,
    folder_of,
    header,
    write_copy,
)

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = ["v1"]
LARGE = b"".join(b"%07d the quick brown fox jumps over the lazy dog\n" % (line % 19_997) for line in range(110_000))
FIRST: Mapping[str, Content] = {
    "README.md": Content(b"# Memory\n"),
    "empty.txt": Content(b"", "text/plain", 0),
    "notes/2026/02/plan.md": Content(b"- one\n- two\n", "text/markdown; charset=utf-8", 1_770_000_000_001),
    "notes/M\u00fcller \u2603 \U0001f40d.md": Content("Gr\u00fc\u00dfe\n".encode(), "text/markdown", 1_600_000_000_000),
    "notes/old": Content(b"\x00\x01\xff", "application/octet-stream", -14_182_940_000),
    "twin-1": Content(b"the same"),
    "twin-2": Content(b"the same"),
    "large.txt": Content(LARGE, "text/plain"),
    **{f"many/{number:03}.md": Content(f"Fact {number}.\n".encode() * 5) for number in range(100)},
}
SECOND: Mapping[str, Content] = {"README.md": Content(b"# Memory, later\n"), "notes/new.md": Content(b"new\n")}
COPIES = {"first": FIRST, "second": SECOND}

every_fixture = pytest.mark.parametrize(
    ("version", "kind", "name"),
    [(version, kind, name) for version in VERSIONS for kind in ("plain", "encrypted") for name in COPIES],
)


def write_fixtures(version: str) -> None:
    """Run once for a format, by hand: python -c "from ... import write_fixtures; write_fixtures('v1')"."""
    for kind, seal in (("plain", PLAIN), ("encrypted", KEY)):
        (FIXTURES / version / kind).mkdir(parents=True)
        for name, files in COPIES.items():
            write_copy(FIXTURES / version / kind, name, files, seal, files_a_pack=60)


@every_fixture
def test_every_copy_of_an_earlier_release_is_read(version: str, kind: str, name: str, tmp_path: Path) -> None:
    place = directory_place(FIXTURES / version / kind)

    with CopyReader(place, name, Seals(place, MASTERS)) as reader:
        extract(reader, tmp_path / "out")
        told = {entry.path: (entry.content_type, entry.changed_at) for entry in reader.entries()}
        size_bytes = sum(len(content.data) for content in COPIES[name].values())
        assert reader.header == header(name, files=len(COPIES[name]), size_bytes=size_bytes)
        assert reader.details == Details(7, "epoch", "why", ("one", "two"), "somebody")
        assert reader.is_encrypted == (kind == "encrypted")

    assert folder_of(tmp_path / "out") == data_of(COPIES[name])
    assert told == {path: (content.content_type, content.changed_at) for path, content in COPIES[name].items()}


@every_fixture
def test_every_copy_is_read_by_who_has_only_the_document(version: str, kind: str, name: str) -> None:
    repository = Repository(FIXTURES / version / kind, {"test-1": bytes.fromhex("5c" * 32)})

    read = {file.path: Content(file.content, file.content_type, file.changed_at_ms) for file in repository.files(name)}

    assert read == COPIES[name]
    assert repository.details(name)["tags"] == ["one", "two"]
    assert repository.header(name)["workspace"] == "default"


@pytest.mark.parametrize(("kind", "seal"), [("plain", PLAIN), ("encrypted", KEY)])
def test_what_is_written_now_is_read_by_who_has_only_the_document(tmp_path: Path, kind: str, seal: Seal) -> None:
    write_copy(tmp_path, "first", FIRST, seal, files_a_pack=60)

    files = Repository(tmp_path, {"test-1": bytes.fromhex("5c" * 32)}).files("first")

    assert {file.path: file.content for file in files} == data_of(FIRST)


def test_master_keys_of_the_fixtures_are_what_the_document_says() -> None:
    assert MasterKeys.parse(MASTER_TEXT) == MASTERS
