"""Files of a folder, and how file systems treat their names."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from memoryhub.client.folder.engine import Folder
from memoryhub.client.folder.files import FileSystem, InTheWay, Tree, probe
from memoryhub.client.folder.flushing import flush_each, flush_files
from tests.client.folder.machines import Machine

EXACT = FileSystem(False, False, 0)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path, now=datetime(2026, 5, 4, tzinfo=UTC))
    tree.prepare()
    return tree


def part_of(tree: Tree, text: str) -> Path:
    part = tree.parts / "part"
    part.write_text(text)
    return part


def grave(tree: Tree, name: str) -> Path:
    return tree.root / ".memoryhub" / "trash" / "2026-05-04" / name


@pytest.mark.parametrize(
    ("names", "one", "other", "same"),
    [
        (EXACT, "a/Note.md", "a/note.md", False),
        (FileSystem(True, False, 0), "a/Note.md", "A/note.md", True),
        (FileSystem(True, False, 0), "Straße", "STRASSE", True),
        (FileSystem(True, False, 0), "\u00e9", "e\u0301", False),
        (FileSystem(False, True, 0), "\u00e9", "e\u0301", True),
        (FileSystem(False, True, 0), "É", "é", False),
        (FileSystem(True, True, 0), "E\u0301", "é", True),
    ],
)
def test_names_of_one_file_have_one_key(names: FileSystem, one: str, other: str, same: bool) -> None:
    assert (names.key(one) == names.key(other)) is same


def test_a_file_system_is_found_out_by_trying(tmp_path: Path) -> None:
    names = probe(tmp_path)

    assert (names.folds_case, names.folds_accents) == (False, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "paths", "held_back"),
    [
        (FileSystem(True, False, 0), ["Note.md", "note.md"], "note.md"),
        (FileSystem(False, True, 0), ["e\u0301.md", "\u00e9.md"], "\u00e9.md"),
    ],
)
def test_of_two_paths_that_would_be_one_file_the_first_is_synced(
    machines: tuple[Machine, Machine], names: FileSystem, paths: list[str], held_back: str
) -> None:
    a, _ = machines
    for path in paths:
        a.client.put(path, path.encode(), if_version=0)

    report = Folder(a.root, a.client, file_system=lambda _: names).sync()
    again = Folder(a.root, a.client, file_system=lambda _: names).sync()

    assert a.files == {paths[0]: paths[0]}
    assert report.problems == again.problems == {held_back: "its name differs from another's in case or accents only"}
    assert {file.path for file in a.client.index().files} == set(paths)


def test_what_a_file_replaces_is_in_the_trash(tree: Tree) -> None:
    (tree.root / "a.md").write_text("old")
    found = tree.found("a.md")

    tree.place(part_of(tree, "new"), "a.md", instead_of=found)

    assert ((tree.root / "a.md").read_text(), grave(tree, "a.md").read_text()) == ("new", "old")
    assert list(tree.parts.iterdir()) == []


def test_the_trash_keeps_files_of_one_name_apart(tree: Tree) -> None:
    for text in ("one", "two", "three"):
        (tree.root / "a.md").write_text(text)
        found = tree.found("a.md")
        assert found is not None
        tree.discard(found)

    assert [grave(tree, name).read_text() for name in ("a.md", "a~2.md", "a~3.md")] == ["one", "two", "three"]


def test_a_file_that_was_changed_since_it_was_looked_at_is_left_alone(tree: Tree) -> None:
    (tree.root / "a.md").write_text("old")
    found = tree.found("a.md")
    assert found is not None
    (tree.root / "a.md").write_text("newer")

    with pytest.raises(InTheWay, match="changed just now"):
        tree.place(part_of(tree, "theirs"), "a.md", instead_of=found)
    with pytest.raises(InTheWay, match="changed just now"):
        tree.discard(found)
    with pytest.raises(InTheWay, match="changed just now"):
        tree.read(found)

    assert (tree.root / "a.md").read_text() == "newer"


def test_a_file_that_has_just_appeared_is_not_overwritten(tree: Tree) -> None:
    (tree.root / "a.md").write_text("just written")

    with pytest.raises(InTheWay, match="somebody has just written a.md"):
        tree.place(part_of(tree, "theirs"), "a.md", instead_of=None)

    assert (tree.root / "a.md").read_text() == "just written"


@pytest.mark.parametrize("path", ["../out.md", "a/../../out.md", "/etc/out.md", "a//b.md", "./a.md", "nul\0.md", ""])
def test_nothing_is_written_outside_of_the_folder(tree: Tree, path: str) -> None:
    with pytest.raises(InTheWay):
        tree.place(part_of(tree, "x"), path, instead_of=None)


def test_nothing_is_written_through_a_link(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (tree.root / "link").symlink_to(outside)

    with pytest.raises(InTheWay, match="link is a symbolic link"):
        tree.place(part_of(tree, "x"), "link/a.md", instead_of=None)
    with pytest.raises(InTheWay, match="link is a symbolic link"):
        tree.found("link/a.md")

    assert list(outside.iterdir()) == []


def test_what_a_killed_run_left_half_written_is_removed(tree: Tree) -> None:
    part_of(tree, "half")

    tree.prepare()

    assert list(tree.parts.iterdir()) == []


def test_files_are_flushed_or_it_is_told(tree: Tree) -> None:
    part = part_of(tree, "text")

    flush_files(tree.parts, [part])
    flush_each([part])

    with pytest.raises(FileNotFoundError):
        flush_files(tree.root / "none", [])
    with pytest.raises(FileNotFoundError):
        flush_each([tree.root / "none"])
