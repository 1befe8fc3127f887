"""Two folders and a hub between them."""

import os
from pathlib import Path

import pytest

from memoryhub.client import ANY, Client
from memoryhub.client.folder.decisions import Step
from memoryhub.client.folder.errors import AnotherHub, FolderInUse
from memoryhub.client.folder.lock import locked
from memoryhub.client.folder.report import TooManyDeletes
from tests.client.conftest import QUICK
from tests.client.folder.machines import Machine
from tests.live import LiveHub, LiveWorkspace

Both = tuple[Machine, Machine]
COPY = "note (conflict 2026-05-04 03.02 from bert).md"


def in_step(*machines: Machine) -> dict[str, str]:
    """What all folders hold, after each has had its say."""
    for _ in range(2):
        for machine in machines:
            machine.sync()
    files = machines[0].files
    assert all(machine.files == files for machine in machines)
    return files


def test_files_travel_both_ways(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "from a")
    b.write("deep/er/täglich €.md", "from b")
    b.write("empty", "")

    assert in_step(a, b) == {"note.md": "from a", "deep/er/täglich €.md": "from b", "empty": ""}
    assert a.sync().counts == {}


def test_a_change_travels(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "one")
    in_step(a, b)

    b.write("note.md", "two")
    b.sync()
    report = a.sync()

    assert a.read("note.md") == "two"
    assert (report.counts, a.trash) == ({"downloaded": 1}, {"2026-05-04/note.md": "one"})


def test_a_deletion_travels_and_the_text_stays_in_the_trash(machines: Both) -> None:
    a, b = machines
    a.write("deep/note.md", "one")
    in_step(a, b)

    a.remove("deep/note.md")

    assert in_step(a, b) == {}
    assert b.trash == {"2026-05-04/deep/note.md": "one"}
    assert not (b.root / "deep").exists()


def test_a_file_that_was_deleted_here_and_changed_there_comes_back(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "one")
    in_step(a, b)

    a.remove("note.md")
    b.write("note.md", "two")
    b.sync()

    assert in_step(a, b) == {"note.md": "two"}


def test_a_file_that_was_changed_here_and_deleted_there_stays(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "one")
    in_step(a, b)

    a.remove("note.md")
    a.sync()
    b.write("note.md", "two")

    assert in_step(a, b) == {"note.md": "two"}


def test_changes_of_different_lines_are_merged(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "1\n2\n3\n4\n5\n")
    in_step(a, b)

    a.write("note.md", "1 a\n2\n3\n4\n5\n")
    a.sync()
    b.write("note.md", "1\n2\n3\n4\n5 b\n")
    report = b.sync()

    assert report.counts == {"merged": 1, "uploaded": 1}
    assert in_step(a, b) == {"note.md": "1 a\n2\n3\n4\n5 b\n"}
    assert b.trash == {"2026-05-04/note.md": "1\n2\n3\n4\n5 b\n"}


def test_changes_of_the_same_line_keep_both_texts(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "1\n")
    in_step(a, b)

    a.write("note.md", "1 a\n")
    a.sync()
    b.write("note.md", "1 b\n")
    b.sync()

    assert ("conflict", "note.md", COPY) in b.told
    assert in_step(a, b) == {"note.md": "1 a\n", COPY: "1 b\n"}


def test_two_new_files_of_one_name_are_both_kept(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "from a")
    b.write("note.md", "from b")
    b.write(COPY, "here before")

    assert in_step(a, b) == {
        "note.md": "from a",
        COPY: "here before",
        COPY.replace("bert)", "bert 2)"): "from b",
    }


def test_equal_files_are_no_conflict(machines: Both) -> None:
    a, b = machines
    a.write("note.md", "same")
    b.write("note.md", "same")
    a.sync()

    assert b.sync().counts == {}
    assert in_step(a, b) == {"note.md": "same"}


def test_bytes_that_are_no_text_are_never_merged(machines: Both) -> None:
    a, b = machines
    a.write("x.bin", b"1\n\0\n2\n")
    in_step(a, b)

    a.write("x.bin", b"1a\n\0\n2\n")
    a.sync()
    b.write("x.bin", b"1\n\0\n2b\n")
    b.sync()

    assert sorted(in_step(a, b).values()) == ["1\n\0\n2b\n", "1a\n\0\n2\n"]


