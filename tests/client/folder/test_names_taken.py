"""A file and a folder of one name: both are kept, and all machines agree which has which name."""

import pytest

from memoryhub.client.folder.report import Report
from tests.client.folder.machines import Machine

Both = tuple[Machine, Machine]
OF_A, OF_B = (f"fd (conflict 2026-05-04 03.02 from {name})" for name in ("anna", "bert"))


def settled(*machines: Machine) -> tuple[dict[str, str], list[Report]]:
    """What all folders and the hub hold once each has had its say, and what the last syncs said."""
    reports = []
    for _ in range(3):
        reports = [machine.sync() for machine in machines]
    files = machines[0].files
    assert all(machine.files == files for machine in machines)
    client = machines[0].client
    assert {file.path: client.read(file.path).decode() for file in client.index().files} == files
    return files, reports


@pytest.mark.parametrize("first", ["file", "folder"])
def test_a_new_file_steps_aside_for_a_new_folder(machines: Both, first: str) -> None:
    a, b = machines
    a.write("fd/x", "in the folder")
    a.write("fd/deep/y", "deeper")
    b.write("fd", "the file")

    files, reports = settled(*((b, a) if first == "file" else (a, b)))

    copy = OF_A if first == "file" else OF_B
    assert files == {"fd/x": "in the folder", "fd/deep/y": "deeper", copy: "the file"}
    assert [(report.is_whole, report.counts) for report in reports] == [(True, {})] * 2


def test_a_machine_that_has_neither_settles_it_too(machines: Both) -> None:
    a, b = machines
    a.client.put("fd", b"the file", if_version=0)
    a.client.put("fd/x", b"in the folder", if_version=0)

    report = a.sync()

    assert report.is_whole
    assert settled(a, b)[0] == {"fd/x": "in the folder", OF_A: "the file"}


def test_a_change_of_the_file_that_nobody_has_seen_is_kept_as_well(machines: Both) -> None:
    a, b = machines
    a.write("fd", "one\n")
    settled(a, b)
    a.remove("fd")
    a.write("fd/x", "in the folder")
    a.sync()
    b.write("fd", "two\n")

    files, reports = settled(b, a)

    assert files == {"fd/x": "in the folder", OF_B: "two\n"}
    assert all(report.is_whole for report in reports)


def test_where_the_past_is_not_known_both_are_kept(machines: Both) -> None:
    a, b = machines
    b.write("fd", "the file")
    b.sync()
    a.client.put("fd/x", b"in the folder", if_version=0)
    for machine in machines:
        machine.forget()

    assert settled(b, a)[0] == {"fd/x": "in the folder", OF_B: "the file"}


def test_a_file_that_is_to_be_deleted_gives_way_by_itself(machines: Both) -> None:
    a, b = machines
    for number in range(4):
        a.write(f"{number}/x", "x")
        a.write(f"fd{number}", "the file")
    settled(a, b)
    for number in range(4):
        a.remove(f"fd{number}")
        a.write(f"fd{number}/x", "in the folder")
    a.sync()

    held_back = b.sync(deletes_limit=2)

    assert (held_back.counts, held_back.is_whole) == ({"failed": 4}, False)
    assert set(b.files) == {f"{number}/x" for number in range(4)} | {f"fd{number}" for number in range(4)}
    files, _ = settled(b, a)
    assert set(files) == {f"{number}/x" for number in range(4)} | {f"fd{number}/x" for number in range(4)}


def test_an_empty_folder_gives_way_to_a_file(machines: Both) -> None:
    a, b = machines
    (b.root / "fd").mkdir()
    a.write("fd", "the file")

    assert settled(a, b)[0] == {"fd": "the file"}


def test_a_folder_of_files_that_are_left_alone_keeps_its_name(machines: Both) -> None:
    a, b = machines
    for machine in machines:
        machine.write(".memoryhubignore", "*.tmp\n")
    b.write("fd/x.tmp", "stays at home")
    a.write("fd", "the file")
    a.sync()

    report = b.sync()

    assert report.is_whole
    assert b.files == {".memoryhubignore": "*.tmp\n", "fd/x.tmp": "stays at home", OF_B: "the file"}


def test_nothing_steps_aside_for_a_link(machines: Both) -> None:
    a, b = machines
    (b.root.parent / "elsewhere").mkdir()
    (b.root / "fd").symlink_to(b.root.parent / "elsewhere")
    a.write("fd", "the file")
    a.sync()

    report = b.sync()

    assert not report.is_whole
    assert [file.path for file in a.client.index().files] == ["fd"]
