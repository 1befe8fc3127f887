"""Files of a folder, and how file systems treat their names."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memoryhub.client.folder.engine import Folder
from memoryhub.client.folder.files import InTheWay, Tree
from memoryhub.client.folder.filesystems import FileSystem, probe
from memoryhub.client.folder.flushing import flush_each, flush_files
from memoryhub.client.folder.renaming import (
    link_at_free_name,
    move_to_free_name,
    move_to_reserved_name,
    put_at_free_name,
)
from memoryhub.client.folder.scanning import Found
from tests.client.folder.machines import Machine
from tests.client.folder.moments import just_before, save

EXACT = FileSystem(False, False, 0)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "tree").mkdir()
    tree = Tree(tmp_path / "tree", now=datetime(2026, 5, 4, tzinfo=UTC))
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


def found_in(tree: Tree, path: str) -> Found:
    found = tree.found(path)
    assert found is not None
    return found


def trash_of(tree: Tree) -> list[str]:
    return sorted(file.read_text() for file in (tree.root / ".memoryhub" / "trash").rglob("*") if file.is_file())


def test_what_is_saved_at_the_last_moment_is_not_replaced(tree: Tree) -> None:
    note = tree.root / "a.md"
    note.write_text("old")
    found = found_in(tree, "a.md")

    with (
        just_before("os.rename", note, lambda: save(note, "a sentence just saved")),
        pytest.raises(InTheWay, match="changed just now"),
    ):
        tree.place(part_of(tree, "theirs"), "a.md", instead_of=found)

    assert (note.read_text(), trash_of(tree)) == ("a sentence just saved", [])


def test_what_is_deleted_at_the_last_moment_stays_deleted(tree: Tree) -> None:
    note = tree.root / "a.md"
    note.write_text("old")
    found = found_in(tree, "a.md")

    with just_before("os.rename", note, note.unlink), pytest.raises(InTheWay, match="deleted just now"):
        tree.place(part_of(tree, "theirs"), "a.md", instead_of=found)

    assert (note.exists(), trash_of(tree)) == (False, [])


def test_what_is_saved_at_the_last_moment_is_not_deleted(tree: Tree) -> None:
    note = tree.root / "a.md"
    note.write_text("old")
    found = found_in(tree, "a.md")

    with (
        just_before("os.rename", note, lambda: save(note, "a sentence just saved")),
        pytest.raises(InTheWay, match="changed just now"),
    ):
        tree.discard(found)

    assert (note.read_text(), trash_of(tree)) == ("a sentence just saved", [])


def test_what_is_saved_at_the_last_moment_gets_the_other_name_too(tree: Tree) -> None:
    note, copy = tree.root / "a.md", tree.root / "copy.md"
    note.write_text("old")
    found = found_in(tree, "a.md")

    with just_before("os.rename", note, lambda: save(note, "a sentence just saved")):
        tree.rename(found, "copy.md")

    assert (note.exists(), copy.read_text()) == (False, "a sentence just saved")


def test_another_name_is_not_taken_from_anybody(tree: Tree) -> None:
    for name in ("a.md", "copy.md"):
        (tree.root / name).write_text(name)
    found = found_in(tree, "a.md")

    with pytest.raises(InTheWay, match="somebody has just written copy.md"):
        tree.rename(found, "copy.md")

    assert [(tree.root / name).read_text() for name in ("a.md", "copy.md")] == ["a.md", "copy.md"]


def test_where_names_cannot_be_exchanged_nothing_is_lost_either(tree: Tree) -> None:
    note = tree.root / "a.md"
    note.write_text("old")
    found = found_in(tree, "a.md")

    with (
        just_before("os.rename", note, lambda: save(note, "a sentence just saved")),
        pytest.raises(InTheWay, match="changed just now"),
    ):
        tree.swap_in_two_steps(part_of(tree, "theirs"), found)
    assert (note.read_text(), trash_of(tree)) == ("a sentence just saved", [])
    tree.swap_in_two_steps(part_of(tree, "theirs"), found_in(tree, "a.md"))

    assert (note.read_text(), trash_of(tree)) == ("theirs", ["a sentence just saved"])


@pytest.mark.parametrize("move", [put_at_free_name, link_at_free_name, move_to_reserved_name, move_to_free_name])
def test_a_name_is_taken_only_where_it_is_free(tree: Tree, move: Callable[[Path, Path], None]) -> None:
    one, other, third = (tree.root / name for name in ("a.md", "b.md", "c.md"))
    one.write_text("one")
    other.write_text("other")

    with pytest.raises(FileExistsError):
        move(one, other)
    move(other, third)
    with pytest.raises(FileNotFoundError):
        move(other, tree.root / "d.md")

    assert sorted(file.name for file in tree.root.glob("*.md")) == ["a.md", "c.md"]
    assert (one.read_text(), third.read_text()) == ("one", "other")


def test_an_edit_while_a_file_is_placed_is_seen(tree: Tree) -> None:
    part = part_of(tree, "theirs")

    def edit() -> None:
        time.sleep(0.03)  # the clock's tick
        part.write_text("edited")

    with just_before("os.rename", part, edit):
        found = tree.place(part, "a.md", instead_of=None)

    assert (tree.root / "a.md").read_text() == "edited"
    assert tree.found("a.md") != found


def test_an_edit_that_puts_the_time_back_is_seen(tree: Tree) -> None:
    part = part_of(tree, "theirs")
    os.utime(part, (1_000_000_000, 1_000_000_000))

    found = tree.place(part, "a.md", instead_of=None)
    time.sleep(0.03)  # the clock's tick
    (tree.root / "a.md").write_text("edited")
    os.utime(tree.root / "a.md", (1_000_000_000, 1_000_000_000))

    assert tree.found("a.md") != found


def test_what_is_placed_looks_as_it_does_afterwards(tree: Tree) -> None:
    placed = tree.place(part_of(tree, "new"), "a.md", instead_of=None)
    replaced = tree.place(part_of(tree, "newer"), "a.md", instead_of=placed)

    assert found_in(tree, "a.md") == replaced


def test_the_trash_keeps_a_file_apart_from_a_folder_of_its_name(tree: Tree) -> None:
    for path in ("thing", "thing/inner", "thing"):
        (tree.root / path).parent.mkdir(exist_ok=True)
        (tree.root / path).write_text(path)
        tree.discard(found_in(tree, path))

    assert [grave(tree, name).read_text() for name in ("thing", "thing~2/inner", "thing~3")] == [
        "thing",
        "thing/inner",
        "thing",
    ]


def test_the_trash_keeps_files_of_the_longest_name_apart(tree: Tree) -> None:
    name = "é" * 126 + ".md"
    for text in ("one", "two"):
        (tree.root / name).write_text(text)
        tree.discard(found_in(tree, name))

    assert trash_of(tree) == ["one", "two"]
    assert grave(tree, "é" * 125 + "~2.md").read_text() == "two"


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_new_file_may_be_read_by_whom_the_umask_says(tree: Tree, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        tree.place(part_of(tree, "diary"), "a.md", instead_of=None)
    finally:
        os.umask(before)

    assert (tree.root / "a.md").stat().st_mode & 0o777 == mode


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