def test_a_file_becomes_a_folder_and_back(machines: Both) -> None:
    a, b = machines
    a.write("thing", "file")
    in_step(a, b)
    a.remove("thing")
    a.write("thing/inner", "in a folder")
    assert in_step(a, b) == {"thing/inner": "in a folder"}

    b.remove("thing/inner")
    (b.root / "thing").rmdir()
    b.write("thing", "a file again")

    assert in_step(b, a) == {"thing": "a file again"}


def test_large_files_travel_alone(machines: Both) -> None:
    a, b = machines
    data = os.urandom(3_000_000)
    a.write("large.bin", data)
    in_step(a, b)

    assert (b.root / "large.bin").read_bytes() == data
    b.write("large.bin", data + b"more")
    in_step(b, a)
    assert (a.root / "large.bin").read_bytes() == data + b"more"


def test_a_folder_of_the_workspace_can_be_synced(machines: Both) -> None:
    a, _ = machines
    a.client.put("other/x.md", b"not ours", if_version=0)
    a.client.put("journal/x.md", b"ours", if_version=0)
    a.client.put("journalist.md", b"not ours", if_version=0)
    a.write("y.md", "new")

    a.sync(prefix="journal")

    assert a.files == {"x.md": "ours", "y.md": "new"}
    assert a.client.read("journal/y.md") == b"new"
    with pytest.raises(AnotherHub, match="'journal/' of the workspace"):
        a.sync()


def test_what_is_ignored_stays_where_it_is(machines: Both) -> None:
    a, b = machines
    a.write(".memoryhubignore", "*.tmp\n/build/\n!keep.tmp\n")
    for path in ("x.tmp", "keep.tmp", "build/y", "deep/build/z"):
        a.write(path, path)
    a.sync()
    b.sync()
    b.client.put("there.tmp", b"there", if_version=0)
    b.write("here.tmp", "here")

    for machine in (a, b, a):
        machine.sync()

    assert set(a.files) == {".memoryhubignore", "keep.tmp", "deep/build/z", "x.tmp", "build/y"}
    assert set(b.files) == {".memoryhubignore", "keep.tmp", "deep/build/z", "here.tmp"}
    assert [file.path for file in a.client.index().files] == [
        ".memoryhubignore",
        "deep/build/z",
        "keep.tmp",
        "there.tmp",
    ]


def test_a_folder_that_lost_its_base_deletes_nothing(machines: Both) -> None:
    a, b = machines
    for name in ("kept", "gone-here", "gone-there"):
        a.write(name, name)
    in_step(a, b)

    b.remove("gone-there")
    b.sync()
    a.forget()
    a.remove("gone-here")

    assert in_step(a, b) == {name: name for name in ("kept", "gone-here", "gone-there")}


def test_many_deletions_need_a_word(machines: Both) -> None:
    a, b = machines
    for number in range(20):
        a.write(f"{number}", str(number))
    in_step(a, b)
    for number in range(6):
        a.remove(f"{number}")
    a.write("new", "new")

    asked = a.sync(deletes_limit=5)

    assert (asked.is_whole, asked.held_back) == (False, TooManyDeletes(here=0, there=6, of=21))
    b.sync()
    assert len(b.files) == 21
    assert a.sync(deletes_limit=6).is_whole
    assert b.sync(deletes_limit=5).held_back == TooManyDeletes(here=6, there=0, of=21)
    assert b.sync(deletes_limit=None).is_whole
    assert a.files == b.files
    assert len(a.files) == 15


@pytest.mark.parametrize(("files", "deleted", "is_held_back"), [(9, 5, True), (10, 5, False), (4, 4, False)])
def test_deleting_most_of_a_folder_needs_a_word(machines: Both, files: int, deleted: int, is_held_back: bool) -> None:
    a, b = machines
    for number in range(files):
        a.write(f"{number}", str(number))
    in_step(a, b)
    for number in range(deleted):
        a.remove(f"{number}")

    trial, report = a.folder().plan(), a.sync()

    held_back = TooManyDeletes(here=0, there=deleted, of=files) if is_held_back else None
    assert (trial.held_back, report.held_back) == (held_back, held_back)
    assert len(a.client.index().files) == (files if is_held_back else files - deleted)


