"""What of a folder stays at home."""

import subprocess
from pathlib import Path

import pytest

from memoryhub.client.folder.decisions import Step
from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.ignoring import Ignored
from tests.client.folder.machines import Machine

Both = tuple[Machine, Machine]


PATHS = [
    "a.md",
    "a/b.md",
    "a/b.txt",
    "a/c/b",
    "a/x/keep",
    "build/x",
    "build/y",
    "deep/keep.tmp",
    "foo/a.md",
    "foo/keep",
    "foo/x/a.md",
    "foo/x/keep",
    "keep.tmp",
    "notes/b/a.md",
    "x.tmp",
]


def on_hub(machine: Machine) -> set[str]:
    return {file.path for file in machine.client.index().files}


@pytest.mark.parametrize(
    "path", [".memoryhub/state", ".MemoryHub/state", ".MEMORYHUB", ".memoryhub", "a/.memoryhub/x", "a/b/.Memoryhub"]
)
def test_what_the_sync_keeps_in_the_folder_is_never_sent(path: str) -> None:
    assert Ignored().file(path)


@pytest.mark.parametrize("path", [".memoryhubignore", "a/.memoryhubignore", "memoryhub/x", ".memoryhub2/x", ".memory"])
def test_files_of_similar_names_are_sent(path: str) -> None:
    assert not Ignored().file(path)


@pytest.mark.parametrize(
    "rules",
    [
        "build/\n!build/x",
        "*\n!*/\n!*.md",
        "/*\n!/notes/",
        "foo\n!foo/a.md",
        "foo/*\n!foo/keep",
        "foo/**\n!foo/keep",
        "foo/x/\n!foo/x/keep",
        "!foo/**",
        "*\n!foo/**\n!foo/",
        "a/**/b",
        "**/x/**",
        "*.tmp\n!keep.tmp",
        "!\n*.tmp",
        "\\\n*.tmp",
        "# all\n\n*.md  ",
        "**",
    ],
)
def test_the_rules_mean_what_they_mean_to_git(tmp_path: Path, rules: str) -> None:
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / ".gitignore").write_text(f"{rules}\n")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    asked = ["git", "-C", tmp_path, "check-ignore", "--no-index", *PATHS]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()

    ignored = Ignored(rules)

    assert [path for path in PATHS if ignored.file(path)] == answer


def test_no_rule_brings_back_a_part_of_a_folder_that_is_left_alone(machines: Both) -> None:
    a, b = machines
    a.write("build/x", "x")
    a.sync()
    b.sync()
    a.write(".memoryhubignore", "build/\n!build/x\n")

    reports = [a.sync(), b.sync()]

    assert [report.problems for report in reports] == [{}, {}]
    assert on_hub(a) == {".memoryhubignore", "build/x"}
    assert (a.read("build/x"), b.read("build/x")) == ("x", "x")


def test_a_line_that_is_no_rule_is_told_and_the_others_hold(machines: Both) -> None:
    a, _ = machines
    a.write(".memoryhubignore", "!\n*.tmp\n")
    a.write("x.tmp", "x")

    report = a.sync()

    assert (report.is_whole, report.problems) == (True, {".memoryhubignore": "a line of it is no rule: !"})
    assert on_hub(a) == {".memoryhubignore"}


def test_what_a_sync_keeps_in_a_folder_of_the_folder_stays_at_home(machines: Both) -> None:
    a, b = machines
    inner = Machine(a.root / "notes", a.workspace, "inner")
    inner.write("note.md", "x")
    inner.sync(prefix="elsewhere")
    b.client.put("notes/.memoryhub/state.sqlite3", b"another's", if_version=0)

    report = a.sync()
    b.sync()
    again = inner.sync(prefix="elsewhere")
    inner.client.close()

    assert on_hub(a) == {"elsewhere/note.md", "notes/.memoryhub/state.sqlite3", "notes/note.md"}
    assert (report.problems, again.counts) == ({}, {})
    assert set(b.files) == {"elsewhere/note.md", "notes/note.md"}


def test_a_new_machine_keeps_the_hubs_rules_from_the_first_run_on(machines: Both) -> None:
    a, b = machines
    a.write(".memoryhubignore", ".env\nbuild/\n")
    a.sync()
    b.write(".env", "SECRET=1")
    b.write("build/x", "x")
    b.write("note.md", "x")

    planned = b.folder().plan().steps
    b.sync()

    assert planned == [(Step.DOWNLOAD, ".memoryhubignore"), (Step.UPLOAD, "note.md")]
    assert on_hub(a) == {".memoryhubignore", "note.md"}


def test_new_rules_of_the_hub_hold_for_what_is_sent_with_them(machines: Both) -> None:
    a, b = machines
    a.write(".memoryhubignore", "build/\n")
    a.sync()
    b.sync()
    a.write(".memoryhubignore", "build/\n.env\n")
    a.sync()
    b.write(".env", "SECRET=1")

    b.sync()

    assert on_hub(a) == {".memoryhubignore"}


def test_of_two_sets_of_rules_both_hold_until_somebody_has_chosen(machines: Both) -> None:
    a, b = machines
    a.write(".memoryhubignore", "build/\n!build/keep\n")
    a.sync()
    b.write(".memoryhubignore", ".env\n!build/x\n")
    b.write(".env", "SECRET=1")
    b.write("build/x", "x")

    report = b.sync()

    assert report.counts == {"merged": 1, "uploaded": 1}
    assert b.read(".memoryhubignore") == "build/\n!build/keep\n.env\n"
    assert b.trash == {"2026-05-04/.memoryhubignore": ".env\n!build/x\n"}
    assert on_hub(a) == {".memoryhubignore"}


def test_rules_that_cannot_be_taken_stop_the_sync(machines: Both) -> None:
    a, b = machines
    a.write(".memoryhubignore", ".env\n")
    a.sync()
    (b.root / "rules").write_text("")
    (b.root / ".memoryhubignore").symlink_to("rules")
    b.write(".env", "SECRET=1")

    with pytest.raises(FolderError, match="nothing is before it is"):
        b.sync()

    assert on_hub(a) == {".memoryhubignore"}


def test_rules_that_are_a_folder_are_a_sentence(machines: Both) -> None:
    a, _ = machines
    (a.root / ".memoryhubignore").mkdir()
    a.write("note.md", "x")

    with pytest.raises(FolderError, match="Is a directory"):
        a.sync()

    assert on_hub(a) == set()