def test_renaming_all_files_needs_no_word(machines: Both) -> None:
    a, b = machines
    for number in range(8):
        a.write(f"old/{number}", str(number))
    in_step(a, b)
    (a.root / "old").rename(a.root / "new")

    trial = a.folder().plan()

    assert trial.held_back is None
    assert set(in_step(a, b)) == {f"new/{number}" for number in range(8)}


def test_a_plan_says_what_would_be_done_and_does_nothing(machines: Both) -> None:
    a, b = machines
    a.write("up.md", "up")
    b.write("down.md", "down")
    b.sync()

    plan = a.folder().plan().steps

    assert plan == [(Step.DOWNLOAD, "down.md"), (Step.UPLOAD, "up.md")]
    assert (a.files, set(b.files)) == ({"up.md": "up"}, {"down.md"})


def test_links_and_odd_files_are_left_alone_and_told(machines: Both, tmp_path: Path) -> None:
    a, b = machines
    (tmp_path / "outside").mkdir()
    a.root.joinpath("link").symlink_to(tmp_path / "outside")
    os.mkfifo(a.root / "pipe")
    (a.root / os.fsdecode(b"bad\xff.md")).write_text("x")
    a.write("note.md", "x")

    report = a.sync()

    assert report.counts == {"uploaded": 1, "skipped": 3}
    assert report.problems == {
        "link": "it is a symbolic link",
        "pipe": "it is no ordinary file",
        "bad\\xff.md": "its name is not UTF-8",
    }
    b.client.put("link/escaped.md", b"no", if_version=0)
    report = a.sync()
    assert not report.is_whole
    assert "link is a symbolic link" in report.problems["link/escaped.md"]
    assert list((tmp_path / "outside").iterdir()) == []


def test_names_that_the_hub_cannot_have_are_told(machines: Both) -> None:
    a, _ = machines
    a.write("back\\slash.md", "x")
    a.write("note.md", "x")

    report = a.sync()

    assert report.counts == {"uploaded": 1, "skipped": 1}
    assert report.problems == {"back\\slash.md": "the hub cannot have it: its name has a backslash"}
    assert report.is_whole


def test_one_sync_of_a_folder_at_a_time(machines: Both) -> None:
    a, _ = machines
    a.sync()

    with locked(a.root / ".memoryhub" / "lock"), pytest.raises(FolderInUse):
        a.sync()


def test_a_folder_of_another_workspace_is_refused(machines: Both, live_hub: LiveHub) -> None:
    a, _ = machines
    a.write("note.md", "secret of the first")
    a.sync()
    other = live_hub.workspace()
    stranger = Machine(a.root, other, "anna")

    with pytest.raises(AnotherHub):
        stranger.sync()

    assert stranger.client.index().files == []
    stranger.client.close()


def test_the_hub_may_move_to_another_address(machines: Both, workspace: LiveWorkspace) -> None:
    a, b = machines
    a.write("note.md", "one")
    in_step(a, b)
    moved = Machine(a.root, workspace, "anna", url=workspace.hub_url.replace("127.0.0.1", "localhost"))

    assert moved.sync().counts == {}
    moved.client.close()


def test_permissions_of_a_replaced_file_stay(machines: Both) -> None:
    a, b = machines
    a.write("run.sh", "one")
    in_step(a, b)
    (b.root / "run.sh").chmod(0o750)
    a.write("run.sh", "two")
    in_step(a, b)

    assert (b.root / "run.sh").stat().st_mode & 0o777 == 0o750
    assert (a.root / "run.sh").stat().st_mode & 0o777 == 0o644


def test_a_restored_hub_makes_nobody_delete(machines: Both, live_hub: LiveHub, workspace: LiveWorkspace) -> None:
    a, b = machines
    for name in ("kept", "gone-here", "gone-there", "changed"):
        a.write(name, name)
    in_step(a, b)
    live_hub.command("epoch", "renew")
    a.remove("gone-here")
    a.write("changed", "changed here")
    with Client(workspace.hub_url, workspace.token, workspace.slug, retries=QUICK) as hub:
        hub.delete("gone-there", if_version=ANY)

    files = in_step(a, b)

    assert files == {"kept": "kept", "gone-here": "gone-here", "gone-there": "gone-there", "changed": "changed here"}
    a.remove("kept")
    assert set(in_step(a, b)) == {"gone-here", "gone-there", "changed"}
